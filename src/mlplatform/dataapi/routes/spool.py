"""Bodies that may be large: read whole into a temporary file before anything is done with them.

Up to a bound the file stays in memory; the body is hashed on the way.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import IO

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from mlplatform.errors import InvalidInput, UnsupportedMedia

IN_MEMORY = 4 * 1024 * 1024
"""Bytes of a body that stay in memory; more go to disk, so that many senders can't fill memory."""


@asynccontextmanager
async def spooled(request: Request) -> AsyncGenerator[tuple[IO[bytes], str]]:
    """The body as a file at its beginning, and its SHA-256.

    The file is gone at the end of the block.
    """
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise UnsupportedMedia(
            f"content encoding '{encoding}' is not supported",
            field="content-encoding",
            fix="send it plain",
        )
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as file:
        running = hashlib.sha256()
        try:
            async for piece in request.stream():
                running.update(piece)
                await run_in_threadpool(file.write, piece)
        except ClientDisconnect as error:
            raise InvalidInput("the body ended early", field="body") from error
        file.seek(0)
        yield file, running.hexdigest()


def media(request: Request) -> str:
    """The content type without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
