"""Source order, restored."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from flows.batches import Lesson
from flows.in_order import InOrder
from schemas.events import ItemUpdate
from schemas.examples import Feedback
from schemas.slates import Served
from tests.builders import Stream


def lessons(sizes: list[list[int]], topic: str = "t") -> list[Lesson]:
    """Return the pieces of batches; ``sizes[b][p]`` events are in piece p of batch b."""
    stream, made, dice = Stream(), [], random.Random(0)
    for seq, pieces in enumerate(sizes):
        examples = [stream.add("u", f"i{n}") for n in range(sum(pieces))]
        dice.shuffle(examples)
        for size in pieces:
            part = sorted((examples.pop() for _ in range(size)), key=lambda one: one.offset)
            made.append(Lesson(topic, 0, seq, len(pieces), len(stream.examples), part, []))
    return made


@given(
    st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=4), min_size=1, max_size=6),
    st.randoms(use_true_random=False),
)
def test_any_order_of_pieces_gives_the_order_of_the_source(
    sizes: list[list[int]], dice: random.Random
) -> None:
    pieces = [*lessons(sizes), *lessons(sizes, "other")]
    dice.shuffle(pieces)
    in_order, given_back = InOrder(), list[Lesson]()
    while pieces:
        count = dice.randint(1, len(pieces))
        given_back += in_order.take([pieces.pop() for _ in range(count)])
    for topic in ("t", "other"):
        mine = [lesson for lesson in given_back if lesson.topic == topic]
        assert [lesson.seq for lesson in mine] == list(range(len(sizes)))
        offsets = [example.offset for lesson in mine for example in lesson.examples]
        assert offsets == list(range(sum(map(sum, sizes))))
        assert all(example.offset < lesson.end for lesson in mine for example in lesson.examples)


def test_a_batch_waits_for_all_of_its_pieces() -> None:
    first, second, third = lessons([[1, 1], [2]])
    in_order = InOrder()
    assert in_order.take([third]) == []
    assert in_order.take([first]) == []
    assert [lesson.seq for lesson in in_order.take([second])] == [0, 1]


def test_catalogue_updates_are_merged_by_offset() -> None:
    tea, milk = ItemUpdate(item_id="tea"), ItemUpdate(item_id="milk")
    parts = [
        Lesson("t", 0, 0, 2, 9, [], [(5, tea)]),
        Lesson("t", 0, 0, 2, 9, [], [(2, milk)]),
    ]
    [whole] = InOrder().take(parts)
    assert whole.updates == [(2, milk), (5, tea)]


def test_labels_are_merged_by_offset_and_those_of_one_event_keep_their_order() -> None:
    def label(offset: int, request_id: str) -> Feedback:
        return Feedback("ann", request_id, (Served("a", 0),), 0, 1.0, 0, offset)

    first, second, other = label(5, "first"), label(5, "second"), label(2, "other")
    parts = [
        Lesson("t", 0, 0, 2, 9, [], [], [first, second]),
        Lesson("t", 0, 0, 2, 9, [], [], [other]),
    ]
    [whole] = InOrder().take(parts)
    assert whole.feedback == [other, first, second]
