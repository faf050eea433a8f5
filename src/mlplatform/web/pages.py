"""The three pages of every HTTP process: /healthz (alive), /readyz (can do its work), /metrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import APIRouter, Response
from fastapi.concurrency import run_in_threadpool
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

PATHS = frozenset({"/healthz", "/readyz", "/metrics"})


def router(ready: Callable[[], Awaitable[Mapping[str, str]]]) -> APIRouter:
    """Routes of the pages.

    `ready` raises what is missing. What it returns is told with a 200: a part that doesn't work,
    while the others do -> the reason.
    """
    pages = APIRouter(tags=["operation"])

    @pages.get("/healthz", summary="The process is alive.")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @pages.get(
        "/readyz",
        summary="The process can do its work.",
        responses={503: {"description": "Says what is missing."}},
    )
    async def readyz() -> dict[str, Any]:
        degraded = await ready()
        return {"status": "degraded", "degraded": degraded} if degraded else {"status": "ready"}

    @pages.get("/metrics", summary="Prometheus metrics.", include_in_schema=False)
    async def metrics() -> Response:
        return Response(await run_in_threadpool(generate_latest), media_type=CONTENT_TYPE_LATEST)

    return pages
