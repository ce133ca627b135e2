"""Errors reach clients as the statuses that they are, and ours reach our log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import grpc
import pytest
from grpc import StatusCode, aio

from schemas.errors import (
    BrokerError,
    BrokerUnavailable,
    ModelLogBroken,
    ModelMissing,
    NotYetAbsorbed,
    QueueFull,
    RequestRefused,
    StoreError,
    StoreUnavailable,
)
from serving.faults import Faults
from tests.patience import soon

Seen = list[tuple[str, str]]
ERRORS: dict[str, Exception] = {
    "refused": RequestRefused("`k` is 1001"),
    "early": NotYetAbsorbed("events", 0, 7, 5),
    "away": StoreUnavailable("Redis at x does not answer"),
    "full": StoreError("Redis at x is full"),
    "gone": BrokerUnavailable("Kafka at x does not answer"),
    "denied": BrokerError("Kafka at x denies access"),
    "queued": QueueFull("1,000 calls wait"),
    "missing": ModelMissing("no model"),
    "broken": ModelLogBroken("a hole"),
    "bug": ZeroDivisionError("division by zero"),
}


async def answer(request: bytes, context: Any) -> bytes:
    """Answer a request that names an error by raising it."""
    name = request.decode()
    if name == "slow":
        await asyncio.sleep(30)
    if name in ERRORS:
        raise ERRORS[name]
    return b"fine"


@pytest.fixture
async def served() -> AsyncIterator[tuple[aio.Channel, Seen]]:
    """A server of one method that fails as it is asked to, and what its observer saw."""
    seen: Seen = []
    observe = lambda method, code, seconds: seen.append((method, code))  # noqa: E731
    server = aio.server(interceptors=[Faults("test.Service", observe)])
    for service in ("test.Service", "other.Service"):
        handlers = {"Answer": grpc.unary_unary_rpc_method_handler(answer)}
        server.add_registered_method_handlers(service, handlers)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel, seen
    await server.stop(None)


async def status(channel: aio.Channel, name: str, service: str = "test.Service") -> tuple[Any, str]:
    with pytest.raises(aio.AioRpcError) as failed:
        await channel.unary_unary(f"/{service}/Answer")(name.encode())
    return failed.value.code(), failed.value.details() or ""


async def observed(seen: Seen, count: int = 1) -> Seen:
    """Return what was observed, once that are so many: a reply may reach its client before."""
    await soon(lambda: len(seen) >= count)
    return seen


async def test_answer_passes_and_is_observed(served: tuple[aio.Channel, Seen]) -> None:
    channel, seen = served
    for _ in range(2):
        assert await channel.unary_unary("/test.Service/Answer")(b"x") == b"fine"
    assert await observed(seen, 2) == [("Answer", "OK")] * 2


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("refused", StatusCode.INVALID_ARGUMENT),
        ("early", StatusCode.FAILED_PRECONDITION),
        ("away", StatusCode.UNAVAILABLE),
        ("full", StatusCode.INTERNAL),
        ("gone", StatusCode.UNAVAILABLE),
        ("denied", StatusCode.UNAVAILABLE),
        ("queued", StatusCode.RESOURCE_EXHAUSTED),
        ("missing", StatusCode.UNAVAILABLE),
        ("broken", StatusCode.UNAVAILABLE),
    ],
)
async def test_error_reaches_the_client_with_its_words(
    served: tuple[aio.Channel, Seen], name: str, code: StatusCode
) -> None:
    channel, seen = served
    assert await status(channel, name) == (code, str(ERRORS[name]))
    assert await observed(seen) == [("Answer", code.name)]


async def test_bug_reaches_the_log_with_its_trace_and_the_client_without(
    served: tuple[aio.Channel, Seen], caplog: pytest.LogCaptureFixture
) -> None:
    channel, seen = served
    code, details = await status(channel, "bug")
    assert code is StatusCode.INTERNAL
    assert details == "a fault of ours (ZeroDivisionError): see our log"
    assert "in answer" in caplog.text
    assert "division by zero" in caplog.text
    assert await observed(seen) == [("Answer", "INTERNAL")]


async def test_call_that_the_client_gives_up_counts_as_cancelled(
    served: tuple[aio.Channel, Seen],
) -> None:
    channel, seen = served
    for timeout_s in (0.1, 1.0, 10.0):  # a busy server may hear of the call too late
        with pytest.raises(aio.AioRpcError) as failed:
            await channel.unary_unary("/test.Service/Answer")(b"slow", timeout=timeout_s)
        assert failed.value.code() is StatusCode.DEADLINE_EXCEEDED
        with suppress(AssertionError):
            await soon(lambda: seen, within_s=5.0)
            break
    assert set(seen) == {("Answer", "CANCELLED")}


async def test_other_services_pass_untouched(served: tuple[aio.Channel, Seen]) -> None:
    channel, seen = served
    assert await channel.unary_unary("/other.Service/Answer")(b"x") == b"fine"
    assert seen == []


async def test_method_that_is_not_there_is_unimplemented(
    served: tuple[aio.Channel, Seen],
) -> None:
    channel, _ = served
    with pytest.raises(aio.AioRpcError) as failed:
        await channel.unary_unary("/test.Service/Nothing")(b"x")
    assert failed.value.code() is StatusCode.UNIMPLEMENTED
