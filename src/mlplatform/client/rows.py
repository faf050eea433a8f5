"""Rows to the data API from a client's end: one body after the other, each safe to send again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from uuid_utils import uuid7

from mlplatform.client.dataapi import DataApiClient
from mlplatform.errors import TryLater

ROWS_PER_BODY = 20_000
"""Rows in one request; far below the default limit of a body for rows of up to 3 kB."""


def send(client: DataApiClient, pipeline: str, rows: Sequence[Mapping[str, Any]], *, deadline_s: float = 120.0) -> dict[str, Any]:
    """Add rows to `<pipeline>.requests`. Blocks; goes on after interruptions until `deadline_s` seconds have passed, without doubling a row.

    Returns the sums of `accepted` and `quarantined`, the first reasons, and the place on the road: `topic` and `last_offset`.
    """
    total: dict[str, Any] = {"accepted": 0, "quarantined": 0, "first_reasons": [], "topic": f"import:{pipeline}", "last_offset": None}
    deadline = time.monotonic() + deadline_s
    for first in range(0, len(rows), ROWS_PER_BODY):
        body = msgspec.json.Encoder().encode_lines(rows[first : first + ROWS_PER_BODY])
        answer = send_body(client, pipeline, body, "application/x-ndjson", deadline=deadline)
        total["accepted"] += answer["accepted"]
        total["quarantined"] += answer["quarantined"]
        reasons = [{**reason, "record": reason["record"] + first} for reason in answer["first_reasons"]]
        total["first_reasons"] = [*total["first_reasons"], *reasons][:10]
        total["last_offset"] = total["last_offset"] if answer["last_offset"] is None else answer["last_offset"]
    return total


def send_body(
    client: DataApiClient, pipeline: str, body: bytes, media: str, *, key: str | None = None, deadline: float = 0.0
) -> dict[str, Any]:
    """Send one body of NDJSON, CSV or Arrow; tried again under one key until `deadline` (monotonic seconds)."""
    headers = {"Content-Type": media, "Idempotency-Key": key or str(uuid7())}
    while True:
        try:
            answer: dict[str, Any] = client.call("POST", f"/v1/datasets/{pipeline}.requests/rows", content=body, headers=headers)
        except TryLater as error:
            if time.monotonic() + error.retry_after_s > deadline:
                raise
            time.sleep(error.retry_after_s)
        else:
            return answer
