"""An MLflow behind a proxy that requires HTTP basic authentication."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from mlplatform.errors import InvalidInput, Refused
from mlplatform.registry.publish import Publisher
from mlplatform.registry.store import ModelStore

USER = ("platform", "päss:word")
EXPECTED = f"Basic {base64.b64encode(':'.join(USER).encode()).decode()}"


class Proxy(BaseHTTPRequestHandler):
    """Passes on what carries the right header, and answers 401 to the rest."""

    upstream = ""

    def do_GET(self) -> None:
        """Any method."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.headers.get("authorization") != EXPECTED:
            self._say(401, b"who are you?", kind="text/plain")
            return
        kept = {
            name: value
            for name, value in self.headers.items()
            if name.lower() in ("content-type", "accept")
        }
        answer = httpx.request(
            self.command, f"{self.upstream}{self.path}", content=body, headers=kept, timeout=60.0
        )
        self._say(answer.status_code, answer.content)

    do_POST = do_PUT = do_GET  # noqa: N815  (the names that http.server requires)

    def _say(self, code: int, body: bytes, *, kind: str = "application/json") -> None:
        self.send_response(code)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def proxy(mlflow: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Its address.

    MLflow's client keeps credentials in the environment of the process: they are taken out again.
    """
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), type("OpenProxy", (Proxy,), {"upstream": mlflow.url})
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_store_says_who_it_is(proxy: str) -> None:
    """User and password let a client through; without them the refusal is reported as one."""
    with ModelStore(proxy, credentials=USER) as known, ModelStore(proxy) as unknown:
        known.ping()

        assert [] == known.versions("nobody-trained-this")
        with pytest.raises(InvalidInput, match=r"401.*who are you"):
            unknown.ping()


def test_the_trainer_says_who_it_is(proxy: str) -> None:
    """A run is recorded with user and password, and refused without."""
    with pytest.raises(Refused, match="401"):
        Publisher(proxy).start("behind-a-proxy", name="first", tags={})

    publisher = Publisher(proxy, credentials=USER)
    run = publisher.start("behind-a-proxy", name="first", tags={})
    run.finish("FINISHED")

    assert run.artifacts.endswith("/artifacts")
