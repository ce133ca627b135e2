"""The Scorer service: each call checks its request, reads, asks the model, and replies."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from grpc import aio

from online_models.sessions import query_of
from schemas.events import anonymous_id
from schemas.examples import Query
from schemas.positions import Position
from schemas.slate_rules import SlateRules
from schemas.user_state import StreamRules
from serving import requests as checks
from serving import scorer_pb2 as pb
from serving import tracking
from serving.changeover import Changeover
from serving.degrade import NO_USER_STATE
from serving.event_log import Entry
from serving.explained import diagnosis_to_wire, explanation_to_wire
from serving.exploring import Explorer
from serving.impressions import Impressions
from serving.overrides import overridden
from serving.replies import items_of, model_positions, positions_of, settings_of
from serving.scorer_pb2_grpc import ScorerServicer
from serving.served import ServedModel
from serving.shown import shown
from serving.telemetry import Telemetry
from serving.users import Known, Users
from serving.waiting import limit_s, patience_s

if TYPE_CHECKING:
    Context = aio.ServicerContext[Any, Any]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Scorer(ScorerServicer):
    """Answers the calls of ``scorer.proto``.

    Parameters
    ----------
    rules
        How the stream is read, the same as in the flow. Unit and repeats are the model's own.
    slates
        How slates are made, where a request says nothing else.
    served
        Has the model that answers.
    impressions
        Told of each slate; ``None`` where nobody wants to know.
    """

    def __init__(
        self,
        *,
        rules: StreamRules,
        slates: SlateRules | None = None,
        served: Changeover,
        users: Users,
        telemetry: Telemetry,
        impressions: Impressions | None = None,
        now_ms: Callable[[], int] = _now_ms,
    ) -> None:
        self._rules, self._now_ms = rules, now_ms
        self._slates, self._explorer = slates or SlateRules(), Explorer()
        self._served, self._users = served, users
        self._telemetry, self._impressions = telemetry, impressions

    async def Recommend(  # noqa: N802
        self, request: pb.RecommendRequest, context: Context
    ) -> pb.RecommendResponse:
        """Return the top items for a user."""
        k = checks.checked_k(request.k)
        rules = overridden(self._slates, request.rules)
        model, known, query, stages = await self._asked(request, context)
        request_id = uuid4().hex
        exploration = self._explorer.of(request_id) if rules.explore_every else None
        slate = model.ladder.recommend(query, k, stages, rules, exploration)
        if exploration is not None:
            self._explorer.served(item.item_id for item in slate.items)
        version = model.follower.replica.version
        self._telemetry.served([item.sources for item in slate.items], stages)
        if self._impressions is not None and slate.items:
            self._impressions.note(shown(request_id, query, slate, version))
        return pb.RecommendResponse(
            request_id=request_id,
            items=items_of(model, slate),
            degraded=stages,
            model_version=version,
            user_positions=positions_of(known.marks),
            model_positions=model_positions(model),
            known_user=known.state is not None,
            relaxed=slate.relaxed,
        )

    async def Score(  # noqa: N802
        self, request: pb.ScoreRequest, context: Context
    ) -> pb.ScoreResponse:
        """Return scores of given items for a user."""
        item_ids = checks.checked_item_ids(request.item_ids)
        model, known, query, stages = await self._asked(request, context)
        scores = model.ladder.score(query, item_ids, stages)
        return pb.ScoreResponse(
            scores=[
                pb.ItemScore(item_id=item_id, score=score)
                for item_id, score in zip(item_ids, scores, strict=True)
            ],
            model_version=model.follower.replica.version,
            user_positions=positions_of(known.marks),
            model_positions=model_positions(model),
            degraded=stages,
        )

    async def SimilarItems(  # noqa: N802
        self, request: pb.SimilarItemsRequest, context: Context
    ) -> pb.SimilarItemsResponse:
        """Return the items most alike to a given one."""
        k = checks.checked_k(request.k)
        stages: list[str] = []
        item_id = checks.checked_id("item_id", request.item_id)
        fields = checks.checked_context(request.context)
        model = self._served.model
        slate = model.ladder.similar(item_id, k, stages, self._slates, fields)
        return pb.SimilarItemsResponse(
            items=items_of(model, slate),
            model_version=model.follower.replica.version,
            model_positions=model_positions(model),
            degraded=stages,
        )

    async def Explain(  # noqa: N802
        self, request: pb.ExplainRequest, context: Context
    ) -> pb.ExplainResponse:
        """Return why an item is in a user's slate, or why not."""
        k, item_id = checks.checked_k(request.k), checks.checked_id("item_id", request.item_id)
        rules = overridden(self._slates, request.rules)
        model, _, query, stages = await self._asked(request, context)
        return explanation_to_wire(
            model.ladder.explain(query, item_id, k, stages, rules),
            title=model.follower.replica.state.title_of(item_id),
            model_version=model.follower.replica.version,
            degraded=stages,
        )

    async def Diagnose(  # noqa: N802
        self, request: pb.DiagnoseRequest, context: Context
    ) -> pb.DiagnoseResponse:
        """Return the stages of a user's slate, and the one at fault."""
        k = checks.checked_k(request.k)
        rules = overridden(self._slates, request.rules)
        model, known, query, stages = await self._asked(request, context)
        return diagnosis_to_wire(
            model.ladder.diagnose(query, k, stages, rules),
            known_user=known.state is not None,
            model_version=model.follower.replica.version,
            degraded=stages,
        )

    async def Track(  # noqa: N802
        self, request: pb.TrackRequest, context: Context
    ) -> pb.TrackResponse:
        """Append events to the event log."""
        checks.check_events(len(request.events))
        now_ms = self._now_ms()
        entries = [tracking.logged(event) for event in request.events]
        refusals = [tracking.refusal(entry, now_ms=now_ms) for entry in entries]
        positions = await self._append(entries, context)
        for entry, refused in zip(entries, refusals, strict=True):
            self._telemetry.tracked(entry.event_type, refused=bool(refused))
        return pb.TrackResponse(
            tracked=[
                pb.Tracked(position=position.token(), refused=refused)
                for position, refused in zip(positions, refusals, strict=True)
            ],
            model_positions=model_positions(self._served.model),
        )

    async def Forget(  # noqa: N802
        self, request: pb.ForgetRequest, context: Context
    ) -> pb.ForgetResponse:
        """Ask the flow to forget a user."""
        user_id = checks.checked_id("user_id", request.user_id)
        wish = tracking.forget(user_id, now_ms=self._now_ms())
        if self._impressions is not None:
            self._impressions.forget(user_id)
        [position] = await self._append([wish], context)
        self._telemetry.tracked("forget", refused=False)
        return pb.ForgetResponse(
            position=position.token(), model_positions=model_positions(self._served.model)
        )

    async def GetModelInfo(  # noqa: N802
        self, request: pb.GetModelInfoRequest, context: Context
    ) -> pb.GetModelInfoResponse:
        """Return which model is served."""
        model = self._served.model
        state = model.follower.replica.state
        progress = state.progress
        return pb.GetModelInfoResponse(
            name=self._served.name,
            serves=model.name,
            model_version=progress.version,
            step=progress.step,
            absorbed_events=progress.absorbed,
            trained_events=progress.trained,
            items=len(state.items),
            time_ms=progress.time_ms,
            age_s=model.follower.age_s,
            model_positions=model_positions(model),
            settings={
                "excludes": str(self._reading.excludes),
                **settings_of(self._rules),
                **settings_of(state.config),
            },
        )

    @property
    def _reading(self) -> StreamRules:
        """The rules, with unit and repeats as the model has learnt them, once there is one."""
        replica = self._served.model.follower.replica
        return replica.state.config.reading(self._rules) if replica.version else self._rules

    async def _asked(
        self,
        request: pb.RecommendRequest | pb.ScoreRequest | pb.ExplainRequest | pb.DiagnoseRequest,
        context: Context,
    ) -> tuple[ServedModel, Known, Query, list[str]]:
        """Return who answers, the user, the query, and the stages of degradation so far."""
        session_id = request.session_id or None
        if session_id is not None:
            checks.checked_id("session_id", session_id)
        user_id = request.user_id or (anonymous_id(session_id) if session_id else "")
        checks.checked_id("user_id", user_id)
        fields = checks.checked_context(request.context)
        time_ms = now_ms = self._now_ms()
        if request.HasField("time_ms"):
            time_ms = checks.checked_time(request.time_ms, now_ms=now_ms)
        after = checks.checked_after(request.after)
        model, known = await self._read(user_id, after, context)
        query = query_of(
            known.state,
            self._reading,
            user_id=user_id,
            time_ms=time_ms,
            context=fields,
            session_id=session_id,
        )
        return model, known, query, [] if known.reachable else [NO_USER_STATE]

    async def _read(
        self, user_id: str, after: Position | None, context: Context
    ) -> tuple[ServedModel, Known]:
        """Return what is known of a user, and the model that it belongs to."""
        while True:
            model = self._served.model
            patience = 0.0 if after is None else patience_s(context.time_remaining())
            known = await self._users.read(user_id, after=after, patience_s=patience)
            if model is self._served.model:  # else another took over, which has its own users
                return model, known

    async def _append(self, entries: list[Entry], context: Context) -> list[Position]:
        within_s = limit_s(context.time_remaining())
        return await self._served.model.events.append(entries, within_s=within_s)
