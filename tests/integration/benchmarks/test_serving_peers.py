"""The benchmark beside peers runs, on our server and the simplest one; peers are not installed."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

import pytest
from serving_peers.__main__ import servers
from serving_peers.driver import Driver
from serving_peers.report import page
from serving_peers.results import Cell
from serving_peers.rounds import Plan, Rounds

pytestmark = pytest.mark.skipif(
    not (shutil.which("cc") or shutil.which("gcc")), reason="THE LOAD DRIVER NEEDS A C COMPILER"
)
REQUEST = b"POST /%s HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"


class Answers(BaseHTTPRequestHandler):
    """By the path; every tenth answer closes its connection."""

    protocol_version = "HTTP/1.1"
    served = count(1)

    def do_POST(self) -> None:
        """Send an answer."""
        number = next(self.served)
        self.send_response(500 if self.path == "/broken" else 200)
        self.send_header("X-Request-Id", f"id-{number}")
        body = f'{{"id":{number},"prediction":{1 if self.path == "/right" else 2}}}'.encode()
        self.send_header("Content-Length", str(len(body)))
        if number % 10 == 0:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """No log."""


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize("path", ["right", "wrong", "broken"])
def test_the_driver_counts_every_answer(port: int, tmp_path: Path, path: str) -> None:
    """Right ones, other ones and errors apart, with the ids of all that have code 200."""
    driver, ids = Driver(tmp_path), tmp_path / "ids"
    exchange = (REQUEST % path.encode(), b'"prediction":1}')
    load = driver.press(port, [exchange], callers=3, seconds=0.2, ids=ids)
    counts = {"right": load.answers, "wrong": load.differing, "broken": load.failed}

    assert counts.pop(path) > 3
    assert {0} == set(counts.values())
    assert (load.answers + load.differing) == len(set(ids.read_text().split()))
    assert load.p50_us <= load.p90_us <= load.p99_us <= load.most_us
    assert (path == "right") == (load.complaint == "")


def test_a_round_measures_ours_and_stores_every_request(tmp_path: Path) -> None:
    """Each answer is right, each request is in the outbox exactly once, and a page says so."""
    plan = Plan(
        servers=servers(["mlplatform", "bare asgi"]),
        models=["linear"],
        cells=[Cell(1, 8), Cell(100, 8)],
        rounds=1,
        seconds=0.2,
        build=tmp_path,
    )
    results = Rounds(plan).run(tmp_path / "results.json")
    ours = [one for one in results.starts if one.kind == "ours"]

    assert {} == results.excluded
    assert {server.name for server in plan.servers} == set(results.servers())
    assert {(0, 0)} == {(one.failed, one.differing) for one in results.loads}
    assert [0] == [one.astray for one in ours]
    assert ours[0].answered > 100
    assert "| failed or wrong answers of ours | 0 | 0 | 0 | target |" in page(results)
