"""Rows in."""

from __future__ import annotations

from typing import Annotated, BinaryIO, cast

from fastapi import APIRouter, Header, Request
from fastapi.concurrency import run_in_threadpool

from mlplatform.contracts.imports import ImportResult
from mlplatform.dataapi import imports, rights
from mlplatform.dataapi.routes.calling import BEARER, Calling, Parts, problems
from mlplatform.dataapi.routes.guard import GuardedRoute, needs
from mlplatform.dataapi.routes.spool import media, spooled
from mlplatform.errors import UnsupportedMedia

router = APIRouter(prefix="/v1", tags=["imports"], dependencies=BEARER, route_class=GuardedRoute)

KINDS: dict[str, imports.Kind] = {
    "application/x-ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "text/csv": "csv",
    "application/vnd.apache.arrow.stream": "arrow",
    "application/vnd.apache.arrow.file": "arrow",
}
_ROWS = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-ndjson": {
                "example": '{"bmi":0.06,"age":59,"progression":151}\n'
                '{"bmi":-0.05,"age":48,"progression":75}\n'
            },
            "text/csv": {"example": "bmi,age,progression\n0.06,59,151\n-0.05,48,75\n"},
            "application/vnd.apache.arrow.stream": {
                "schema": {"type": "string", "format": "binary"}
            },
            "application/vnd.apache.arrow.file": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


@router.post(
    "/datasets/{name}/rows",
    summary="Add rows to <pipeline>.requests.",
    responses=problems(404, 409, 413, 415, 422),
    openapi_extra=_ROWS,
)
@needs(rights.ADD_ROWS, subject="{name}", pipeline="name")
async def add_rows(
    name: str,
    request: Request,
    caller: Calling,
    parts: Parts,
    idempotency_key: Annotated[
        str | None,
        Header(max_length=200, pattern=r"^[\x21-\x7e]+$", description="Makes a retry safe."),
    ] = None,
) -> ImportResult:
    """Records that can't be read go to quarantine with the reason.

    Whether values fit their columns is checked by etl.
    """
    kind = KINDS.get(media(request))
    if kind is None:
        raise UnsupportedMedia(
            f"'{media(request)}' is not supported",
            field="content-type",
            fix=f"send one of {', '.join(KINDS)}; `mlplatform import` sends Parquet as Arrow",
        )
    redacts = await run_in_threadpool(parts.imports.redacts, name)
    async with spooled(request, on_disk=not redacts) as (file, sha256):
        upload = imports.Upload(cast("BinaryIO", file), kind, sha256)  # IO[bytes] is BinaryIO here
        return await run_in_threadpool(parts.imports.run, caller, name, upload, key=idempotency_key)
