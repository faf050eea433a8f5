"""Requests of a pipeline that redacts: what the model gets and what is stored, in every dialect."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from structlog.testing import capture_logs

from mlplatform.access import ANONYMOUS
from mlplatform.contracts.columns import Columns
from mlplatform.contracts.pipeline import Redaction
from mlplatform.contracts.request import RequestRecord, decode
from mlplatform.errors import PlatformError, Unavailable
from mlplatform.features.redact import Redactor
from mlplatform.outbox import OutboxReader, OutboxWriter
from mlplatform.serving.dialects import GRPC, INFERENCE, KSERVE, MLFLOW, MLFLOW_CSV, ROWS
from mlplatform.serving.grpc.messages import message
from mlplatform.serving.handler import Handler
from mlplatform.serving.meters import Meters
from mlplatform.serving.model import LoadedModel
from mlplatform.serving.recorder import RequestRecorder
from mlplatform.serving.request import Response, Route
from mlplatform.serving.slot import Slot, Slots
from mlplatform.settings import ServingSettings

Scene = Mapping[str, Callable[..., Any]]
KEY = SecretStr("k" * 32)
RULES: dict[str, Redaction] = {"class": "hash", "patient": "hash", "note": "drop"}
REDACTOR = Redactor("ward", RULES, b"k" * 32)
MARKER = "078-05-1120"
ROW: dict[str, Any] = {
    "age": 1, "bmi": 2.5, "class": MARKER, "smoker": True, "patient": f"{MARKER}-7",
    "note": f"{MARKER} calls at night",
}  # fmt: skip
_DATATYPES = {"age": "INT64", "bmi": "FP64", "smoker": "BOOL"}


class Remembering:
    """Answers 1 where it sees a hash, and keeps the texts that it saw."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.error = ""

    def predict(self, features: Columns) -> Columns:
        """See Engine.predict."""
        texts = features["class"].tolist()
        self.seen += texts
        if self.error:
            raise ValueError(f"{self.error} {texts[0]}")
        return {"prediction": np.array([float(text.startswith("hash:")) for text in texts])}


def _tensors() -> list[dict[str, Any]]:
    return [
        {"name": name, "datatype": _DATATYPES.get(name, "BYTES"), "shape": [1], "data": [value]}
        for name, value in ROW.items()
    ]


def _grpc() -> bytes:
    made = message("inference.ModelInferRequest")(model_name="ward")
    fields = {"age": "int64_contents", "bmi": "fp64_contents", "smoker": "bool_contents"}
    for name, value in ROW.items():
        tensor = made.inputs.add(name=name, datatype=_DATATYPES.get(name, "BYTES"), shape=[1])
        item = value.encode() if isinstance(value, str) else value
        getattr(tensor.contents, fields.get(name, "bytes_contents")).append(item)
    done: bytes = made.SerializeToString()
    return done


def _json(document: Any) -> bytes:
    return json.dumps(document).encode()


_COLUMNS = {name: [value] for name, value in ROW.items()}
_SPLIT = {"columns": list(ROW), "data": [list(ROW.values())]}
BODIES: list[tuple[str, bytes]] = [
    (ROWS, _json({"rows": [ROW]})),
    (ROWS, _json({"rows": [{**ROW, "smoker": True, "age": 1.0}]})),  # the slow way
    (ROWS, _json({"columns": _COLUMNS})),
    (INFERENCE, _json({"inputs": _tensors()})),
    (GRPC, _grpc()),
    (KSERVE, _json({"instances": [ROW]})),
    (KSERVE, _json({"inputs": _COLUMNS})),
    (MLFLOW, _json({"dataframe_split": _SPLIT})),
    (MLFLOW, _json({"dataframe_records": [ROW]})),
    (MLFLOW_CSV, (",".join(ROW) + "\n" + ",".join(map(str, ROW.values())) + "\n").encode()),
]


class Process:
    """A handler over a real outbox, whose model was trained under some rules."""

    def __init__(
        self,
        scene: Scene,
        folder: Path,
        trained: Redactor | None,
        *,
        key: SecretStr | None = KEY,
        dropped: tuple[str, ...] = ("note",),
    ) -> None:
        self.folder, self.engine = folder, Remembering()
        writer = OutboxWriter.open(folder, segment_bytes=1 << 16, capacity_bytes=1 << 20)
        self.recorder = RequestRecorder(writer, max_record_bytes=10_000, capacity_bytes=1 << 20)
        limits = ServingSettings()
        self.slot = Slot(
            "ward",
            limits=limits,
            deliver=self.recorder.submit,
            meters=Meters("ward", CollectorRegistry()),
            redaction_key=key,
        )
        plain = scene["model"]()
        signature = plain.signature.model_copy(update={"dropped": dropped})
        model = LoadedModel(plain.facts, signature, plain.features, self.engine, trained)
        self.slot.swap(model)
        self.handler = Handler(
            slots=Slots([self.slot]), recorder=self.recorder, access=None, limits=limits
        )

    def answer(self, *bodies: tuple[str, bytes]) -> list[Response]:
        """The answers to these bodies, all at once."""

        async def between() -> list[Response]:
            self.handler.start()
            calls = [
                self.handler.answer(Route("ward", None, dialect), ANONYMOUS, body)
                for dialect, body in bodies
            ]
            try:
                return await asyncio.gather(*calls)
            finally:
                await self.handler.close()

        return asyncio.run(between())

    def records(self) -> list[RequestRecord]:
        """What was stored."""
        reader = OutboxReader.open(self.folder)
        try:
            return [decode(record.payload) for record in reader.read(100, 1 << 20)]
        finally:
            reader.close()

    def holds(self, text: str) -> list[str]:
        """The files of the outbox that hold these bytes."""
        return [
            path.name
            for path in self.folder.rglob("*")
            if path.is_file() and text.encode() in path.read_bytes()
        ]


@pytest.mark.parametrize("number", range(len(BODIES)))
def test_no_dialect_stores_a_value_and_the_model_gets_the_hash(
    scene: Scene, tmp_path: Path, number: int
) -> None:
    """The stored row is the one that etl would make features of; the files hold no trace."""
    process = Process(scene, tmp_path, REDACTOR)
    process.answer(BODIES[number])
    (record,) = process.records()

    assert {REDACTOR.hash(MARKER)} == set(process.engine.seen)
    assert {
        "age": [1],
        "bmi": [2.5],
        "class": [REDACTOR.hash(MARKER)],
        "smoker": [True],
        "patient": [REDACTOR.hash(f"{MARKER}-7")],
    } == record.inputs
    assert {"prediction": [1.0]} == record.outputs
    assert [] == process.holds(MARKER)


def test_a_version_from_before_the_rule_sees_the_value_and_nothing_stores_it(
    scene: Scene, tmp_path: Path
) -> None:
    """It was trained on values; what is stored follows the definition that is applied."""
    process = Process(scene, tmp_path, None)
    assert process.slot.redaction.follow(RULES)
    process.answer(BODIES[0])
    (record,) = process.records()

    assert {MARKER} == set(process.engine.seen)
    assert [REDACTOR.hash(MARKER)] == record.inputs["class"]
    assert "note" not in record.inputs
    assert [] == process.holds(MARKER)


def test_a_rule_that_was_taken_back_holds_while_its_version_serves(
    scene: Scene, tmp_path: Path
) -> None:
    """What that version needs hashed is stored hashed, too."""
    process = Process(scene, tmp_path, REDACTOR)
    process.slot.redaction.follow(RULES)
    process.slot.redaction.follow({})
    process.answer(BODIES[0])

    assert [] == process.holds(MARKER)


def test_without_the_key_no_request_is_answered(scene: Scene, tmp_path: Path) -> None:
    """Rather than to store the value as it is. The message names the setting."""
    process = Process(scene, tmp_path, None, key=None)
    process.slot.redaction.follow(RULES)

    with pytest.raises(Unavailable, match="MLPLATFORM_REDACTION__KEY"):
        process.answer(BODIES[0])
    assert [] == process.records()


def test_a_pipeline_that_redacts_nothing_is_stored_as_it_came(scene: Scene, tmp_path: Path) -> None:
    """The body is not even read again."""
    process = Process(scene, tmp_path, None)
    process.answer(BODIES[0])

    (record,) = process.records()

    assert not process.slot.redaction.active
    assert {name: [value] for name, value in ROW.items()} == record.inputs


def test_rows_of_a_request_differ_in_what_is_dropped(scene: Scene, tmp_path: Path) -> None:
    """Some rows have it and some don't; all are stored without."""
    process = Process(scene, tmp_path, REDACTOR, dropped=("note", "memo", "mail"))
    rows = [{name: ROW[name] for name in ("age", "bmi", "class", "smoker")} for _ in range(3)]
    rows[1] |= {"note": MARKER, "memo": MARKER, "mail": MARKER}
    process.slot.redaction.follow({"memo": "drop", "mail": "drop"})
    process.answer((ROWS, _json({"rows": rows})))

    assert {"age", "bmi", "class", "smoker"} == process.records()[0].inputs.keys()
    assert [] == process.holds(MARKER)


def test_a_failing_model_does_not_put_the_value_into_the_log(scene: Scene, tmp_path: Path) -> None:
    """The text of an exception may hold it: only its kind is logged and answered."""
    process = Process(scene, tmp_path, None)
    process.slot.redaction.follow(RULES)
    process.engine.error = "what is"

    with capture_logs() as logs, pytest.raises(PlatformError) as failed:
        process.answer(BODIES[0])
    assert logs
    assert MARKER not in repr(logs) + str(failed.value)
    assert "ValueError" == logs[0]["error"]


def test_batches_hash_each_request_for_itself(scene: Scene, tmp_path: Path) -> None:
    """Requests that share a call of the model are stored each with its own values."""
    process = Process(scene, tmp_path, REDACTOR)
    texts = [f"{MARKER}-{at}" for at in range(20)]
    process.answer(*[(ROWS, _json({"rows": [{**ROW, "class": text}]})) for text in texts])
    stored = [record.inputs["class"][0] for record in process.records()]

    assert sorted(map(REDACTOR.hash, texts)) == sorted(stored)
