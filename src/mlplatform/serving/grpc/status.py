"""Our errors as gRPC status codes."""

from __future__ import annotations

import grpc

from mlplatform import errors

CODES: dict[type[errors.PlatformError], grpc.StatusCode] = {
    errors.UnknownName: grpc.StatusCode.NOT_FOUND,
    errors.DeadlinePassed: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.InvalidInput: grpc.StatusCode.INVALID_ARGUMENT,
    errors.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.Forbidden: grpc.StatusCode.PERMISSION_DENIED,
    errors.Refused: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
}
Metadata = tuple[tuple[str, str], ...]


def code(error: Exception) -> grpc.StatusCode:
    """The status of an error: that of its nearest listed class, else INTERNAL."""
    kinds = type(error).__mro__
    return next((CODES[kind] for kind in kinds if kind in CODES), grpc.StatusCode.INTERNAL)


def details(error: Exception) -> str:
    """What the client is told; of an unexpected error no more than its class."""
    return str(error) if isinstance(error, errors.PlatformError) else type(error).__name__


def metadata(error: Exception) -> Metadata:
    """Trailing metadata: when another try makes sense, and the id of a request that is stored.

    `grpc-retry-pushback-ms` is what gRPC's own retries obey, `retry-after` what people read.
    """
    seconds = getattr(error, "retry_after_s", None)
    if seconds is None:
        return ()
    later = (("retry-after", f"{seconds:g}"), ("grpc-retry-pushback-ms", f"{seconds * 1000:.0f}"))
    request_id = getattr(error, "request_id", "")
    return (*later, ("x-request-id", request_id)) if request_id else later
