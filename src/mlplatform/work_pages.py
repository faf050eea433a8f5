"""The pages of a process without an HTTP server of its own: /healthz and /metrics.

A thread serves them, so that an answer alone says only that the process runs. /healthz therefore
looks at the loop that does the work.
"""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from mlplatform import watchdog
from mlplatform.settings import TelemetrySettings


class _Server(ThreadingHTTPServer):
    def __init__(self, host: str, port: int) -> None:
        self.address_family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        super().__init__((host, port), _Pages)


class _Pages(BaseHTTPRequestHandler):
    timeout = 10.0  # a client that sends nothing holds a thread no longer

    def do_GET(self) -> None:
        page = self.path.partition("?")[0]
        if page == "/metrics":
            self._send(200, CONTENT_TYPE_LATEST, generate_latest())
        elif page == "/healthz":
            self._send(*_health())
        else:
            self._send(404, "text/plain", b"there are /healthz and /metrics\n")

    do_HEAD = do_GET  # noqa: N815  (the name that http.server looks for)

    def log_message(self, *_: object) -> None:
        """A page that is read every few seconds is not worth a line each."""

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def serve_pages(settings: TelemetrySettings) -> None:
    """Start the pages in a thread. Does nothing when the port is 0."""
    if settings.metrics_port:
        server = _Server(settings.metrics_host, settings.metrics_port)
        threading.Thread(target=server.serve_forever, name="pages", daemon=True).start()


def _health() -> tuple[int, str, bytes]:
    if overdue_s := watchdog.overdue_s():
        text = f"the loop has stood still for {overdue_s:.0f} s beyond its limit\n"
        return 503, "text/plain", text.encode()
    return 200, "application/json", b'{"status": "alive"}\n'
