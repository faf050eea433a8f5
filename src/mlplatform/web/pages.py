"""The three pages of every HTTP process: /healthz (alive), /readyz (can do its work), /metrics."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from mlplatform.web import plain_pages


def router(ready: plain_pages.Readiness) -> APIRouter:
    """Routes of the pages."""
    pages = APIRouter(tags=["operation"])

    @pages.get("/healthz", summary="The process is alive.")
    async def healthz() -> dict[str, str]:
        return plain_pages.ALIVE

    @pages.get(
        "/readyz",
        summary="The process can do its work.",
        responses={503: {"description": "Says what is missing."}},
    )
    async def readyz() -> dict[str, Any]:
        return await plain_pages.readiness(ready)

    @pages.get("/metrics", summary="Prometheus metrics.", include_in_schema=False)
    async def metrics() -> Response:
        return Response(await plain_pages.metrics(), media_type=plain_pages.METRICS_TYPE)

    return pages
