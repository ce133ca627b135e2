"""The error tree is as its docstring draws it, and its messages carry what they promise."""

import inspect

from schemas import errors
from schemas.errors import EventRefused, NotYetAbsorbed, RillrecError


def test_the_tree_is_as_drawn() -> None:
    drawn: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        head = line.lstrip("│├└─ ")
        if line.startswith(("│", "├", "└", " ", "RillrecError")):
            drawn.append(((len(line) - len(head)) // 4, head.split()[0]))
    ancestors: list[str] = []
    told = {}
    for depth, name in drawn:
        ancestors[depth:] = [name]
        told[name] = ancestors[depth - 1] if depth else "Exception"
    real = {
        name: kind.__bases__[0].__name__
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, RillrecError)
    }
    assert told == real


def test_a_refusal_carries_its_reason_and_message() -> None:
    refused = EventRefused("time", "too old")
    assert (refused.reason, refused.message, str(refused)) == ("time", "too old", "too old")


def test_a_wait_in_vain_tells_by_how_much() -> None:
    late = NotYetAbsorbed("events", 0, wanted=7, reached=5)
    assert str(late) == (
        "the event at events/0@7 is not absorbed yet: everything below 5 is; "
        "wait longer, or ask without 'after'"
    )
    assert (late.topic, late.partition, late.wanted, late.reached) == ("events", 0, 7, 5)
