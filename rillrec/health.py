"""Whether a scorer answers, and says that it is healthy."""

from __future__ import annotations

from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc


def scorer_serves(address: str, *, timeout_s: float = 1.0) -> bool:
    """Return whether the scorer at ``host:port`` reports SERVING."""
    return scorer_status(address, timeout_s=timeout_s) == "SERVING"


def scorer_status(address: str, *, timeout_s: float = 5.0) -> str:
    """Return the scorer's own word on its health, or ``"UNREACHABLE"``."""
    with grpc.insecure_channel(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            reply = stub.Check(health_pb2.HealthCheckRequest(), timeout=timeout_s)
        except grpc.RpcError:
            return "UNREACHABLE"
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status))
