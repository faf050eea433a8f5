"""The pages behind the prediction app, and the documented prediction routes among them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from mlplatform.access import AccessList
from mlplatform.outbox import OutboxWriter
from mlplatform.serving.app import BehindPredictions, Collaborators, create_app
from mlplatform.serving.handler import Handler
from mlplatform.serving.meters import Meters
from mlplatform.serving.pages import create_pages
from mlplatform.serving.recorder import RequestRecorder
from mlplatform.serving.slot import Slot, Slots
from mlplatform.settings import ServingSettings

Scene = Mapping[str, Callable[..., Any]]
ROWS = {"rows": [{"age": 1, "bmi": 1.5, "class": "a", "smoker": True}]}
TENSORS = {
    "inputs": [
        {"name": "age", "datatype": "INT64", "shape": [1], "data": [1]},
        {"name": "bmi", "datatype": "FP64", "shape": [1], "data": [1.5]},
        {"name": "class", "datatype": "BYTES", "shape": [1], "data": ["a"]},
        {"name": "smoker", "datatype": "BOOL", "shape": [1], "data": [True]},
    ]
}


@pytest.fixture
def handler(scene: Scene, tmp_path: Path) -> Handler:
    """One pipeline that serves; every request has the same id."""
    writer = OutboxWriter.open(tmp_path, segment_bytes=1 << 16, capacity_bytes=1 << 20)
    recorder = RequestRecorder(writer, max_record_bytes=10_000, capacity_bytes=1 << 20)
    limits, meters = ServingSettings(), Meters("ward", CollectorRegistry())
    slot = Slot("ward", limits=limits, deliver=recorder.submit, meters=meters)
    slot.swap(scene["model"]())
    return Handler(
        slots=Slots([slot]), recorder=recorder, access=None, limits=limits, new_id=lambda: "id"
    )


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/v1/models/ward/predict", ROWS, 200),
        ("/v2/models/ward/infer", TENSORS, 200),
        ("/v2/models/ward/versions/1/infer", TENSORS, 200),
        ("/v2/models/ward/versions/9/infer", TENSORS, 404),
        ("/v1/models/nobody/predict", ROWS, 404),
        ("/v1/models/ward/predict", {"rows": []}, 422),
    ],
)
def test_the_documented_routes_answer_as_the_prediction_app_does(
    handler: Handler, path: str, body: Any, code: int
) -> None:
    """Code, headers and bytes are the same with and without that application before FastAPI."""
    parts = Collaborators(handler=handler)

    async def run() -> list[httpx.Response]:
        handler.start()
        found = []
        for app in (create_app(parts), BehindPredictions(parts)):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
                found.append(await client.post(path, json=body))
        await handler.close()
        return found

    first, second = asyncio.run(run())
    assert code == first.status_code
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert first.headers == second.headers


@pytest.mark.parametrize("draining", [False, True])
def test_the_health_pages_are_the_same_without_fastapi(handler: Handler, draining: bool) -> None:
    """Code, headers and bytes of /healthz and /readyz; /metrics differs from call to call."""
    parts = Collaborators(handler=handler)

    async def degraded() -> Mapping[str, str]:
        await handler.ready()
        return handler.degraded()

    async def run() -> list[httpx.Response]:
        handler.start()
        handler.draining = draining
        found = []
        for app in (create_app(parts), create_pages(handler, degraded)):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
                found += [await client.get(path) for path in ("/healthz", "/readyz", "/metrics")]
        await handler.close()
        return found

    found = asyncio.run(run())
    shown = [(one.status_code, one.headers.items(), one.content) for one in found]
    assert shown[:2] == shown[3:5]
    assert found[2].headers["content-type"] == found[5].headers["content-type"]
    assert [200, 503 if draining else 200, 200] == [one.status_code for one in found[:3]]


def test_pages_show_the_model_and_the_outbox(handler: Handler) -> None:
    """Metadata, readiness of one version and the outbox's numbers, as JSON."""
    paths = ("/v2/models/ward", "/v2/models/ward/versions/1/ready", "/v1/outbox")

    async def run() -> list[Any]:
        handler.start()
        transport = httpx.ASGITransport(create_app(Collaborators(handler=handler)))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            found = [(await client.get(path)).json() for path in paths]
        await handler.close()
        return found

    model, ready, outbox = asyncio.run(run())
    assert ["name", "versions", "platform", "inputs", "outputs", "parameters"] == list(model)
    assert {"name": "ward", "ready": True} == ready
    assert {"outbox_id", "accepted", "acknowledged", "bytes", "versions"} == set(outbox)


def test_metadata_asks_for_the_right_before_it_looks_at_parameters(handler: Handler) -> None:
    """Who may not see the model learns nothing of what its route takes."""
    handler._access = AccessList([])

    async def run() -> list[int]:
        handler.start()
        transport = httpx.ASGITransport(create_app(Collaborators(handler=handler)))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            refused = (await client.get("/v2/models/ward?depth=1")).status_code
            handler._access = None
            malformed = (await client.get("/v2/models/ward?depth=1")).status_code
        await handler.close()
        return [refused, malformed]

    assert [401, 422] == asyncio.run(run())
