"""Source order, restored: the engine hands pieces over shard by shard, in any order."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter, itemgetter

from flows.batches import Lesson

_offset = attrgetter("offset")
_place = itemgetter(0)


class InOrder:
    """Gives lessons back in the order of their source batches, each once all its pieces are there.

    What waits is bounded by what is on its way between the source and the learner.
    """

    def __init__(self) -> None:
        self._next: dict[tuple[str, int], int] = {}
        self._waiting: dict[tuple[str, int], dict[int, list[Lesson]]] = {}

    def take(self, lessons: Iterable[Lesson]) -> list[Lesson]:
        """Take lessons in; return those that are next, each merged from all pieces of its batch."""
        touched: dict[tuple[str, int], None] = {}
        for lesson in lessons:
            source = (lesson.topic, lesson.partition)
            self._waiting.setdefault(source, {}).setdefault(lesson.seq, []).append(lesson)
            touched[source] = None
        return [lesson for source in touched for lesson in self._complete(source)]

    def _complete(self, source: tuple[str, int]) -> Iterable[Lesson]:
        waiting = self._waiting[source]
        seq = self._next.get(source, 0)
        while seq in waiting and len(waiting[seq]) == waiting[seq][0].pieces:
            yield whole(waiting.pop(seq))
            seq += 1
        self._next[source] = seq


def whole(parts: list[Lesson]) -> Lesson:
    """Return the lesson of a whole batch, from its pieces."""
    first = parts[0]
    if len(parts) == 1:
        return first
    examples = [example for part in parts for example in part.examples]
    updates = [update for part in parts for update in part.updates]
    feedback = [label for part in parts for label in part.feedback]
    return Lesson(
        first.topic,
        first.partition,
        first.seq,
        len(parts),
        first.end,
        sorted(examples, key=_offset),
        sorted(updates, key=_place),
        sorted(feedback, key=_offset),
        newest_ms=first.newest_ms,
    )
