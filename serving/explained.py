"""Explanations and diagnoses as the messages of ``scorer.proto``."""

from __future__ import annotations

from online_models.explaining.diagnosis import Diagnosis
from online_models.explaining.explanation import Explanation
from online_models.explaining.past import PastItem
from serving import scorer_pb2 as pb


def explanation_to_wire(
    told: Explanation, *, title: str, model_version: int, degraded: list[str]
) -> pb.ExplainResponse:
    """Return an explanation as Explain replies."""
    return pb.ExplainResponse(
        reason=told.reason,
        rule=told.rule,
        position=told.position,
        score=told.score,
        rank=told.rank,
        candidates=told.candidates,
        sources=[
            pb.SourceWord(name=s.name, proposed=s.proposed, score=s.score, rank=s.rank)
            for s in told.sources
        ],
        past_items=[_past(past) for past in told.past_items],
        relays=[_past(past) for past in told.relays],
        earlier_items=[_past(past) for past in told.earlier_items],
        words=[pb.SharedWord(word=w.word, share=w.share) for w in told.words],
        features=[
            pb.FeatureWord(name=f.name, value=f.value, contribution=f.contribution)
            for f in told.features
        ],
        baseline=told.baseline,
        moved_by=told.moved_by,
        model_version=model_version,
        degraded=degraded,
        title=title,
    )


def diagnosis_to_wire(
    told: Diagnosis, *, known_user: bool, model_version: int, degraded: list[str]
) -> pb.DiagnoseResponse:
    """Return a diagnosis as Diagnose replies."""
    return pb.DiagnoseResponse(
        steps=[pb.DiagnosisStep(name=s.name, count=s.count, detail=s.detail) for s in told.steps],
        fault=told.fault,
        known_user=known_user,
        model_version=model_version,
        degraded=degraded,
    )


def _past(past: PastItem) -> pb.PastItem:
    return pb.PastItem(item_id=past.item_id, share=past.share)
