"""What the OpenAPI page says about serving."""

from __future__ import annotations

from typing import Any, cast

import pytest

from mlplatform.serving.deadline import HEADER
from mlplatform.serving.handler import Handler
from mlplatform.serving.media import JSON_BYTES
from mlplatform.serving.pages import create_pages
from mlplatform.web import problem

PREDICTIONS = {
    "/v1/models/{model}/predict": {"application/json"},
    "/v2/models/{model}/infer": {"application/json", "application/octet-stream"},
    "/v2/models/{model}/versions/{version}/infer": {"application/json", "application/octet-stream"},
    "/v1/models/{model}:predict": {"application/json"},
    "/models/{model}/invocations": {"application/json", "text/csv"},
    "/invocations": {"application/json", "text/csv"},
}
CODES = {"200", "401", "403", "404", "408", "413", "415", "422", "429", "500", "503", "504"}


@pytest.fixture
def page() -> dict[str, Any]:
    """The document, which does not depend on what is served."""

    async def ready() -> dict[str, str]:
        return {}

    return create_pages(cast("Handler", None), ready).openapi()


def test_every_prediction_shows_its_content_types_headers_and_codes(page: dict[str, Any]) -> None:
    """What a client may send, and all that it may get back, with a token."""
    for path, types in PREDICTIONS.items():
        operation = page["paths"][path]["post"]
        headers = {one["name"].lower() for one in operation["parameters"] if one["in"] == "header"}

        assert types == set(operation["requestBody"]["content"])
        assert {HEADER.decode(), "content-encoding"} <= headers
        assert (JSON_BYTES.decode() in headers) == path.endswith("infer")
        assert CODES == set(operation["responses"])
        assert "X-Request-Id" in operation["responses"]["200"]["headers"]
        assert [{"HTTPBearer": []}] == operation["security"]


@pytest.mark.parametrize(
    ("path", "kind", "members"),
    [
        ("/v1/models/{model}/predict", problem.MEDIA_TYPE, set()),
        ("/v2/models/{model}/infer", "application/json", {"error"}),
        ("/v1/models/{model}:predict", "application/json", {"error"}),
        ("/invocations", "application/json", {"error_code", "message"}),
    ],
)
def test_errors_are_shown_in_the_shape_of_each_dialect(
    page: dict[str, Any], path: str, kind: str, members: set[str]
) -> None:
    """Problem documents, with the members that its clients read."""
    for code, answer in page["paths"][path]["post"]["responses"].items():
        if code != "200":
            schema = answer["content"][kind]["schema"]
            assert {"type", "title", "status", *members} == set(schema["required"])


def test_no_route_shows_an_error_that_serving_does_not_send(page: dict[str, Any]) -> None:
    """FastAPI's own form of a 422 is never sent."""
    assert "HTTPValidationError" not in str(page)
