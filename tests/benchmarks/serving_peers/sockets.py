"""Single requests by hand, and free ports."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping
from pathlib import Path

WAIT_S = 30.0


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Caller:
    """One kept connection. Ids of answers are appended to `ids`, as the load driver does."""

    def __init__(self, port: int, ids: Path) -> None:
        self._ids = ids
        self._socket = socket.create_connection(("127.0.0.1", port), WAIT_S)

    def post(self, request: bytes) -> tuple[int, Mapping[str, str], bytes]:
        """Code, headers (names in lower case) and body of the answer. Raises OSError."""
        self._socket.sendall(request)
        answer = http.client.HTTPResponse(self._socket, method="POST")
        try:
            answer.begin()
            body = answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        headers = {name.lower(): value for name, value in answer.getheaders()}
        if answer.status == 200 and "x-request-id" in headers:
            with self._ids.open("a") as ids:
                ids.write(headers["x-request-id"] + "\n")
        return answer.status, headers, body

    def close(self) -> None:
        """Hang up."""
        self._socket.close()
