"""What a client of the example pipelines does: import history, request predictions, send labels."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlplatform.client.dataapi import NDJSON, DataApi
from mlplatform.client.serving import ServingClient
from mlplatform.contracts.dataset import DatasetQuery
from mlplatform.contracts.imports import ImportResult
from mlplatform.contracts.labels import LabelsResult, RowLabel
from mlplatform.contracts.pipeline import PipelineDefinition

Row = Mapping[str, Any]
SIZES = (1, 1, 3)  # rows per request, in turn


@dataclass(frozen=True)
class Sent:
    """An answered request: its rows, its predictions, and what later turned out to be true."""

    id: str
    version: str
    rows: Sequence[Row]
    predictions: Sequence[Any]
    labels: Sequence[Any]


def import_rows(api: DataApi, name: str, rows: Sequence[Row], *, key: str) -> ImportResult:
    """Import rows; the same key again imports nothing a second time."""
    body = "\n".join(json.dumps(row) for row in rows).encode()
    return api.import_rows(name, body, media=NDJSON, key=key)


def send(
    serving: ServingClient, definition: PipelineDefinition, rows: Sequence[Row]
) -> Iterator[Sent]:
    """Send rows as requests of different sizes, without their target."""
    target = definition.target.name
    start = 0
    while start < len(rows):
        part = rows[start : start + SIZES[start % len(SIZES)]]
        start += len(part)
        inputs = [{name: value for name, value in row.items() if name != target} for row in part]
        answer = serving.predict(definition.name, inputs)
        labels = [row[target] for row in part]
        yield Sent(answer.id, answer.version, part, answer.predictions, labels)


def label(api: DataApi, name: str, sent: Sequence[Sent]) -> LabelsResult:
    """Send what turned out to be true."""
    labels = [
        RowLabel(request_id=each.id, row=row, label=value, pipeline=name)
        for each in sent
        for row, value in enumerate(each.labels)
    ]
    return api.add_labels(labels)


def stored(api: DataApi, name: str, since: datetime) -> dict[str, list[Any]]:
    """Predictions that were stored since then, by request id; read from the standby."""
    found = api.dataset_rows(f"{name}.requests", DatasetQuery(since=since))
    return {
        row["request_id"]: _document(row["outputs"])["prediction"]
        for row in found.rows
        if row["source"] == "serving"  # imported history has no predictions
    }


def _document(value: Any) -> Any:
    """A JSON column is text in a line of NDJSON."""
    return json.loads(value) if isinstance(value, str) else value
