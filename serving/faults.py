"""Errors to gRPC statuses: the only place where one becomes the other."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import grpc
from grpc import StatusCode, aio

from schemas.errors import (
    BrokerError,
    ModelError,
    NotYetAbsorbed,
    QueueFull,
    RequestRefused,
    RillrecError,
    StoreUnavailable,
)

_log = logging.getLogger(__name__)
_CODES: tuple[tuple[type[RillrecError], StatusCode], ...] = (
    (RequestRefused, StatusCode.INVALID_ARGUMENT),
    (NotYetAbsorbed, StatusCode.FAILED_PRECONDITION),
    (QueueFull, StatusCode.RESOURCE_EXHAUSTED),
    (StoreUnavailable, StatusCode.UNAVAILABLE),
    (BrokerError, StatusCode.UNAVAILABLE),  # whatever it refuses for, somebody can mend it
    (ModelError, StatusCode.UNAVAILABLE),
)

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]
    Context = aio.ServicerContext[Any, Any]
Observe = Callable[[str, str, float], None]


def code_of(error: RillrecError) -> StatusCode:
    """Return the status by which a client learns of an error.

    Examples
    --------
    >>> code_of(StoreUnavailable("Redis is away")).name
    'UNAVAILABLE'
    """
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return StatusCode.INTERNAL


class Faults(aio.ServerInterceptor):
    """Maps errors to statuses, and tells an observer how each call of one service ended.

    Parameters
    ----------
    service
        Full name of the service; calls of others (health, reflection) pass untouched.
    observe
        Told the method's name, the status and the seconds.
    """

    def __init__(self, service: str, observe: Observe) -> None:
        self._prefix = f"/{service}/"
        self._observe = observe
        self._wrapped: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        method = handler_call_details.method
        if not method.startswith(self._prefix):
            return await continuation(handler_call_details)
        found = self._wrapped.get(method)
        if found is None:
            handler = await continuation(handler_call_details)
            if handler is None or handler.unary_unary is None:
                return handler
            found = self._wrapped[method] = self._wrap(method[len(self._prefix) :], handler)
        return found

    def _wrap(self, name: str, handler: Handler) -> Handler:
        answer: Any = handler.unary_unary

        async def guarded(request: Any, context: Context) -> Any:
            started_s = time.perf_counter()
            code = StatusCode.OK
            try:
                return await answer(request, context)
            except RillrecError as error:
                code = code_of(error)
                if code is StatusCode.INTERNAL:
                    _log.exception("%s failed", name)
                await context.abort(code, str(error))
            except asyncio.CancelledError:
                code = StatusCode.CANCELLED
                raise
            except Exception as error:  # the boundary of the process
                code = StatusCode.INTERNAL
                _log.exception("%s failed for a reason that nobody foresaw", name)
                await context.abort(code, f"a fault of ours ({type(error).__name__}): see our log")
            finally:
                self._observe(name, code.name, time.perf_counter() - started_s)

        return grpc.unary_unary_rpc_method_handler(
            guarded,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )
