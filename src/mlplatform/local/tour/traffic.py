"""Rows of the example pipelines as a client sends them: history to import, requests, labels; and what came of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlplatform.client.dataapi import DataApi
from mlplatform.client.json_http import raise_for
from mlplatform.client.serving import ServingClient
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


def import_rows(client: DataApi, name: str, rows: Sequence[Row], *, key: str) -> dict[str, Any]:
    """Import rows; the same key again imports nothing a second time."""
    body = "\n".join(json.dumps(row) for row in rows).encode()
    headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": key}
    return dict(
        client.call("POST", f"/v1/datasets/{name}.requests/rows", content=body, headers=headers)
    )


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
            answer["id"],
            answer["version"],
            part,
            answer["predictions"],
            [row[target] for row in part],
        )


def label(client: DataApi, name: str, sent: Sequence[Sent]) -> dict[str, Any]:
    """Tell what turned out to be true."""
    labels = [
        {"request_id": each.id, "row": row, "label": value, "pipeline": name}
        for each in sent
        for row, value in enumerate(each.labels)
    ]
    return dict(client.post("/v1/feedback", {"labels": labels}))


def stored(client: DataApi, name: str, since: str) -> dict[str, list[Any]]:
    """What the requests dataset, read from the standby, says was answered from `since` on: request id -> predictions."""
    answer = client.http.get(
        f"/v1/datasets/{name}.requests",
        params={"since": since},
        headers={"Accept": "application/x-ndjson"},
    )
    raise_for(answer)
    rows = [json.loads(line) for line in answer.text.splitlines()]
    return {
        row["request_id"]: _document(row["outputs"])["prediction"]
        for row in rows
        if row["source"] == "serving"
    }


def _document(value: Any) -> Any:
    """A column of JSON is text in a line of NDJSON."""
    return json.loads(value) if isinstance(value, str) else value
