"""Stored requests under a definition that redacts: some may have been stored before it did.

So features never hold what the definition keeps from being stored, and the history is as good for
training as what came later. What is hashed already stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from mlplatform.database.raw_requests import RawRequest
from mlplatform.features.redact import NOT_KEPT, Redactor


def redacted(requests: Sequence[RawRequest], redactor: Redactor | None) -> list[RawRequest]:
    """The requests without what may not be stored, corrections too; as they are without rules."""
    if redactor is None:
        return list(requests)
    return [
        replace(
            request,
            inputs=_inputs(request.inputs, redactor),
            corrections=_corrections(request.corrections, redactor),
        )
        for request in requests
    ]


def _inputs(text: str, redactor: Redactor) -> str:
    try:
        inputs = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        inputs = NOT_KEPT
    if not isinstance(inputs, dict):  # etl puts it into quarantine
        return msgspec.json.encode(NOT_KEPT).decode()
    return msgspec.json.encode(redactor.stored_columns(inputs)).decode()


def _corrections(
    corrections: Mapping[int, Mapping[str, Any]], redactor: Redactor
) -> Mapping[int, Mapping[str, Any]]:
    return {
        row: {
            name: value
            for name, (value,) in redactor.stored_columns(
                {name: [value] for name, value in fields.items()}
            ).items()
        }
        for row, fields in corrections.items()
    }
