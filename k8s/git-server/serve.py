# ruff: noqa: INP001  (scripts of an image, not a package)
"""A git server for trials: reads of one baked repository over HTTP, no writes, no login.

`serve.py BARE PORT`.
"""

from __future__ import annotations

import signal
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from dulwich.repo import Repo
from dulwich.server import DictBackend
from dulwich.web import GunzipFilter, HTTPGitApplication, LimitedInputFilter

PATH = "/pipelines.git"


class Server(ThreadingMixIn, WSGIServer):
    """One thread per request: a slow clone must not keep the next waiting."""

    daemon_threads = True


class Quiet(WSGIRequestHandler):
    """No line per request, and no look-up of the client's name."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""

    def address_string(self) -> str:
        """The bare address."""
        return str(self.client_address[0])


def application(bare: str) -> LimitedInputFilter:
    """The WSGI application over the repository."""
    git = HTTPGitApplication(DictBackend({PATH: Repo(bare)}))
    git.handlers.pop(
        b"git-receive-pack"
    )  # nobody pushes here: what trains next comes from the image
    return LimitedInputFilter(GunzipFilter(git))


def main() -> None:
    """Serve until SIGTERM."""
    bare, port = sys.argv[1], int(sys.argv[2])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    address = "0.0.0.0"  # noqa: S104  (a pod's only one)
    with make_server(address, port, application(bare), Server, Quiet) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
