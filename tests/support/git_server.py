"""Pipelines on a git server over HTTP."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from dulwich import porcelain
from dulwich.repo import Repo
from dulwich.server import DictBackend
from dulwich.web import make_wsgi_chain

from mlplatform.settings import SourceSettings

AUTHOR = {"author": b"A <a@example.org>", "committer": b"A <a@example.org>"}


@dataclass
class GitServer:
    """A git server with one repository; `requests` counts what was requested."""

    folder: Path
    port: int = 0
    password: str = ""
    requests: list[str] = field(default_factory=list)

    def commit(self, text: str) -> str:
        """Commit a pipeline whose model.py is `text`."""
        folder = self.folder / "pipelines" / "loans"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "pipeline.yaml").write_text("name: loans")
        (folder / "model.py").write_text(text)
        porcelain.add(self.folder, [str(path) for path in folder.iterdir()])
        return porcelain.commit(self.folder, message=b"change", **AUTHOR).decode()

    def settings(self, cache: Path, **changes: Any) -> SourceSettings:
        """Settings that lead here."""
        return SourceSettings(
            **({"url": f"http://127.0.0.1:{self.port}/", "cache": cache} | changes)
        )

    def app(self, git: Any) -> Any:
        """The server, with basic authentication when there is a password."""

        def guarded(environ: dict[str, Any], start_response: Any) -> Any:
            self.requests.append(environ["PATH_INFO"])
            required = "Basic " + base64.b64encode(f"robot:{self.password}".encode()).decode()
            if self.password and environ.get("HTTP_AUTHORIZATION") != required:
                start_response(
                    "401 Unauthorized", [("WWW-Authenticate", "Basic"), ("Content-Length", "0")]
                )
                return [b""]
            return git(environ, start_response)

        return guarded


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base's signature)
        """Say nothing."""


@pytest.fixture
def git(tmp_path: Path) -> Iterator[GitServer]:
    """A server on a free port."""
    folder = tmp_path / "repository"
    folder.mkdir()
    porcelain.init(folder).close()
    server = GitServer(folder)
    with Repo(str(folder)) as repository:
        app = server.app(make_wsgi_chain(DictBackend({b"/": repository, "/": repository})))
        with make_server(
            "127.0.0.1", 0, app, server_class=WSGIServer, handler_class=_Silent
        ) as http:
            server.port = http.server_port
            thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            yield server
            http.shutdown()
            thread.join()
