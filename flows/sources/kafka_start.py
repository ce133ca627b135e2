"""Where the reading of a partition begins: where the model stands, where one is told to, or not."""

from __future__ import annotations

from msgspec import Struct

from schemas.errors import SourceError


class Bounds(Struct, frozen=True):
    """The first offset that a partition still holds, and the one that its next record gets."""

    earliest: int
    latest: int


class Start(Struct, frozen=True):
    """Where to begin, and how many offsets before it were deleted that the model never read."""

    offset: int
    deleted: int = 0


def start_of(
    place: str, *, mark: int | None, bounds: Bounds, wanted: int | None, brokers: str
) -> Start:
    """Return where to begin: at the later of the mark and the place that is wanted.

    Parameters
    ----------
    place
        Topic and partition, for errors.
    mark
        The first offset that the model has not absorbed; ``None``: it knows nothing of the place.
    wanted
        The offset that ``kafka.start`` stands for; ``None``: it says to resume.

    Raises
    ------
    SourceError
        What the model has not read yet was deleted, or what it has read was never there.

    Examples
    --------
    >>> start_of("t/0", mark=3, bounds=Bounds(5, 9), wanted=5, brokers="b:9092")
    Start(offset=5, deleted=2)
    """
    earliest, latest = bounds.earliest, bounds.latest
    if mark is not None and mark > latest:
        raise SourceError(
            f"{place} ends at offset {latest}, but the model has read it up to {mark}: the topic "
            f"was made anew or has lost its end, or {brokers} is another Kafka. Name the right "
            "brokers and topic, or learn into a new model (rillrec backfill, or model.name)"
        )
    if wanted is not None:
        mark_or_0 = mark or 0
        deleted = 0 if mark is None else max(0, earliest - mark)
        return Start(max(mark_or_0, wanted, earliest), deleted)
    if mark is not None and mark < earliest:
        raise deleted_before(place, mark, earliest)
    return Start(earliest if mark is None else mark)


def deleted_before(place: str, wanted: int, earliest: int) -> SourceError:
    """Return the refusal to go on behind a hole."""
    return SourceError(
        f"{place} begins at offset {earliest}, but {wanted} is next for the model: retention has "
        f"deleted {earliest - wanted} offsets that it never read. Go on without them by --from "
        "earliest, or by --from TIME, and raise the topic's retention.ms"
    )
