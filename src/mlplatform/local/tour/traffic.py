"""Rows of the example pipelines as a client sends them: history to import, requests, labels; and what came of them."""

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
    """An answered request: what went in, what came out, and what later turned out to be true."""

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
    """Send live rows as requests of different sizes, without their target."""
    target = definition.target.name
    start = 0
    while start < len(rows):
        size = SIZES[start % len(SIZES)]
        part = rows[start : start + size]
        start += size
        answer = serving.predict(
            definition.name,
            [{key: value for key, value in row.items() if key != target} for row in part],
        )
        yield Sent(
            answer.id,
            answer.version,
            part,
            answer.predictions,
            [row[target] for row in part],
        )


def label(api: DataApi, name: str, sent: Sequence[Sent]) -> LabelsResult:
    """Send what turned out to be true."""
    labels = [
        RowLabel(request_id=each.id, row=row, label=value, pipeline=name)
        for each in sent
        for row, value in enumerate(each.labels)
    ]
    return api.add_labels(labels)


def stored(api: DataApi, name: str, since: datetime) -> dict[str, list[Any]]:
    """What the requests dataset, read from the standby, says was answered from `since` on: request id -> predictions."""
    found = api.dataset_rows(f"{name}.requests", DatasetQuery(since=since))
    return {
        row["request_id"]: _document(row["outputs"])["prediction"]
        for row in found.rows
        if row["source"] == "serving"
    }


def _document(value: Any) -> Any:
    """A column of JSON is text in a line of NDJSON."""
    return json.loads(value) if isinstance(value, str) else value
