"""Serving behind a proxy that shows it under a path prefix."""

from __future__ import annotations

from mlplatform.serving.prediction_app import Application, Receive, Scope, Send


class RootPath:
    """Adds or keeps the prefix `root` of each request's path, as ASGI wants it.

    Some proxies strip the prefix and others don't, and probes come without one, so both are taken.
    """

    def __init__(self, app: Application, root: str) -> None:
        self._app = app
        self._root = root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http":
            path = scope["path"]
            whole = path if path.startswith(f"{self._root}/") else self._root + path
            scope = {**scope, "path": whole, "root_path": self._root}
        await self._app(scope, receive, send)
