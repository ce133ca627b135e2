"""A small client of the scorer: the public gRPC API, with Rillrec's own types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from msgspec import Struct

from rillrec.explained import Diagnosed, Explained, diagnosed, explained
from rillrec.messages import event_to_wire
from schemas.errors import CallFailed
from schemas.events import Impression, Interaction, ItemUpdate
from schemas.positions import Marks, advance
from serving import scorer_pb2 as pb
from serving.scorer_pb2_grpc import ScorerStub

if TYPE_CHECKING:
    from google.protobuf.message import Message

Reply = TypeVar("Reply", bound="Message")


class Receipt(Struct, frozen=True):
    """What became of a tracked event: its position token, and why it will be refused if it is."""

    position: str
    refused: str = ""


class SlateItem(Struct, frozen=True):
    """One recommended item, and which sources proposed it.

    ``rules`` are those that moved it or put it there; ``sponsored`` items are to be labelled so.
    """

    item_id: str
    score: float
    sources: tuple[str, ...] = ()
    title: str = ""
    rules: tuple[str, ...] = ()
    sponsored: bool = False


class Slate(Struct, frozen=True):
    """A reply of Recommend. ``degraded`` is empty in good health.

    Parameters
    ----------
    request_id
        To be named, with the item's place, by the interactions that come of the slate.
    user_positions, model_positions
        What the user's state and the model had absorbed.
    relaxed
        The caps that were not kept, as nothing else was left to fill the slate with.
    """

    items: tuple[SlateItem, ...]
    request_id: str = ""
    degraded: tuple[str, ...] = ()
    model_version: int = 0
    known_user: bool = False
    user_positions: Marks = {}
    model_positions: Marks = {}
    relaxed: tuple[str, ...] = ()


class ModelInfo(Struct, frozen=True):
    """Which model is served, and how fresh it is.

    ``serves`` is the model itself: that of ``name``, or the one that the name has been moved to.
    """

    name: str
    version: int
    absorbed_events: int
    trained_events: int
    items: int
    age_s: float
    serves: str = ""


class Client:
    """Calls one scorer. Safe to share between threads; close it, or use it in a ``with``.

    Parameters
    ----------
    address
        ``host:port`` of the scorer.
    timeout_s
        Deadline of each call. With ``after`` it is also how long to wait for the event.

    Examples
    --------
    >>> with Client("127.0.0.1:50051") as client:  # doctest: +SKIP
    ...     click = Interaction(event_id="e1", user_id="ann", item_id="tea", kind="click",
    ...                         time_ms=int(time.time() * 1000))
    ...     receipt = client.track([click])[0]
    ...     slate = client.recommend("ann", 5, after=receipt.position)
    ...     client.track([Interaction(event_id="e2", user_id="ann", item_id=slate.items[2].item_id,
    ...                               kind="click", time_ms=int(time.time() * 1000),
    ...                               request_id=slate.request_id, position=2)])
    """

    def __init__(self, address: str = "127.0.0.1:50051", *, timeout_s: float = 5.0) -> None:
        self.address = address
        self._timeout_s = timeout_s
        self._channel = grpc.insecure_channel(address)
        self._stub: Any = ScorerStub(self._channel)

    def track(self, events: Sequence[Interaction | Impression | ItemUpdate]) -> list[Receipt]:
        """Send events in; return a receipt for each when they are durable in the event log.

        Raises
        ------
        CallFailed
            They are not, or not all of them: send all of them again. Those with the same event id,
            or request id, count once.
        """
        reply = self._call(
            self._stub.Track, pb.TrackRequest(events=[event_to_wire(event) for event in events])
        )
        return [Receipt(tracked.position, tracked.refused) for tracked in reply.tracked]

    def recommend(
        self,
        user_id: str,
        k: int = 20,
        *,
        after: str = "",
        time_ms: int | None = None,
        session_id: str = "",
        context: Mapping[str, str] | None = None,
        rules: Mapping[str, Any] | None = None,
    ) -> Slate:
        """Return the best ``k`` items for a user.

        Parameters
        ----------
        user_id
            ``""`` for a visitor who has no id: ``session_id`` then says whose session asks.
        after
            A receipt's position: wait until that event is part of the user's state.
        time_ms
            The moment to recommend for; now where absent.
        session_id
            Which of the user's open sessions asks; the newest where absent.
        rules
            Of this slate alone, by the names of ``SlateRules`` in ``scorer.proto``:
            ``{"category_share": 1.0, "pins": {0: "tea"}}``.
        """
        request = pb.RecommendRequest(
            user_id=user_id,
            k=k,
            after=after,
            session_id=session_id,
            context=context or {},
            rules=pb.SlateRules(**rules or {}),
        )
        if time_ms is not None:
            request.time_ms = time_ms
        reply = self._call(self._stub.Recommend, request)
        return Slate(
            _items(reply.items),
            request_id=reply.request_id,
            degraded=tuple(reply.degraded),
            model_version=reply.model_version,
            known_user=reply.known_user,
            user_positions=_marks(reply.user_positions),
            model_positions=_marks(reply.model_positions),
            relaxed=tuple(reply.relaxed),
        )

    def score(
        self, user_id: str, item_ids: Sequence[str], *, after: str = ""
    ) -> dict[str, float | None]:
        """Return the score of each item for a user, ``None`` where the model does not know it."""
        request = pb.ScoreRequest(user_id=user_id, item_ids=item_ids, after=after)
        reply = self._call(self._stub.Score, request)
        return {
            scored.item_id: scored.score if scored.HasField("score") else None
            for scored in reply.scores
        }

    def similar_items(
        self, item_id: str, k: int = 20, *, context: Mapping[str, str] | None = None
    ) -> tuple[SlateItem, ...]:
        """Return the ``k`` items most alike to a given one, for whom the context tells of."""
        request = pb.SimilarItemsRequest(item_id=item_id, k=k, context=context or {})
        reply = self._call(self._stub.SimilarItems, request)
        return _items(reply.items)

    def explain(
        self,
        user_id: str,
        item_id: str,
        k: int = 20,
        *,
        context: Mapping[str, str] | None = None,
        rules: Mapping[str, Any] | None = None,
    ) -> Explained:
        """Return why an item is in a user's slate, or why it is not; nothing is logged of it."""
        request = pb.ExplainRequest(
            user_id=user_id,
            item_id=item_id,
            k=k,
            context=context or {},
            rules=pb.SlateRules(**rules or {}),
        )
        return explained(item_id, self._call(self._stub.Explain, request))

    def diagnose(
        self,
        user_id: str,
        k: int = 20,
        *,
        context: Mapping[str, str] | None = None,
        rules: Mapping[str, Any] | None = None,
    ) -> Diagnosed:
        """Return the stages of a user's slate with counts, and the one at fault."""
        request = pb.DiagnoseRequest(
            user_id=user_id, k=k, context=context or {}, rules=pb.SlateRules(**rules or {})
        )
        return diagnosed(self._call(self._stub.Diagnose, request))

    def forget(self, user_id: str) -> str:
        """Ask for a user to be forgotten; return the request's position."""
        return str(self._call(self._stub.Forget, pb.ForgetRequest(user_id=user_id)).position)

    def model_info(self) -> ModelInfo:
        """Return which model is served."""
        reply = self._call(self._stub.GetModelInfo, pb.GetModelInfoRequest())
        return ModelInfo(
            reply.name,
            reply.model_version,
            reply.absorbed_events,
            reply.trained_events,
            reply.items,
            reply.age_s,
            reply.serves,
        )

    def _call(self, method: Callable[..., Reply], request: Message) -> Reply:
        try:
            return method(request, timeout=self._timeout_s)
        except grpc.RpcError as error:
            code, details = error.code().name, error.details()
            raise CallFailed(
                code, f"the scorer at {self.address} answered {code}: {details}"
            ) from error

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _items(items: Sequence[Any]) -> tuple[SlateItem, ...]:
    return tuple(
        SlateItem(
            item.item_id,
            item.score,
            tuple(item.sources),
            item.title,
            tuple(item.rules),
            item.sponsored,
        )
        for item in items
    )


def _marks(positions: Sequence[Any]) -> Marks:
    marks: Marks = {}
    for position in positions:
        advance(marks, position.topic, position.partition, position.offset)
    return marks
