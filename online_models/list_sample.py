"""Which units the ranker learns from: all at first, a sample later, a sparser one in a hurry."""

from __future__ import annotations

from zlib import crc32


class ListSample:
    """A stable sample of units, the same in any process.

    Making a list and learning from it costs many times as much as all else that an event teaches.
    So a learner that is behind lets only some micro-batches give lists, those of the usual sample,
    and catches up. Whole micro-batches, as a step of the ranker costs as much for one list as for a
    dozen.

    Parameters
    ----------
    every
        One in so many units.
    all_until
        The trained events until which all units are taken, but in a hurry.
    hurried_steps
        In a hurry, one in so many micro-batches gives lists.

    Attributes
    ----------
    hurried
        Whether the sparser sample is taken at present.
    skipped
        Lists that were left out in a hurry.
    """

    def __init__(self, *, every: int, all_until: int, hurried_steps: int) -> None:
        if every < 1:
            raise ValueError(f"lists_every is {every}, it must be at least 1")
        if hurried_steps < 1:
            raise ValueError(f"hurried_steps is {hurried_steps}, it must be at least 1")
        self.every, self.all_until, self.hurried_steps = every, all_until, hurried_steps
        self.hurried, self.skipped = False, 0

    def takes(self, unit_key: str, *, trained: int, step: int) -> bool:
        """Return whether the ranker learns from a unit's list.

        Parameters
        ----------
        trained, step
            The events and micro-batches that were trained on before.

        Examples
        --------
        >>> sample = ListSample(every=5, all_until=0, hurried_steps=8)
        >>> sum(sample.takes(f"u{n}", trained=1, step=n // 64) for n in range(1_000))
        206
        >>> sample.hurried = True
        >>> sum(sample.takes(f"u{n}", trained=1, step=n // 64) for n in range(1_000))
        27
        >>> sample.skipped
        179
        """
        young = trained < self.all_until
        if young and not self.hurried:
            return True
        sampled = crc32(unit_key.encode()) % self.every == 0
        if not self.hurried:
            return sampled
        taken = sampled and step % self.hurried_steps == 0
        self.skipped += not taken and (young or sampled)
        return taken
