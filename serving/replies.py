"""What replies have in common, as messages of ``scorer.proto``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from online_models.recommender import Slate
from schemas.positions import Marks
from serving import scorer_pb2 as pb
from serving.served import ServedModel


def items_of(model: ServedModel, slate: Slate) -> list[pb.ScoredItem]:
    """Return the items of a slate, with their titles."""
    title_of = model.follower.replica.state.title_of
    return [
        pb.ScoredItem(
            item_id=item.item_id,
            score=item.score,
            sources=item.sources,
            title=title_of(item.item_id),
            rules=item.rules,
            sponsored=item.sponsored,
        )
        for item in slate.items
    ]


def model_positions(model: ServedModel) -> list[pb.SourcePosition]:
    """Return what a model has absorbed."""
    return positions_of(model.follower.replica.state.progress.marks)


def positions_of(marks: Marks) -> list[pb.SourcePosition]:
    """Return marks in the order of topics and partitions."""
    return [
        pb.SourcePosition(topic=topic, partition=partition, offset=offset)
        for topic, partitions in sorted(marks.items())
        for partition, offset in sorted(partitions.items())
    ]


def settings_of(values: Any) -> dict[str, str]:
    """Return the fields of a struct as texts."""
    return {name: _shown(getattr(values, name)) for name in values.__struct_fields__}


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name}={part:g}" for name, part in sorted(value.items()))
    if isinstance(value, Iterable) and not isinstance(value, str):
        return " ".join(f"{part:g}" for part in value)
    return str(value)
