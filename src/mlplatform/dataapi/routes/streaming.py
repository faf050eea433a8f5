"""A dataset as an HTTP response.

A stream that breaks off closes the connection: there is no clean end without a receipt. It is
broken off by returning without the last message of the body: the server then closes the
connection, and the client sees an unfinished body. (Raising would do the same, with two tracebacks
in the log for a client that merely stalled.)
"""

from __future__ import annotations

import asyncio

from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mlplatform.dataapi.datasets import DatasetStream
from mlplatform.dataapi.formats import MEDIA
from mlplatform.errors import PlatformError
from mlplatform.telemetry import logger

_log = logger("dataapi")


class DatasetResponse(Response):
    """Sends the pieces of `stream`; the next one is made while one is on its way.

    Closes the stream in any case. A client that takes nothing for `stall_s` seconds is cut off,
    since it holds a snapshot of the standby.
    """

    def __init__(self, stream: DatasetStream, *, stall_s: float) -> None:
        self._stream = stream
        self._stall_s = stall_s
        super().__init__(
            headers={"X-Receipt-Id": stream.receipt_id, "X-As-Of": str(stream.as_of)},
            media_type=MEDIA[stream.kind],
        )
        del self.headers["content-length"]

    async def __call__(
        self,
        scope: Scope,  # noqa: ARG002  (ASGI's signature)
        receive: Receive,
        send: Send,
    ) -> None:
        """Send it all, or leave the body unfinished."""
        try:
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            if await self._sent_all(receive, send):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await run_in_threadpool(self._stream.close)

    async def _sent_all(self, receive: Receive, send: Send) -> bool:
        """Send the pieces; False when the client went away or the read failed."""
        gone = asyncio.create_task(_disconnected(receive))
        sending = asyncio.create_task(self._send_pieces(send))
        try:
            await asyncio.wait({gone, sending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            sending.cancel()
            await asyncio.wait({gone, sending})
        return not sending.cancelled() and self._complete(sending.exception())

    async def _send_pieces(self, send: Send) -> None:
        ahead = asyncio.create_task(self._next())
        try:
            # Shielded: a cancelled wait must not cancel the thread.
            while (piece := await asyncio.shield(ahead)) is not None:
                ahead = asyncio.create_task(self._next())
                if piece:
                    async with asyncio.timeout(self._stall_s):
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
        finally:
            # A thread may still be in the generator, which can't be closed before.
            await asyncio.wait({ahead})
            if not ahead.cancelled():
                ahead.exception()  # seen here, or raised above already

    async def _next(self) -> bytes | None:
        return await run_in_threadpool(next, self._stream.pieces, None)

    def _complete(self, error: BaseException | None) -> bool:
        if error is None:
            return True
        if not isinstance(error, PlatformError | TimeoutError | OSError):
            raise error
        _log.warning(
            "dataset broken off",
            receipt=self._stream.receipt_id,
            kind=type(error).__name__,
            error=str(error),
        )
        return False


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
