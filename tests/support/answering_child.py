"""Serving's end of the outbox in a process of its own, for the tests of what an answer promises.

Callers in closed loops have requests recorded, and a line of stdout says what became of each:
`answered ID`, `stored ID` (no answer, but perhaps a record) or `refused`. Ends at SIGTERM.
"""

from __future__ import annotations

import asyncio
import signal
import sys

from mlplatform.client.dataapi import DataApi
from mlplatform.contracts.blocks import BlockLayout
from mlplatform.contracts.columns import Column
from mlplatform.contracts.request import new_request_id
from mlplatform.errors import NotAcknowledged, Unavailable
from mlplatform.serving.main import open_recorder
from mlplatform.serving.recorder import RequestRecorder
from mlplatform.serving.request import DecodedRequest, PendingRequest
from mlplatform.settings import load

CALLERS = 8
_PAUSE_S = 0.01
_LAYOUT = BlockLayout((Column(name="a", dtype="int64"),))


async def call(recorder: RequestRecorder, leaving: asyncio.Event) -> None:
    """One request after the other."""
    while not leaving.is_set():
        await asyncio.sleep(_PAUSE_S)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        pending = PendingRequest(
            DecodedRequest.of_columns(_LAYOUT, [[1]], 1),
            request_id=new_request_id(),
            pipeline="demo",
            version="3",
            caller="tester",
            dialect="rows",
            received_us=1_700_000_000_123_456,
            done=done,
        )
        pending.outputs = {"prediction": [0.5]}
        try:
            recorder.refuse_if_hung()
            recorder.submit([pending])
            await done
        except NotAcknowledged as error:
            say(f"stored {error.request_id}")
        except Unavailable:
            say("refused")
        else:
            say(f"answered {pending.request_id}")


def say(line: str) -> None:
    """At once: a process that is killed must not keep an answer."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main() -> None:
    """Until SIGTERM."""
    settings, leaving = load(), asyncio.Event()
    with DataApi(settings.dataapi.url, settings.dataapi.token, timeout_s=1.0) as api:
        recorder = open_recorder(settings, api)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, leaving.set)
        recorder.start()
        await asyncio.gather(*(call(recorder, leaving) for _ in range(CALLERS)))
        await recorder.close()


if __name__ == "__main__":
    asyncio.run(main())
