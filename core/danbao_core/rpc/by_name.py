"""Services that are found by the names of their methods."""

from collections.abc import Mapping
from typing import Any

import grpc


def find_by_name(server: grpc.aio.Server) -> None:
    """Has a server find methods by their names alone; called before services are added to it.

    Generated code adds a service as a dictionary by names and registers each of its methods, too. For every registered method
    grpc.aio (1.85) keeps a future, and it waits for all of them anew at every call: with 50 methods, that takes longer than to
    parse, validate and hash a request.
    """
    server.add_registered_method_handlers = _leave_out  # type: ignore[method-assign]


def _leave_out(service_name: str, method_handlers: Mapping[str, "grpc.RpcMethodHandler[Any, Any]"]) -> None:
    """They are among the service's handlers by name already."""
