"""What the data API says that it can't do reaches the person who asks."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast

import pytest
from typer.testing import CliRunner

from mlplatform.cli import doctor, status
from mlplatform.cli.promises import PlatformPromises
from mlplatform.client.dataapi import DataApi
from mlplatform.errors import PlatformError
from mlplatform.local.state import State, myself

WHY = "127.0.0.1:5433 is a primary; reads go to a standby only"


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"status": "degraded", "degraded": {"datasets": WHY}}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def url() -> Iterator[str]:
    """A data API that has no standby."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=server.serve_forever).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_doctor_finds_it_missing(url: str) -> None:
    """A page that answers is not enough."""
    found = doctor._page("dataapi", f"{url}/readyz")

    assert ("missing", f"datasets: {WHY}") == (found.state, found.detail)


def test_check_breaks_its_promise(url: str) -> None:
    """The first promise of `mlplatform check`."""
    with DataApi(url, None) as api, pytest.raises(PlatformError, match="is a primary"):
        PlatformPromises(cast("object", None), api).ready()  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_status_names_it_and_ends_with_1(url: str, tmp_path: Path, options: list[str]) -> None:
    """Though every process is ready."""
    pid, born = myself()["pid"], myself()["born"]
    State(
        home=tmp_path,
        pid=int(pid),
        born=str(born),
        ports={},
        urls={"dataapi": url, "serving": url},
        queue="sqlite:///queue",
        source=".",
        working_tree=False,
        ready=True,
    ).write()
    result = CliRunner().invoke(status.app, ["--home", str(tmp_path), *options])

    assert 1 == result.exit_code
    assert WHY in result.stdout
