"""The short way of a connection's later predictions gives the same bytes as the way of all."""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mlplatform.access import AccessList, Caller, Role, digest
from mlplatform.engine.limits import TrialLimits
from mlplatform.outbox import OutboxReader, OutboxWriter
from mlplatform.registry.store import ModelStore
from mlplatform.serving.app import Collaborators, create_app
from mlplatform.serving.cache import ModelCache
from mlplatform.serving.handler import Handler
from mlplatform.serving.loader import Loader
from mlplatform.serving.recorder import RequestRecorder
from mlplatform.serving.server import Server
from mlplatform.serving.slot import Slot, Slots
from mlplatform.settings import ServingSettings

ROW = {"age": 52, "bmi": 27.5, "dose": 0.5, "class": "a"}
PATH = "/v1/models/short/predict"


def asked(body: bytes = b"", *, path: str = PATH, token: str = "good", more: str = "") -> bytes:
    """A request as a client writes it."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\n{more}Content-Length: {len(body)}\r\n"
        "Accept: */*\r\n\r\n"
    )
    return head.encode() + body


def rows(*values: Any) -> bytes:
    """A body of rows that differ in their bmi."""
    return json.dumps({"rows": [ROW | {"bmi": value} for value in values]}).encode()


PLAIN = asked(rows(27.5))
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
TENSORS = json.dumps(
    {
        "inputs": [
            {"name": "age", "datatype": "INT64", "shape": [1], "data": [52]},
            {"name": "bmi", "datatype": "FP64", "shape": [1], "data": [27.5]},
            {"name": "dose", "datatype": "FP64", "shape": [1], "data": [0.5]},
            {"name": "class", "datatype": "BYTES", "shape": [1], "data": ["a"]},
        ]
    }
).encode()
BINARY_HEAD = json.dumps(
    {
        "inputs": [
            {"name": "age", "datatype": "INT64", "shape": [1], "data": [52]},
            {
                "name": "bmi",
                "datatype": "FP64",
                "shape": [1],
                "parameters": {"binary_data_size": 8},
            },
            {"name": "dose", "datatype": "FP64", "shape": [1], "data": [0.5]},
            {"name": "class", "datatype": "BYTES", "shape": [1], "data": ["a"]},
        ]
    }
).encode()


def binary(*, bmi: float, less: int = 0) -> bytes:
    """A request with a binary tensor, of which the last bytes may be missing."""
    body = (BINARY_HEAD + struct.pack("<d", bmi))[: -less or None]
    return asked(
        body,
        path="/v2/models/short/infer",
        more=f"Inference-Header-Content-Length: {len(BINARY_HEAD)}\r\n",
    )


KNOWN = {
    "the same": PLAIN,
    "more rows": asked(rows(*range(20, 50))),
    "a wrong value": asked(rows("many")),
    "too many rows": asked(rows(*[27.5] * 30) + b" "),
    "no body": asked(),
    "not JSON": asked(b"{" * 50),
}
OTHER = {
    "another dialect": asked(TENSORS, path="/v2/models/short/infer"),
    "another token": asked(rows(27.5), token="bad"),
    "another model": asked(rows(27.5), path="/v1/models/long/predict"),
    "a query": asked(rows(27.5), path=f"{PATH}?x=1"),
    "an encoding": asked(rows(27.5), more="Content-Encoding: br\r\n"),
    "a deadline": asked(rows(27.5), more="X-Request-Timeout-Ms: 60000\r\n"),
    "a wrong deadline": asked(rows(27.5), more="X-Request-Timeout-Ms: soon\r\n"),
    "two lengths": asked(rows(27.5), more="Content-Length: 3\r\n"),
    "an expectation": asked(rows(27.5), more="Expect: 100-continue\r\n"),
    "a last request": asked(rows(27.5), more="Connection: close\r\n"),
    "HTTP/1.0": PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "chunks": (
        PLAIN.partition(b"Content-Length")[0]
        + b"Transfer-Encoding: chunked\r\n\r\n"
        + b"%x\r\n%s\r\n0\r\n\r\n" % (len(rows(27.5)), rows(27.5))
    ),
    "a page": b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n",
    "too long": asked(b" " * 5000),
}


@dataclass
class Served:
    """A running server, and how often a caller was looked up."""

    server: Server
    folder: Path
    looked_up: list[str] = field(default_factory=list)

    def connect(self) -> socket.socket:
        """A connection with a deadline."""
        address = self.server.servers[0].sockets[0].getsockname()
        return socket.create_connection(address, timeout=20)


@pytest.fixture(scope="module")
def served(module_platform: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serving as it runs, over a real model and a real outbox, in a thread."""
    limits = ServingSettings(port=0, max_rows=29, max_body_bytes=4096, root_path="/team/ml")
    with ModelStore(module_platform.url) as store:
        cache = ModelCache(tmp_path_factory.mktemp("cache"))
        limit = TrialLimits(60.0, 256 << 20)
        loader = Loader(
            cache=cache, store=store, fetch_features=lambda *_: None, trusted=(), limits=limit
        )
        model = loader.load(module_platform.publish("short", "1"))
    folder = tmp_path_factory.mktemp("outbox")
    writer = OutboxWriter.open(folder, segment_bytes=1 << 20, capacity_bytes=1 << 30)
    recorder = RequestRecorder(writer, max_record_bytes=1_000_000, capacity_bytes=1 << 30)
    slot = Slot("short", limits=limits, deliver=recorder.submit)
    slot.swap(model)
    access = AccessList([Caller(name="me", roles=(Role.PREDICT,), sha256=digest("good"))])
    handler = Counted(slots=Slots([slot]), recorder=recorder, access=access, limits=limits)
    app = create_app(Collaborators(handler=handler, root_path=limits.root_path))
    server = Server(app, handler, limits)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield Served(server, folder, handler.looked_up)
    server.should_exit = True
    thread.join()


class Counted(Handler):
    """Notes for which models a caller was looked up."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self.looked_up: list[str] = []

    def admit(self, pipeline: str, authorization: str | None) -> Caller:
        """See Handler."""
        self.looked_up.append(pipeline)
        return super().admit(pipeline, authorization)


def answer(connection: socket.socket) -> bytes:
    """One response without what differs from one to the next: date and request id."""
    found = b""
    while b"\r\n\r\n" not in found.removeprefix(CONTINUE):
        piece = connection.recv(65536)
        assert piece, found
        found += piece
    while (size := length(found)) > len(found):
        found += connection.recv(65536)
    assert size == len(found)
    return re.sub(rb"date: [^\r]*|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", b"-", found)


def length(found: bytes) -> int:
    """How long the response is, head and body."""
    interim = CONTINUE if found.startswith(CONTINUE) else b""
    head = interim + found.removeprefix(interim).partition(b"\r\n\r\n")[0]
    return len(head) + 4 + int(re.search(rb"content-length: (\d+)", head)[1])  # type: ignore[index]


def closed(connection: socket.socket) -> bool:
    """Whether the server ends the connection at once."""
    connection.settimeout(0.3)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False


@pytest.mark.parametrize("name", [*KNOWN, *OTHER])
def test_both_ways_give_the_same_bytes(served: Served, name: str) -> None:
    """Whatever follows a plain prediction is answered as on a connection of its own."""
    request = (KNOWN | OTHER)[name]
    with served.connect() as first:
        first.sendall(request)
        expected = answer(first), closed(first)
    with served.connect() as second:
        for _ in range(2):
            second.sendall(PLAIN)
            answer(second)
        second.sendall(request)
        found = answer(second), closed(second)

    assert expected == found


def test_a_prefix_that_a_proxy_keeps_is_no_hindrance(served: Served) -> None:
    """The second request below it takes the short way, with the same answer."""
    with served.connect() as connection:
        connection.sendall(asked(rows(27.5), path=f"/team/ml{PATH}"))
        expected = answer(connection)
        before = len(served.looked_up)
        connection.sendall(asked(rows(27.5), path=f"/team/ml{PATH}"))
        found = answer(connection)

    assert expected == found
    assert before == len(served.looked_up)


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_head_is_not_looked_up_again(served: Served, name: str) -> None:
    """The test above compares two ways only if there are two."""
    with served.connect() as connection:
        connection.sendall(PLAIN)
        answer(connection)
        before = len(served.looked_up)
        connection.sendall(KNOWN[name])
        answer(connection)

    assert before == len(served.looked_up)


@pytest.mark.parametrize("sent", [binary(bmi=27.5), binary(bmi=31.5), binary(bmi=1.0, less=20)])
def test_binary_tensors_take_the_short_way(served: Served, sent: bytes) -> None:
    """Their head says how much of the body is JSON, and is known as a whole."""
    with served.connect() as first:
        first.sendall(sent)
        expected = answer(first)
    with served.connect() as second:
        second.sendall(binary(bmi=20.0))
        answer(second)
        before = len(served.looked_up)
        second.sendall(sent)

        assert expected == answer(second)
        assert before == len(served.looked_up)


@pytest.mark.parametrize("cut", [1, 40, 100, 200, len(PLAIN) - 1])
def test_a_sentin_pieces_is_answered(served: Served, cut: int) -> None:
    """Wherever it is cut, and before and after whole ones."""
    with served.connect() as connection:
        found = []
        for _ in range(3):
            connection.sendall(PLAIN)
            found.append(answer(connection))
            connection.sendall(PLAIN[:cut])
            time.sleep(0.02)
            connection.sendall(PLAIN[cut:])
            found.append(answer(connection))

    assert 1 == len(set(found))


def test_requests_that_do_not_wait_are_answered_in_turn(served: Served) -> None:
    """Also those that come while an earlier one is answered the short way."""
    values = [20 + number / 8 for number in range(120)]
    with served.connect() as connection:
        connection.sendall(PLAIN)
        answer(connection)
        requests = [asked(rows(value)) for value in values]
        alone = []
        for request in requests:
            connection.sendall(request)
            alone.append(answer(connection))
        for request in requests:
            connection.sendall(request)
        stream = b""
        while stream.count(b"HTTP/1.1 200") < len(values) or not whole(stream):
            stream += connection.recv(65536)

    assert [body(each) for each in alone] == [
        body(b"HTTP/1.1 " + each) for each in stream.split(b"HTTP/1.1 ")[1:]
    ]


def whole(stream: bytes) -> bool:
    """Whether its last response is complete."""
    last = b"HTTP/1.1 " + stream.rpartition(b"HTTP/1.1 ")[2]
    return b"\r\n\r\n" in last and length(last) == len(last)


def body(response: bytes) -> Any:
    """What it says, without the request's id."""
    return json.loads(response.partition(b"\r\n\r\n")[2]) | {"id": ""}


def test_every_answer_of_the_short_way_is_stored(served: Served) -> None:
    """A 200 means the same on both ways."""
    with served.connect() as connection:
        ids = []
        for _ in range(5):
            connection.sendall(PLAIN)
            response = b""
            while b"\r\n\r\n" not in response or length(response) > len(response):
                response += connection.recv(65536)
            ids.append(json.loads(response.partition(b"\r\n\r\n")[2])["id"])
    reader = OutboxReader.open(served.folder)
    stored = b"".join(record.payload for record in reader.read(100_000, max_bytes=1 << 28))
    reader.close()

    assert [1] * 5 == [stored.count(each.encode()) for each in ids]
