"""What /healthz, /readyz and /metrics answer, whatever framework sends it.

They are asked for every few seconds, also in processes that need no framework for anything else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
ALIVE = {"status": "alive"}
METRICS_TYPE = CONTENT_TYPE_LATEST
Readiness = Callable[[], Awaitable[Mapping[str, str]]]
"""Raises what is missing. What it returns is told with a 200: a part that doesn't work, while the
others do -> the reason."""


async def readiness(ready: Readiness) -> dict[str, Any]:
    """The page /readyz. Raises what `ready` raises."""
    degraded = await ready()
    return {"status": "degraded", "degraded": degraded} if degraded else {"status": "ready"}


async def metrics() -> bytes:
    """The page /metrics, made in a thread: there may be thousands of lines."""
    return await asyncio.to_thread(generate_latest)
