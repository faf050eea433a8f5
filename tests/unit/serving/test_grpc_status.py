"""Our errors as gRPC status codes and metadata."""

from __future__ import annotations

import grpc

from mlplatform.errors import NotAcknowledged, Refused
from mlplatform.serving.grpc import status


def test_a_request_that_is_stored_all_the_same_is_named() -> None:
    """UNAVAILABLE with its id, under the name that the id of an answer has."""
    error = NotAcknowledged("not answered", retry_after_s=5.0, request_id="7")

    assert grpc.StatusCode.UNAVAILABLE == status.code(error)
    assert {"retry-after": "5", "grpc-retry-pushback-ms": "5000", "x-request-id": "7"} == dict(
        status.metadata(error)
    )
    assert () == status.metadata(Refused("no"))
