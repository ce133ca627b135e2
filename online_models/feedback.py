"""Impressions joined with interactions: what was shown, and what of it was chosen.

What is decided here:

- **Either may come first**, as they come from different topics: an interaction that names a slate
  which is not there yet waits for it, and is joined by the impression.
- **A label for every choice.** Each interaction of positive weight with a shown item gives one at
  once: the item, and those beside it that were not chosen so far, down to 20 places below the
  lowest choice. What stands below may not have been seen, nor all that stands above: how likely
  that is, the learner finds out (see ``Examination``). To learn from what stands above alone would
  teach that whatever stands low is better.
- **Without a request id** an interaction belongs to the newest open slate of its user that holds
  the item. It does not wait: for all that is known there is no slate.
- **Time** is the user's own: the newest event, of either kind. What is older by more than the
  window is closed by whatever event comes next, or is late.
- **Replayed** events, which the slates contain, change nothing, and give again the labels that they
  gave (``again``), for as long as the published model does not contain them. A user who is
  forgotten takes such labels along.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from online_models.slates import closed, find, kept, place_of, served, with_slate
from schemas.events import Impression, Interaction
from schemas.examples import Feedback
from schemas.positions import Position
from schemas.slates import Answer, Given, ServedSlate, Slates
from schemas.slates_codec import unpack_items
from schemas.user_state import StreamRules

_BELOW = 20


class Joined(Struct, frozen=True):
    """What became of an event: the user's next slates, labels, what to count.

    ``slates`` is the very object that was passed in where nothing changed. ``outcomes`` are those
    of ``schemas.metrics.FEEDBACK``.
    """

    slates: Slates | None
    feedback: tuple[Feedback, ...] = ()
    outcomes: tuple[str, ...] = ()


def show(
    slates: Slates | None, event: Impression, rules: StreamRules, *, at: Position, newest_ms: int
) -> Joined:
    """Return the user's slates once an impression has come, and the labels that it completes.

    Parameters
    ----------
    slates
        ``None`` for a user who has none.
    at
        Where the event stands: the labels' position.
    newest_ms
        The time of the user's newest interaction, 0 for a user without one.

    Examples
    --------
    >>> from schemas.events import ShownItem
    >>> items = tuple(ShownItem(item_id=i, position=n, score=0) for n, i in enumerate("abc"))
    >>> slate = Impression(request_id="r", user_id="ann", time_ms=10**12, items=items)
    >>> click = Interaction(
    ...     event_id="e", user_id="ann", item_id="b", kind="click", time_ms=10**12, request_id="r"
    ... )
    >>> rules, shown, done = StreamRules(), Position("shown", 0, 5), Position("done", 0, 9)
    >>> slates = show(None, slate, rules, at=shown, newest_ms=0).slates
    >>> [label] = answer(slates, click, rules, at=done, newest_ms=10**12).feedback
    >>> [item.item_id for item in label.items], label.place, label.offset
    (['a', 'b', 'c'], 1, 9)
    """
    known = slates or Slates(event.user_id)
    now_ms = _now_ms(known, newest_ms)
    if find((*known.open, *known.closed), event.request_id) is not None:
        return Joined(slates, outcomes=("duplicate",))
    if event.time_ms < now_ms - rules.feedback_window_ms:
        return Joined(slates, outcomes=("late",))
    choices = [one for one in known.waiting if one.request_id == event.request_id]
    waiting = tuple([one for one in known.waiting if one.request_id != event.request_id])
    known = with_slate(msgspec.structs.replace(known, waiting=waiting), served(event))
    labels: list[Feedback] = []
    outcomes: list[str] = []
    for choice in choices:
        known, label, outcome = _choose(known, choice, rules, at)
        labels += label
        outcomes.append(outcome)
    known, left = closed(known, max(now_ms, event.time_ms) - rules.feedback_window_ms)
    return Joined(kept(known), tuple(labels), (*outcomes, *left))


def answer(
    slates: Slates | None, event: Interaction, rules: StreamRules, *, at: Position, newest_ms: int
) -> Joined:
    """Return the user's slates once an accepted interaction has come, and the label that it is.

    Parameters
    ----------
    slates, at
        As for ``show``.
    newest_ms
        The time of the user's newest interaction, this one counted.
    """
    known = slates or Slates(event.user_id)
    labels: list[Feedback] = []
    outcomes: list[str] = []
    slate = _slate_of(known, event, rules)
    choice = Answer(
        event.request_id or (slate.request_id if slate else ""),
        event.item_id,
        rules.weight(event.kind),
        event.time_ms,
    )
    if choice.weight > 0 and choice.request_id:
        if slate is None:
            known = msgspec.structs.replace(known, waiting=(*known.waiting, choice))
        else:
            known, labels, outcome = _choose(known, choice, rules, at)
            by_item = event.request_id is None
            outcomes.append("joined_by_item" if by_item else outcome)
    known, left = closed(known, _now_ms(known, newest_ms) - rules.feedback_window_ms)
    after = slates if known is slates else kept(known)
    return Joined(after, tuple(labels), (*outcomes, *left))


def again(slates: Slates | None, at: Position) -> list[Feedback]:
    """Return the labels that a contained event has given, while the slates remember them."""
    if slates is None:
        return []
    place = (at.offset, at.partition, at.topic)
    return [
        _label(slates, one)
        for one in slates.given
        if (one.offset, one.partition, one.topic) == place
    ]


def _now_ms(slates: Slates, newest_ms: int) -> int:
    return max(newest_ms, slates.open[-1].time_ms) if slates.open else newest_ms


def _slate_of(slates: Slates, event: Interaction, rules: StreamRules) -> ServedSlate | None:
    """Return the slate that an interaction belongs to: the one named, or the newest that fits."""
    if event.request_id is not None:
        return find((*slates.open, *slates.closed), event.request_id)
    for slate in reversed(slates.open):
        fits = 0 <= event.time_ms - slate.time_ms <= rules.feedback_window_ms
        if fits and place_of(slate, event.item_id) is not None:
            return slate
    return None


def _choose(
    slates: Slates, choice: Answer, rules: StreamRules, at: Position
) -> tuple[Slates, list[Feedback], str]:
    """Return the slates once one of their items is chosen, the label, and what to count."""
    slate = find(slates.open, choice.request_id)
    if slate is None or choice.time_ms > slate.time_ms + rules.feedback_window_ms:
        return slates, [], "late"
    chosen = place_of(slate, choice.item_id)
    if chosen is None:
        return slates, [], "foreign"
    clicked = slate.clicked if chosen in slate.clicked else (*slate.clicked, chosen)
    end = min(max(clicked) + 1 + _BELOW, len(slate.item_ids))
    answered = {slate.item_ids[place] for place in clicked}
    places = [p for p in range(end) if p == chosen or slate.item_ids[p] not in answered]
    given = Given(
        at.topic,
        at.partition,
        at.offset,
        choice.request_id,
        tuple(places),
        chosen,
        choice.weight,
        choice.time_ms,
    )
    after = msgspec.structs.replace(slates, given=(*slates.given, given))
    after = with_slate(after, msgspec.structs.replace(slate, clicked=clicked))
    return after, [_label(after, given)], "joined_by_request"


def _label(slates: Slates, given: Given) -> Feedback:
    slate = find((*slates.open, *slates.closed), given.request_id)
    assert slate is not None, "a slate is kept for as long as a label refers to it"
    items = unpack_items(slate)
    return Feedback(
        slates.user_id,
        given.request_id,
        tuple([items[place] for place in given.places]),
        given.places.index(given.chosen),
        given.weight,
        given.time_ms,
        given.offset,
        slate.model_version,
        slate.variant,
    )
