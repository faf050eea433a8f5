"""Labels in."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool

from mlplatform.contracts.labels import LabelsResult
from mlplatform.contracts.pipeline import PIPELINE_NAME
from mlplatform.dataapi import rights
from mlplatform.dataapi.routes.calling import BEARER, Calling, Parts, problems
from mlplatform.dataapi.routes.guard import GuardedRoute, needs
from mlplatform.dataapi.routes.spool import media, spooled
from mlplatform.dataapi.rows.labels import Unreadable
from mlplatform.errors import InvalidInput, UnsupportedMedia

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
        return [_line(line) for line in data.splitlines() if line.strip()], pipeline
    if kind == "application/json":
        return _document(data, pipeline)
    raise UnsupportedMedia(
        f"'{kind}' is not supported",
        field="content-type",
        fix="send application/json or application/x-ndjson",
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
