"""A gRPC client that knows nothing of Rillrec: all it needs it asks the server's reflection for."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha import reflection_pb2 as asked
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub


class ForeignClient:
    """Calls any method of a server by name, with messages as plain dictionaries."""

    def __init__(self, port: int) -> None:
        self.channel = grpc.insecure_channel(
            f"127.0.0.1:{port}",
            options=[
                ("grpc.max_send_message_length", 64 << 20),
                ("grpc.use_local_subchannel_pool", 1),
                ("grpc.initial_reconnect_backoff_ms", 50),
                ("grpc.max_reconnect_backoff_ms", 200),
            ],
        )
        self._pool = descriptor_pool.DescriptorPool()
        self._files: set[str] = set()

    def services(self) -> list[str]:
        """Return the names of the services that the server has."""
        reply = self._reflect(asked.ServerReflectionRequest(list_services=""))
        return [service.name for service in reply.list_services_response.service]

    def methods(self, service: str) -> list[str]:
        """Return the names of a service's methods."""
        return [method.name for method in self._service(service).methods]

    def call(
        self, method: str, fields: dict[str, Any] | None = None, *, timeout_s: float | None = 30.0
    ) -> dict[str, Any]:
        """Return the reply to ``package.Service/Method``, default values included."""
        service, _, name = method.partition("/")
        found = self._service(service).methods_by_name[name]
        request = message_factory.GetMessageClass(found.input_type)()
        call = self.channel.unary_unary(
            f"/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(found.output_type).FromString,
        )
        reply = call(json_format.ParseDict(fields or {}, request), timeout=timeout_s)
        return json_format.MessageToDict(
            reply, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )

    def _service(self, name: str) -> Any:
        try:
            return self._pool.FindServiceByName(name)
        except KeyError:
            request = asked.ServerReflectionRequest(file_containing_symbol=name)
            reply = self._reflect(request)
            for raw in reply.file_descriptor_response.file_descriptor_proto:
                self._pool.Add(descriptor_pb2.FileDescriptorProto.FromString(raw))
            return self._pool.FindServiceByName(name)

    def _reflect(self, request: asked.ServerReflectionRequest) -> asked.ServerReflectionResponse:
        stub = ServerReflectionStub(self.channel)
        [reply] = list(stub.ServerReflectionInfo(iter([request]), timeout=10))
        return reply

    def __enter__(self) -> ForeignClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.channel.close()
