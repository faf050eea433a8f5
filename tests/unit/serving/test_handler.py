"""What the handler tells a transport besides predictions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from mlplatform.access import ANONYMOUS
from mlplatform.contracts.model_metadata import TensorMetadata
from mlplatform.contracts.request import decode
from mlplatform.errors import Forbidden, IntegrityFailure, TooLarge, Unavailable, UnknownName
from mlplatform.outbox import OutboxReader, OutboxWriter
from mlplatform.serving.dialects import ROWS
from mlplatform.serving.handler import Handler
from mlplatform.serving.meters import Meters
from mlplatform.serving.recorder import RequestRecorder
from mlplatform.serving.request import Route
from mlplatform.serving.slot import Slot, Slots
from mlplatform.settings import ServingSettings

Scene = Mapping[str, Callable[..., Any]]
BODY = b'{"rows": [{"age": 1, "bmi": 1.5, "class": "a", "smoker": true}]}'


class Process:
    """A handler over a real outbox, with one pipeline that serves and one without a promotion."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        self.registry = CollectorRegistry()
        writer = OutboxWriter.open(folder, segment_bytes=1 << 16, capacity_bytes=1 << 20)
        recorder = RequestRecorder(writer, max_record_bytes=10_000, capacity_bytes=1 << 20)
        limits = ServingSettings()
        ward, lab = (
            Slot(name, limits=limits, deliver=recorder.submit, meters=Meters(name, self.registry))
            for name in ("ward", "lab")
        )
        ward.swap(scene["model"]())
        lab.vacant = True
        self.handler = Handler(
            slots=Slots([ward, lab]), recorder=recorder, access=None, limits=limits
        )

    def run(self, work: Callable[[], Any]) -> Any:
        """The result of a coroutine between start and close."""

        async def between() -> Any:
            self.handler.start()
            try:
                return await work()
            finally:
                await self.handler.close()

        return asyncio.run(between())

    def counted(self, pipeline: str) -> float | None:
        """Responses of a pipeline in the metrics."""
        labels = {"pipeline": pipeline, "code": "200"}
        return self.registry.get_sample_value("mlplatform_serving_requests_total", labels)


@pytest.fixture
def process(scene: Scene, tmp_path: Path) -> Process:
    """A handler that has not been started."""
    return Process(scene, tmp_path)


def test_readiness_names_what_waits_and_ends_with_the_drain(process: Process) -> None:
    """A pipeline without a promotion is named; a process that drains is not ready."""
    found = process.run(process.handler.ready)
    process.handler.draining = True

    assert ["lab"] == found
    with pytest.raises(Unavailable, match="draining"):
        asyncio.run(process.handler.ready())


def test_a_transport_without_http_gets_an_answer_and_the_outbox_knows_it(process: Process) -> None:
    """A route, a caller and bytes are all that is needed."""
    handler = process.handler

    async def work() -> Any:
        caller = handler.admit("ward", None)
        response = await handler.answer(Route("ward", None, ROWS), caller, BODY)
        return response, await handler.outbox()

    response, outbox = process.run(work)
    assert b'"predictions":[3.0]' in response.body
    assert response.request_id.encode() in response.body
    assert (1, 0, {"ward": "1"}) == (outbox.accepted, outbox.acknowledged, outbox.versions)


def test_a_request_is_recorded_as_columns_where_its_own_form_is_too_large(
    process: Process, tmp_path: Path
) -> None:
    """Rows name each column each time; their columns may fit where they don't."""
    row = {"age": 1, "bmi": 1.5, "class": "a", "smoker": True}

    async def answer(rows: int) -> Any:
        body = json.dumps({"rows": [row] * rows}, indent=4).encode()
        return await process.handler.answer(Route("ward", None, ROWS), ANONYMOUS, body)

    async def work() -> None:
        for rows in (1, 300):
            await answer(rows)
        with pytest.raises(TooLarge, match="more than the 10000 allowed"):
            await answer(1000)

    process.run(work)
    reader = OutboxReader.open(tmp_path)
    payloads = [record.payload for record in reader.read(10, 1 << 20)]
    reader.close()
    assert [True, False] == [b'"rows": [' in payload for payload in payloads]
    assert [[1], [1] * 300] == [decode(payload).inputs["age"] for payload in payloads]


def test_a_model_is_ready_or_says_why_not(process: Process) -> None:
    """Nothing for the one that serves; an error for a missing model or version."""
    process.handler.model_ready("ward", "1")

    with pytest.raises(UnknownName, match="loaded is 1"):
        process.handler.model_ready("ward", "2")
    with pytest.raises(Unavailable, match="lab"):
        process.handler.model_ready("lab", None)


def test_a_model_is_described_by_its_signature(process: Process) -> None:
    """Raw columns in, outputs out, and the version that serves."""
    found = process.handler.describe("ward", None)

    assert ("ward", ["1"], "onnx_onnxv1") == (found.name, found.versions, found.platform)
    assert TensorMetadata("class", "BYTES", [-1]) == found.inputs[2]
    assert [TensorMetadata("prediction", "FP64", [-1])] == found.outputs


def test_responses_are_counted_for_known_models_only(process: Process) -> None:
    """A label that callers can make up would grow without end."""
    for name in ("ward", "made-up", "ward"):
        process.handler.count(name, 200, 0.001)

    assert (2.0, None) == (process.counted("ward"), process.counted("made-up"))


@pytest.mark.parametrize(
    ("error", "status", "logged"),
    [
        (Forbidden("not yours"), 403, []),
        (Unavailable("later"), 503, []),
        (IntegrityFailure("a byte differs"), 500, ["request failed"]),
        (ValueError("a bug"), 500, ["request failed with an unexpected error"]),
    ],
)
def test_failures_have_a_status_and_ours_are_logged(
    process: Process, error: Exception, status: int, logged: list[str]
) -> None:
    """The client's mistakes are none of the log's business."""
    with capture_logs() as logs:
        found = process.handler.failed(error, "/path")

    assert status == found
    assert logged == [line["event"] for line in logs]
