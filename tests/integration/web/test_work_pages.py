"""The pages of a process that works in a loop."""

from __future__ import annotations

import subprocess
import sys
import time

import httpx
import pytest

from mlplatform.local.ports import choose

PROGRAM = """
import sys, threading, time
from mlplatform import watchdog
from mlplatform.settings import TelemetrySettings
from mlplatform.work_pages import serve_pages
watchdog.faulthandler.dump_traceback_later = lambda *_, **__: None  # it can't end the process
serve_pages(TelemetrySettings(metrics_host=sys.argv[1], metrics_port=int(sys.argv[2])))
watchdog.watch(1.0)
while sys.stdin.readline():
    watchdog.turned()
"""


def _status(url: str, wanted: int) -> int:
    """The page's status, asked for until it is the wanted one, for 20 s at most."""
    deadline = time.monotonic() + 20
    while True:
        try:
            found = httpx.get(url, timeout=5).status_code
        except httpx.TransportError:
            found = 0
        if found == wanted or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_a_loop_that_stands_still_fails_its_health_page(host: str, shown: str) -> None:
    """A thread serves the page, and says so of the loop; the metrics are there all the same."""
    port = choose({"page": 0})["page"]
    argv = [sys.executable, "-c", PROGRAM, host, str(port)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        url = f"http://{shown}:{port}"
        found = [_status(f"{url}/healthz", 200), _status(f"{url}/healthz", 503)]
        found.append(httpx.get(f"{url}/metrics").status_code)
        process.stdin.write(b"\n")
        process.stdin.flush()
        found.append(_status(f"{url}/healthz", 200))
        found.append(httpx.get(f"{url}/").status_code)

    assert [200, 503, 200, 200, 404] == found
