"""The gRPC port of a serving process, where one is set."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from mlplatform.serving.handler import Handler
from mlplatform.settings import ServingSettings


def grpc_ports(serving: ServingSettings, handler: Handler) -> list[Any]:
    """A GrpcServer, or nothing.

    Without a port gRPC is not imported: it takes 16 MiB and 0.15 s.
    """
    if not serving.grpc_port:
        return []
    return [import_module("mlplatform.serving.grpc.server").GrpcServer(handler, serving)]
