"""Paths behind a proxy with a prefix."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mlplatform.serving.root_path import RootPath


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/ml/v1/models/ward/predict", "/ml/v1/models/ward/predict"),
        ("/v1/models/ward/predict", "/ml/v1/models/ward/predict"),
        ("/mlx", "/ml/mlx"),
        ("/ml/", "/ml/"),
    ],
)
def test_the_prefix_is_there_once(path: str, found: str) -> None:
    """Whether or not the proxy strips it."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["path"], scope["root_path"]))

    scope = {"type": "http", "path": path, "root_path": ""}
    asyncio.run(RootPath(app, "/ml")(scope, None, None))  # type: ignore[arg-type]

    assert [(found, "/ml")] == seen
