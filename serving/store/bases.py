"""Base snapshots in parts, so that nobody waits long for a large one to be stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from schemas.model_log import Entry, Progress, Publish, Put

PART_BYTES = 2**20


class _Stages(Protocol):
    def stage_base(self, number: int, part: Publish) -> None: ...

    def keep_base(self, progress: Progress, parts: int) -> None: ...


class WholeBases:
    """Adds ``put_base`` to a store that takes bases in parts."""

    def put_base(self: _Stages, base: Publish) -> None:
        """Stage all parts of a base, and keep it."""
        parts = list(parts_of(base))
        for number, part in enumerate(parts):
            self.stage_base(number, part)
        self.keep_base(base.progress, len(parts))


def parts_of(base: Publish, *, part_bytes: int = PART_BYTES) -> Iterator[Publish]:
    """Yield a base in parts of about so many bytes; their entries, in order, are its own.

    Examples
    --------
    >>> puts = [Put("t", b"12345678", bytes(60)) for _ in range(4)]
    >>> base = Publish(Progress(version=7), tuple(puts))
    >>> [len(part.entries) for part in parts_of(base, part_bytes=100)]
    [2, 2]
    """
    entries: list[Entry] = []
    held = 0
    for entry in base.entries:
        entries.append(entry)
        held += len(entry.index) + len(entry.values) if isinstance(entry, Put) else 0
        if held >= part_bytes:
            yield Publish(base.progress, tuple(entries))
            entries, held = [], 0
    if entries or not base.entries:
        yield Publish(base.progress, tuple(entries))


def whole_of(parts: list[Publish]) -> Publish:
    """Return the base that was cut into these parts."""
    return Publish(parts[0].progress, tuple([entry for part in parts for entry in part.entries]))
