"""Run an ASGI app under uvicorn until SIGTERM or SIGINT, then drain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import uvicorn


def run(app: Callable[..., Any], *, host: str, port: int, drain_s: float) -> None:
    """Serve `app` on one process; returns after the drain. Access logs are ours, not uvicorn's."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=max(1, int(drain_s)),
        lifespan="on",
    )
    uvicorn.Server(config).run()
