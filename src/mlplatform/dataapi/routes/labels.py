"""Labels in."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool

from mlplatform.contracts.labels import LabelsResult
from mlplatform.contracts.pipeline import PIPELINE_NAME
from mlplatform.dataapi import rights
from mlplatform.dataapi.routes.calling import BEARER, Calling, Parts, problems
from mlplatform.dataapi.routes.guard import GuardedRoute, needs
from mlplatform.dataapi.routes.spool import media, spooled
from mlplatform.dataapi.rows.label_items import read_document, read_item
from mlplatform.errors import UnsupportedMedia

router = APIRouter(prefix="/v1", tags=["labels"], dependencies=BEARER, route_class=GuardedRoute)

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
                "example": '{"request_id":"01985d2e-7c4a-7b11-9c62-0d6f5a0c1e11",'
                '"row":0,"label":151.0}\n'
            },
        },
    }
}


@router.post(
    "/feedback",
    summary="Add labels by request id.",
    responses=problems(413, 415, 422),
    openapi_extra=_LABELS,
)
@needs(rights.ADD_LABELS, subject="labels")
async def add_labels(
    request: Request,
    caller: Calling,
    parts: Parts,
    pipeline: Annotated[
        str | None,
        Query(pattern=PIPELINE_NAME, description="Needed for requests that are not stored yet."),
    ] = None,
) -> LabelsResult:
    """A label may come before its request; a later one for the same row corrects it.

    What is refused is named, and kept in quarantine.
    """
    async with spooled(request) as (file, _):
        data = await run_in_threadpool(file.read)
    items, pipeline = _items(media(request), data, pipeline)
    return await run_in_threadpool(parts.labels.add, caller, items, pipeline=pipeline)


def _items(kind: str, data: bytes, pipeline: str | None) -> tuple[list[Any], str | None]:
    if kind in ("application/x-ndjson", "application/jsonl"):
        # Not splitlines: only a line feed ends a line, as in imports.
        return [read_item(line) for line in data.split(b"\n") if line.strip()], pipeline
    if kind == "application/json":
        return read_document(data, pipeline)
    raise UnsupportedMedia(
        f"'{kind}' is not supported",
        field="content-type",
        fix="send application/json or application/x-ndjson",
    )
