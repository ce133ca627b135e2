"""What Explain and Diagnose reply, as the client returns it and the command line prints it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from online_models.explaining.diagnosis import Diagnosis, Step
from online_models.explaining.explanation import (
    Explanation,
    FeatureWord,
    SourceWord,
)
from online_models.explaining.past import PastItem
from online_models.explaining.words import SharedWord
from serving import scorer_pb2 as pb

MOST_FEATURES = 10
_WHY = {
    "unknown_item": "the model does not know it: no event of it was learnt yet, or not of late, "
    "and the catalogue has no word of it",
    "not_proposed": "no source proposed it",
    "displaced": "pins, sponsored items, freshness or diversity took its place",
    "beyond_k": "it ranked behind the end of the slate",
    "no_model": "there is no model to ask",
}


class Explained(Struct, frozen=True):
    """An explanation, and the model that it is of."""

    explanation: Explanation
    model_version: int
    degraded: tuple[str, ...] = ()
    title: str = ""


class Diagnosed(Struct, frozen=True):
    """A diagnosis, and the model and user that it is of."""

    diagnosis: Diagnosis
    model_version: int
    known_user: bool
    degraded: tuple[str, ...] = ()


def explained(item_id: str, reply: pb.ExplainResponse) -> Explained:
    """Return a reply of Explain."""
    told = Explanation(
        item_id=item_id,
        reason=reply.reason,
        rule=reply.rule,
        position=reply.position if reply.HasField("position") else None,
        score=reply.score if reply.HasField("score") else None,
        rank=reply.rank,
        candidates=reply.candidates,
        sources=tuple(SourceWord(s.name, s.proposed, s.score, s.rank) for s in reply.sources),
        past_items=_past(reply.past_items),
        relays=_past(reply.relays),
        earlier_items=_past(reply.earlier_items),
        words=tuple(SharedWord(w.word, w.share) for w in reply.words),
        features=tuple(FeatureWord(f.name, f.value, f.contribution) for f in reply.features),
        baseline=reply.baseline,
        moved_by=tuple(reply.moved_by),
    )
    return Explained(told, reply.model_version, tuple(reply.degraded), reply.title)


def diagnosed(reply: pb.DiagnoseResponse) -> Diagnosed:
    """Return a reply of Diagnose."""
    steps = tuple(Step(s.name, s.count, s.detail) for s in reply.steps)
    told = Diagnosis(steps, reply.fault)
    return Diagnosed(told, reply.model_version, reply.known_user, tuple(reply.degraded))


def lines_of(said: Explained) -> Iterator[str]:
    """Yield an explanation in words."""
    told = said.explanation
    name = f"{told.item_id!r}" + (f" ({said.title})" if said.title else "")
    yield f"{name}: {_verdict(told)}"
    if told.score is not None:
        place = f", rank {told.rank} of {told.candidates} before rules" if told.rank else ""
        yield f"  score {told.score:.4f}{place}"
    if told.moved_by:
        yield f"  moved by {', '.join(told.moved_by)}"
    for source in told.sources:
        verb = "proposed it" if source.proposed else "did not propose it"
        yield f"  {source.name:<12}{verb}: score {source.score:.4g}, rank {source.rank}"
    yield from _shares(told.past_items, "of the rules come from")
    yield from _shares(told.relays, "of the rules at second hand come through")
    yield from _shares(told.earlier_items, "of what other sessions add comes from")
    for shared in told.words:
        yield f"  {shared.share:>5.0%} of the likeness comes from {shared.word!r}"
    if told.features:
        yield f"  the score begins at {told.baseline:+.4f}, where all features are average"
    for feature in told.features[:MOST_FEATURES]:
        yield f"  {feature.contribution:>+9.4f}  {feature.name} = {feature.value:.4g}"
    if rest := told.features[MOST_FEATURES:]:
        yield f"  {sum(f.contribution for f in rest):>+9.4f}  {len(rest)} other features"
    yield _model(said.model_version, said.degraded)


def diagnosis_lines(said: Diagnosed) -> Iterator[str]:
    """Yield a diagnosis in words."""
    told = said.diagnosis
    for step in told.steps:
        mark = "fault" if step.name == told.fault else "ok"
        yield f"{mark:<6}{step.name:<11}{step.count:>8}  {step.detail}"
    known = "the user is known" if said.known_user else "the user is a stranger"
    yield f"{known}; {_model(said.model_version, said.degraded).strip()}"
    yield f"at fault: {told.fault}" if told.fault else "nothing is at fault"


def _past(told: Iterable[pb.PastItem]) -> tuple[PastItem, ...]:
    return tuple(PastItem(past.item_id, past.share) for past in told)


def _shares(told: Iterable[PastItem], of_what: str) -> Iterator[str]:
    for past in told:
        yield f"  {past.share:>5.0%} {of_what} {past.item_id!r}"


def _verdict(told: Explanation) -> str:
    if told.position is not None:
        return f"shown at place {told.position} (from 0)"
    if told.reason == "hard_rule":
        return f"not shown: the hard rule {told.rule} bars it"
    if told.reason == "held_back":
        return f"not shown: {told.rule} held it back"
    return f"not shown: {_WHY.get(told.reason, told.reason)}"


def _model(version: int, degraded: tuple[str, ...]) -> str:
    return f"  model version {version}" + (f", degraded: {', '.join(degraded)}" * bool(degraded))
