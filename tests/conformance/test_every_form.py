"""Any rows, in every form of every dialect, and what is left of them when bytes go wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import httpx
import msgspec
import pytest
from chained import stored
from every_form import Sent, over_grpc, over_http
from grpc_calls import DEADLINE_S, SERVICE, Calls, outputs
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mlplatform.contracts.request import RequestRecord, decode
from mlplatform.evidence.record import proven
from mlplatform.outbox import OutboxReader

# float32 holds them, and no text of them is a whole number or a time
FLOATS = st.floats(-1e6, 1e6, allow_subnormal=False, width=32)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "FP64": FLOATS,
    "INT64": st.integers(-(2**24), 2**24),
    "BYTES": TEXT,
    "BOOL": st.booleans(),
}
OWN = {"request_id", "received_us", "sequence", "dialect", "proof"}
"""Members of a record that belong to one request."""
BOUNDED = settings(
    max_examples=25,
    derandomize=True,
    phases=[Phase.generate],  # a failure is shown as it is found: making it small takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
CODES = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNAUTHENTICATED,
}
JUNK = (
    b"NaN", b"-Infinity", b"1e999", b"-0.0", b"9" * 400, b"null", b"true", b"[]", b"{}", b'""',
    b"\xff\xfe", b"\xef\xbb\xbf", b"\0", b"\\u0000", b"\\ud800", b'"rows":', b'"inputs":',
    b"[" * 3000,
    b'{"a":' * 3000, b",", b"}", b"]", b'"', b"\\", b"\r\n", b"1E400", b"0x10", b"\xc3\x28",
)  # fmt: skip


@pytest.fixture
def http(scene: Any) -> Iterator[httpx.Client]:
    """A client with the token."""
    with scene.client(timeout=DEADLINE_S) as client:
        yield client


@pytest.fixture
def calls(scene: Any) -> Iterator[Calls]:
    """The same over gRPC."""
    made = Calls(int(scene.grpc.rpartition(":")[2]), scene.token)
    yield made
    made.channel.close()


def tables(scene: Any) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Rows that the model answers."""
    row = {name: VALUES[datatype] for name, datatype in scene.datatypes.items()}
    return st.lists(st.fixed_dictionaries(row), min_size=1, max_size=5)


def predicted(document: Any) -> Any:
    """The predictions of any dialect's answer."""
    found = document.get("predictions", document.get("outputs"))
    return found[0]["data"] if isinstance(found[0], dict) else found


def payloads(scene: Any, ids: list[str]) -> list[bytes]:
    """What the outbox holds of these requests."""
    reader = OutboxReader.open(Path(scene.outbox))
    found = {
        request.request_id: record.payload
        for record in reader.read(1_000_000, 1 << 30)
        if isinstance(request := decode(record.payload), RequestRecord)
    }
    reader.close()
    return [found[one] for one in ids]


def common(payload: bytes) -> dict[str, Any]:
    """A record without what is a single request's own."""
    members = msgspec.to_builtins(decode(payload))
    return {name: value for name, value in members.items() if name not in OWN}


@BOUNDED
@given(data=st.data())
def test_any_rows_get_the_same_numbers_and_the_same_record_in_every_form(
    data: st.DataObject, scene: Any, http: httpx.Client, calls: Calls
) -> None:
    """But for ids, time and the name of the dialect; and each record can be proven from its row."""
    rows = data.draw(tables(scene))
    found, ids = {}, []
    for form, sent in over_http(scene.model, scene.datatypes, rows).items():
        answer = http.post(sent.path, content=sent.content, headers=sent.headers)
        assert (200, form) == (answer.status_code, form), answer.text
        found[form] = predicted(answer.json())
        ids.append(answer.headers["x-request-id"])
    for form, message in over_grpc(scene.model, scene.datatypes, rows).items():
        response = calls.send("ModelInfer", message)
        found[form] = outputs(response)["prediction"]
        ids.append(response.parameters["request_id"].string_param)
    kept = payloads(scene, ids)
    records = [common(payload) for payload in kept]

    # gRPC carries float32 numbers exactly, JSON their shortest text: read back, both are the same
    assert dict.fromkeys(found, found["rows"]) == found
    assert [records[0]] * len(records) == records
    assert [(True, "")] * len(kept) == [
        (found.content is not None, found.wrong) for found in map(proven, stored(kept))
    ]


@st.composite
def spoiled(draw: Callable[..., Any], content: bytes) -> bytes:
    """A body with parts lost, doubled, swapped or replaced by what breaks parsers."""
    for _ in range(draw(st.integers(1, 3))):
        start, end = sorted(draw(st.tuples(*[st.integers(0, len(content))] * 2)))
        junk = draw(st.sampled_from(JUNK) | st.binary(max_size=8))
        part = content[start:end]
        content = draw(
            st.sampled_from(
                [
                    content[:end],
                    content[:start] + content[end:],
                    content[:start] + part * 2 + content[end:],
                    content[:start] + junk + content[end:],
                    content[:start] + junk + content[start:],
                    part + content[:start] + content[end:],
                ]
            )
        )
    return content


def recoded(content: bytes) -> Iterator[bytes]:
    """The same text in encodings that nobody should send."""
    text = content.decode("latin-1")
    yield from (text.encode(name) for name in ("utf-16", "utf-32", "utf-8-sig", "utf-7"))


def check_answer(http: httpx.Client, sent: Sent, content: bytes) -> None:
    """Send that body, and fail unless the answer is a prediction or a document of an error."""
    headers = dict(sent.headers)
    answer = http.post(sent.path, content=content, headers=headers)
    document = answer.json() if answer.headers["content-type"] != "application/octet-stream" else {}

    assert 200 == answer.status_code or 400 <= answer.status_code < 500, (content, answer.text)
    if answer.status_code != 200:
        assert {"type", "title", "status"} <= set(document)


@BOUNDED
@given(data=st.data())
def test_spoiled_bodies_get_no_server_error(
    data: st.DataObject, scene: Any, http: httpx.Client
) -> None:
    """In any dialect: truncated, nested, doubled, with NaN and numbers of any size."""
    for sent in over_http(scene.model, scene.datatypes, scene.rows).values():
        check_answer(http, sent, data.draw(spoiled(sent.content)))


def test_bodies_in_other_encodings_get_no_server_error(scene: Any, http: httpx.Client) -> None:
    """JSON and CSV are UTF-8."""
    for sent in over_http(scene.model, scene.datatypes, scene.rows).values():
        for content in recoded(sent.content):
            check_answer(http, sent, content)


def swapped(value: Any, change: Callable[[Any], Any]) -> Iterator[Any]:
    """The document, each time with another one of its values changed."""
    yield change(value)
    if isinstance(value, list):
        for place, item in enumerate(value[:2]):
            for changed in swapped(item, change):
                yield [*value[:place], changed, *value[place + 1 :]]
    if isinstance(value, dict):
        for name, item in value.items():
            for changed in swapped(item, change):
                yield value | {name: changed}


@pytest.mark.parametrize("other", [None, True, "x", 10**30, [], {"a": {"b": 1}}])
def test_values_of_other_types_get_no_server_error(
    scene: Any, http: httpx.Client, other: Any
) -> None:
    """Wherever in a document of any dialect they stand."""
    one = scene.rows[:1]
    for sent in over_http(scene.model, scene.datatypes, one).values():
        if sent.headers["content-type"] == "application/json":
            for document in swapped(json.loads(sent.content), lambda _: other):
                check_answer(http, sent, json.dumps(document).encode())


def raised(call: Callable[[], Any]) -> Any:
    """The error that a call ends with; None for an answer."""
    try:
        call()
    except grpc.RpcError as error:
        return error
    return None


@BOUNDED
@given(data=st.data())
def test_spoiled_messages_get_no_server_error(
    data: st.DataObject, scene: Any, calls: Calls
) -> None:
    """Over gRPC: an answer, or a status of a caller's mistake."""
    send = partial(calls.channel.unary_unary(f"/{SERVICE}/ModelInfer"), timeout=DEADLINE_S)
    token = (("authorization", f"Bearer {scene.token}"),)
    for message in over_grpc(scene.model, scene.datatypes, scene.rows).values():
        body = data.draw(spoiled(message.SerializeToString()))
        error = raised(partial(send, body, metadata=token))

        assert error is None or error.code() in CODES, (body, error.details())
