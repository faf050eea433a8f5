"""Rows and labels in."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from mlplatform.contracts.pipeline import PIPELINE_NAME
from mlplatform.dataapi import imports
from mlplatform.dataapi.feedback import Unreadable
from mlplatform.dataapi.routes.calling import BEARER, Calling, Parts, problems
from mlplatform.dataapi.routes.spool import media, spooled
from mlplatform.errors import InvalidInput, UnsupportedMedia

router = APIRouter(prefix="/v1", tags=["rows in"], dependencies=BEARER)

KINDS: dict[str, imports.Kind] = {
    "application/x-ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "text/csv": "csv",
    "application/vnd.apache.arrow.stream": "arrow",
}
_ROWS = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-ndjson": {
                "example": '{"bmi":0.06,"age":59,"progression":151}\n{"bmi":-0.05,"age":48,"progression":75}\n'
            },
            "text/csv": {"example": "bmi,age,progression\n0.06,59,151\n-0.05,48,75\n"},
            "application/vnd.apache.arrow.stream": {
                "schema": {"type": "string", "format": "binary"}
            },
        },
    }
}
_LABELS = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "example": {
                    "labels": [
                        {
                            "request_id": "01985d2e-7c4a-7b11-9c62-0d6f5a0c1e11",
                            "row": 0,
                            "label": 151.0,
                        }
                    ]
                }
            },
            "application/x-ndjson": {
                "example": '{"request_id":"01985d2e-7c4a-7b11-9c62-0d6f5a0c1e11","row":0,"label":151.0}\n'
            },
        },
    }
}


class Reason(BaseModel):
    """Why a record of an import went to quarantine."""

    record: int = Field(description="Place in the body, 1 is the first.")
    field: str
    reason: str


class Imported(BaseModel):
    """How far the import is.

    `topic` and `last_offset` are its place on the road: etl has it when it is past that.
    """

    import_: str = Field(
        alias="import", description="Key; the same body sent with it again is not stored twice."
    )
    accepted: int
    quarantined: int
    first_reasons: list[Reason]
    topic: str
    last_offset: int | None


class RefusedLabel(BaseModel):
    """A label that was refused; it is kept in quarantine."""

    index: int
    field: str
    reason: str


class Labelled(BaseModel):
    """Outcome of a feedback."""

    accepted: int
    refused: list[RefusedLabel]


@router.post(
    "/datasets/{name}/rows",
    summary="Add rows to <pipeline>.requests.",
    responses=problems(404, 409, 413, 415, 422),
    openapi_extra=_ROWS,
)
async def add_rows(
    name: str,
    request: Request,
    caller: Calling,
    parts: Parts,
    idempotency_key: Annotated[
        str | None,
        Header(max_length=200, pattern=r"^[\x21-\x7e]+$", description="Makes a retry safe."),
    ] = None,
) -> Imported:
    """Records that can't be read go to quarantine with the reason; whether values fit their columns is checked by etl."""
    kind = KINDS.get(media(request))
    if kind is None:
        raise UnsupportedMedia(
            f"'{media(request)}' is not spoken here",
            field="content-type",
            fix=f"send one of {', '.join(KINDS)}",
        )
    async with spooled(request) as (file, sha256):
        body = imports.Body(file, kind, sha256)  # type: ignore[arg-type]  # IO[bytes] that is BinaryIO in all but name
        return Imported.model_validate(
            await run_in_threadpool(parts.imports.run, caller, name, body, key=idempotency_key)
        )


@router.post(
    "/feedback",
    summary="Add labels by request id.",
    responses=problems(413, 415, 422),
    openapi_extra=_LABELS,
)
async def add_labels(
    request: Request,
    caller: Calling,
    parts: Parts,
    pipeline: Annotated[
        str | None,
        Query(pattern=PIPELINE_NAME, description="Needed for requests that are not stored yet."),
    ] = None,
) -> Labelled:
    """A label may come before its request; a later one for the same row corrects it.

    What is refused is named, and kept in quarantine.
    """
    async with spooled(request) as (file, _):
        data = await run_in_threadpool(file.read)
    if media(request) in ("application/x-ndjson", "application/jsonl"):
        items = [_line(line) for line in data.splitlines() if line.strip()]
    elif media(request) == "application/json":
        items, pipeline = _document(data, pipeline)
    else:
        raise UnsupportedMedia(
            f"'{media(request)}' is not spoken here",
            field="content-type",
            fix="send application/json or application/x-ndjson",
        )
    return Labelled.model_validate(
        await run_in_threadpool(parts.feedback.add, caller, items, pipeline=pipeline)
    )


def _line(line: bytes) -> Any:
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Unreadable(f"not JSON: {error}", line.decode("utf-8", "backslashreplace"))


def _document(data: bytes, pipeline: str | None) -> tuple[list[Any], str | None]:
    try:
        body = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"not JSON: {error}", field="body") from error
    if not isinstance(body, dict) or not isinstance(body.get("labels"), list):
        raise InvalidInput(
            "a list of labels is missing",
            field="labels",
            fix='send {"labels": [{"request_id": …, "row": 0, "label": …}]}',
        )
    if unknown := sorted(set(body) - {"labels", "pipeline"}):
        raise InvalidInput("unknown field", field=unknown[0])
    named = body.get("pipeline", pipeline)
    if named is not None and not isinstance(named, str):
        raise InvalidInput("not a name", field="pipeline")
    return body["labels"], named
