"""Which units the ranker learns from: all at first, a sample later, a sparser one in a hurry."""

from __future__ import annotations

from zlib import crc32


class ListSample:
    """A stable sample of units, the same in any process.

    Making a list and learning from it costs many times as much as all else that an event teaches.
    So a learner that is behind takes fewer, and catches up: one in ``every`` where it would take
    all, one in ``hurried_every`` where it would take one in ``every``.

    Parameters
    ----------
    every, hurried_every
        One in so many units; in a hurry never more than usual.
    all_until
        The trained events until which all units are taken.

    Attributes
    ----------
    hurried
        Whether the sparser sample is taken at present.
    skipped
        Lists that were left out in a hurry.
    """

    def __init__(self, *, every: int, hurried_every: int, all_until: int) -> None:
        if every < 1:
            raise ValueError(f"lists_every is {every}, it must be at least 1")
        if hurried_every < 1:
            raise ValueError(f"hurried_lists_every is {hurried_every}, it must be at least 1")
        self.every, self.all_until = every, all_until
        self.hurried_every = max(every, hurried_every)
        self.hurried, self.skipped = False, 0

    def takes(self, unit_key: str, trained: int) -> bool:
        """Return whether the ranker learns from a unit's list, so many events having been trained.

        Examples
        --------
        >>> sample = ListSample(every=5, hurried_every=40, all_until=0)
        >>> sum(sample.takes(f"u{n}", 1) for n in range(1_000))
        206
        >>> sample.hurried = True
        >>> sum(sample.takes(f"u{n}", 1) for n in range(1_000)), sample.skipped
        (22, 184)
        """
        young = trained < self.all_until
        if young and not self.hurried:
            return True
        place, usual = crc32(unit_key.encode()), 1 if young else self.every
        if not self.hurried:
            return place % usual == 0
        taken = place % (self.every if young else self.hurried_every) == 0
        self.skipped += not taken and place % usual == 0
        return taken
