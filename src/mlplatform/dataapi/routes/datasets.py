"""Datasets out, and their receipts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response

from mlplatform.contracts.dataset import DatasetDescription, DatasetQuery, KnownReceipt
from mlplatform.contracts.model import SHA256
from mlplatform.dataapi import formats, rights
from mlplatform.dataapi.routes.calling import BEARER, Calling, Parts, problems
from mlplatform.dataapi.routes.guard import GuardedRoute, needs
from mlplatform.dataapi.routes.streaming import DatasetResponse

INT64_MAX = 2**63 - 1
router = APIRouter(prefix="/v1", tags=["datasets"], dependencies=BEARER, route_class=GuardedRoute)

MadeSafe = Annotated[
    formats.Safe | None,
    Query(
        description="CSV only. `spreadsheet`: texts and column names that a spreadsheet would run"
        " as a formula (they begin with = + - @, tab or a line break), or that begin with ', get a"
        " ' in front. Numbers stay numbers."
    ),
]
_STREAMS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The rows, in the order of (request_id, row). The receipt named by"
        " X-Receipt-Id exists once the stream is complete.",
        "headers": {
            "X-Receipt-Id": {
                "description": "Get it from /v1/receipts/{id} after the last byte.",
                "schema": {"type": "string"},
            },
            "X-As-Of": {
                "description": "Mark that the rows stand for.",
                "schema": {"type": "integer"},
            },
        },
        "content": {
            "application/vnd.apache.arrow.stream": {
                "schema": {"type": "string", "format": "binary"}
            },
            "text/csv": {
                "example": "request_id,row,event_time,bmi,progression\n"
                "0198…,0,2025-01-01 00:00:00Z,0.06,151\n"
            },
            "application/x-ndjson": {
                "example": '{"request_id":"0198…","row":0,"bmi":0.06,"progression":151.0}\n'
            },
        },
    }
}


@router.get("/datasets", summary="Contracts of all datasets.", responses=problems())
@needs(rights.LIST_DATASETS, subject="datasets")
def list_datasets(caller: Calling, parts: Parts) -> list[DatasetDescription]:
    """What can be read: names, columns, types."""
    return list(parts.datasets.all(caller))


@router.get(
    "/datasets/{name}",
    summary="Rows of a dataset, from a standby.",
    responses={**problems(404, 415, 422), **_STREAMS},
    response_class=Response,
)
@needs(rights.READ_DATASET, subject="{name}", pipeline="name")
def read_dataset(  # noqa: PLR0917  (FastAPI passes all by keyword)
    name: str,
    caller: Calling,
    parts: Parts,
    columns: Annotated[
        str | None, Query(description="Names, separated by commas.", examples=["bmi,progression"])
    ] = None,
    since: Annotated[datetime | None, Query(description="First event time, inclusive.")] = None,
    until: Annotated[datetime | None, Query(description="Last event time, exclusive.")] = None,
    as_of: Annotated[
        int | None, Query(ge=0, le=INT64_MAX, description="Mark: the rows as they stood then.")
    ] = None,
    marks: Annotated[
        str | None,
        Query(
            pattern=r"^raw-[0-9]+:[0-9]+(,raw-[0-9]+:[0-9]+)*$",
            description="Beside as_of: marks of further raw servers, as in a receipt, such as "
            "raw-2:1764280000000000.",
        ),
    ] = None,
    limit: Annotated[
        int | None, Query(ge=1, le=INT64_MAX, description="Most rows; the latest are kept.")
    ] = None,
    digest: Annotated[
        str | None, Query(pattern=SHA256, description="Features digest; empty: the present one.")
    ] = None,
    safe: MadeSafe = None,
    accept: Annotated[str | None, Header()] = None,
) -> Response:
    """Check the stream against its receipt: a stream that broke off has none."""
    kind = formats.accepted(accept, safe)
    query = DatasetQuery(
        columns=_names(columns), since=since, until=until, as_of=as_of, limit=limit, digest=digest
    ).model_copy(update={"marks": _marks(marks)})
    return DatasetResponse(
        parts.datasets.open(caller, name, query, kind=kind, safe=safe), stall_s=parts.stall_s
    )


def _names(text: str | None) -> tuple[str, ...] | None:
    parts = [] if text is None else text.split(",")
    return tuple(part.strip() for part in parts if part.strip()) or None


def _marks(text: str | None) -> dict[str, int] | None:
    if text is None:
        return None
    pairs = (part.split(":") for part in text.split(","))
    return {shard: int(mark) for shard, mark in pairs}


@router.get(
    "/receipts/{receipt_id}",
    summary="Proof of a complete read.",
    responses=problems(404),
    response_model_exclude_defaults=True,  # earlier clients refuse a field that they don't know
)
@needs(rights.VIEW_RECEIPT, subject="receipts.{receipt_id}")
def read_receipt(receipt_id: str, caller: Calling, parts: Parts) -> KnownReceipt:
    """Where the rows came from, how many, and their hash; and what was forgotten of them since."""
    return parts.datasets.receipt(caller, receipt_id)
