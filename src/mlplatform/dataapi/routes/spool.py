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

from mlplatform.errors import InvalidInput, TooLarge, UnsupportedMedia

IN_MEMORY = 4 * 1024 * 1024
"""Bytes of a body that stay in memory; more go to disk, so that many senders can't fill memory."""
MOST_IN_MEMORY = 16 * 1024 * 1024
"""Bytes of a body that may not go to disk. `mlplatform import` sends half as many in a piece."""


@asynccontextmanager
async def spooled(
    request: Request, *, on_disk: bool = True
) -> AsyncGenerator[tuple[IO[bytes], str]]:
    """The body as a file at its beginning, and its SHA-256.

    The file is gone at the end of the block. Raises TooLarge without `on_disk`.
    """
    _refuse_encoded(request)
    room, running = IN_MEMORY if on_disk else MOST_IN_MEMORY, hashlib.sha256()
    with tempfile.SpooledTemporaryFile(max_size=room) as file:
        try:
            async for piece in request.stream():
                running.update(piece)
                if not on_disk and (room := room - len(piece)) < 0:
                    raise _too_large()
                await run_in_threadpool(file.write, piece)
        except ClientDisconnect as error:
            raise InvalidInput("the body ended early", field="body") from error
        file.seek(0)
        yield file, running.hexdigest()


def _refuse_encoded(request: Request) -> None:
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise UnsupportedMedia(
            f"content encoding '{encoding}' is not supported",
            field="content-encoding",
            fix="send it plain",
        )


def _too_large() -> TooLarge:
    return TooLarge(
        f"a body for a pipeline that redacts is not put on a disk, and takes at most "
        f"{MOST_IN_MEMORY} bytes",
        field="body",
        fix="send it in pieces, as `mlplatform import` does",
    )


def media(request: Request) -> str:
    """The content type without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
