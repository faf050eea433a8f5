"""Records of JSON over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel

from mlplatform.web import error_responses
from mlplatform.web.json_body import DISTINCT_KEYS


class Bounds(BaseModel):
    """A record with a part."""

    least: int = 0
    names: dict[str, str] = {}


Send = Callable[[str, str], httpx.Response]


@pytest.fixture
def send() -> Send:
    """Sends a body to a server with a route for a record, and one that reads its body itself."""
    app = FastAPI(dependencies=DISTINCT_KEYS)
    error_responses.install(app)

    @app.post("/record")
    def record(body: Bounds) -> int:
        return body.least

    @app.post("/raw")
    async def raw(request: Request) -> int:
        return len(await request.body())

    async def sent(path: str, body: str) -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            headers = {"content-type": "application/json"}
            return await client.post(path, content=body.encode(), headers=headers)

    return lambda path, body: asyncio.run(sent(path, body))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"least": 1, "least": 2}', "least"),
        ('{"least": 1, "names": {"a": "b:c", "a" : "d"}}', "names.a"),
        ('{"unknown": [{"a": 1, "\\u0061": 1}]}', "unknown.0.a"),
    ],
)
def test_a_record_with_a_key_twice_is_refused(send: Send, body: str, field: str) -> None:
    """None of its values counts; the answer names the key with its place."""
    answer = send("/record", body)

    assert (422, field) == (answer.status_code, answer.json()["field"])


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/record", '{"least": 3, "names": {"a": "\\":", "b": "x:y"}}', (200, "3")),
        ("/raw", '{"a":1,"a":2}', (200, "13")),
    ],
)
def test_other_bodies_pass(send: Send, path: str, body: str, expected: tuple[int, str]) -> None:
    """Texts with colons are taken, and a route that reads its body itself gets it whole."""
    answer = send(path, body)

    assert expected == (answer.status_code, answer.text)
