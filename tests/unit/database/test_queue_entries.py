"""The short way to a row gives what the plain way gives."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from chained import encoded
from hypothesis import given
from hypothesis import strategies as st

from mlplatform.contracts.request import Proof, encode
from mlplatform.contracts.usual_record import usual
from mlplatform.database.queue_entries import entry, plain_entry
from mlplatform.database.request_row import RequestRow, packed
from mlplatform.database.requests import DeadLetter, Entry

CELLS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.lists(st.integers(), max_size=1)
)
ROW = st.dictionaries(st.text(max_size=3) | st.sampled_from(["body", "rows"]), CELLS, max_size=3)
INPUTS = st.one_of(
    st.fixed_dictionaries({"rows": st.lists(ROW, max_size=2)}, optional={"columns": st.none()}),
    st.fixed_dictionaries({"columns": st.dictionaries(st.text(max_size=3), st.lists(CELLS))}),
    st.fixed_dictionaries({"tensors": st.just([{"names": ["a", "b"], "values": [1, None]}])}),
)
TEXTS = st.text() | st.sampled_from(["body", "outputs", '"body":', "\0", "é", "a" * 251])
FACTS: dict[str, st.SearchStrategy[Any]] = {
    "outbox_id": st.uuids().map(str) | TEXTS,
    "sequence": st.integers(-1, 2**64),
    "request_id": st.uuids().map(str) | st.uuids().map(lambda each: each.urn) | TEXTS,
    "pipeline": TEXTS,
    "version": TEXTS,
    "caller": TEXTS,
    "client_id": TEXTS,
    "received_us": st.integers() | st.integers(0, 2**33 * 1_000_000),
    "rows": st.integers(-1, 2**32),
}


PROOF = Proof(b"s" * 16, b"d" * 32, b"c" * 32)


def made(**changes: Any) -> bytes:
    return encode(encoded(1, **{"proof": PROOF, **changes}))


def both(payload: bytes) -> tuple[Entry, Entry]:
    """What the plain way makes of it, and what the consumer takes."""
    return plain_entry(payload, partition=1, offset=2), entry(payload, partition=1, offset=2)


@given(
    INPUTS,
    st.none() | TEXTS,
    st.sampled_from([None, (",", ":")]),
    st.dictionaries(st.text(max_size=3), st.lists(CELLS, max_size=2), max_size=2),
    st.fixed_dictionaries({}, optional=FACTS),
)
def test_any_content_gives_the_same_row(
    inputs: dict[str, Any],
    client_id: str | None,
    separators: tuple[str, str] | None,
    outputs: dict[str, Any],
    changes: dict[str, Any],
) -> None:
    """Odd rows, names that are those of the record's own fields, every number out of range."""
    document = inputs if client_id is None else {**inputs, "id": client_id}
    parts = {
        "client_id": client_id,
        "body": msgspec.Raw(json.dumps(document, separators=separators).encode()),
        "outputs": msgspec.Raw(json.dumps(outputs).encode()),
    }
    plain, found = both(made(**parts | changes))

    assert plain == found


USUAL = made(request_id="018f0d4b-53d0-7a5b-9d2e-3b4f6f1a2b3c", caller="me")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'{"kind"', b'{"body":5,"kind"'),
        (b'{"kind"', b'{"b\\u006fdy":5,"kind"'),
        (b'{"kind"', b'{"outputs":{"a":1},"kind"'),
        (b'{"kind"', b'{"inputs":[],"kind"'),
        (b'{"kind"', b'{"unknown":1,"kind"'),
        (b'{"kind":"request",', b"{"),
        (b'"rows":1,', b'"rows":2,"rows":1,'),
        (b'"rows":1,', b'"rows":"1","rows":1,'),
        (b'"format":2,', b'"format":1,'),
        (b'"format":2,', b""),
        (b'"caller":"me"', b'"caller":"\\u0000"'),
        (b'"caller":"me"', b'"caller":"\xff"'),
        (b'"caller":"me"', b'"caller": "me"'),
        (b'"caller":"me"', b'"caller":"body"'),
        (b'"outputs":', b'"body":{"rows":[{"a":2}]},"outputs":'),
        (b'{"rows": [{"a": 1}]}', b'{"rows": [{"a": 2, "a": 1}]}'),
        (b'{"rows": [{"a": 1}]}', b'{"rows":[{}]}'),
        (b'{"rows": [{"a": 1}]}', b'{"rows":[]}'),
        (b'{"rows": [{"a": 1}]}', b'{"rows":[{"a":"\\u0000"}]}'),
        (b'{"rows": [{"a": 1}]}', b'{"rows":[{"a":"\xff"}]}'),
        (b'{"rows": [{"a": 1}]}', b'{"rows":[{"a":1e999}]}'),
        (b'{"rows": [{"a": 1}]}', b'{"rows":' + b"[" * 5_000 + b"]" * 5_000 + b"}"),
        (b'{"prediction":[1.5]}', b'{"prediction":[1.5],"prediction":[2]}'),
        (b'{"prediction":[1.5]}', b'{"prediction":1.5}'),
        (b'{"prediction":[1.5]}', b'{"prediction":["\xff"]}'),
        (b'{"prediction":[1.5]}', b'{"prediction":[1.5]'),
        (b'{"prediction":[1.5]}}', b'{"prediction":[1.5]}}\n'),
    ],
)
def test_odd_bytes_give_the_same_entry(old: bytes, new: bytes) -> None:
    """What serving never writes: of a name that is there twice both values are looked at."""
    assert 1 == USUAL.count(old)
    plain, found = both(USUAL.replace(old, new))

    assert plain == found


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"client_id": "their own"},
        {"body": msgspec.Raw(b'{"rows":[{"a":1.5,"b":"x"}]}')},
        {"body": msgspec.Raw(b'{"rows":[{"a":1},{"a":2}]}'), "rows": 2},
        {"proof": Proof(b"s", b"d", b"c", "the record before it was lost")},
    ],
)
def test_what_serving_writes_takes_the_short_way(changes: dict[str, Any]) -> None:
    """Otherwise the two ways would be the same because there is one only."""
    assert usual(made(**changes)) is not None


def test_an_id_that_is_no_uuid_is_named() -> None:
    """The short way refuses it as well, and the plain way says why."""
    found = entry(made(request_id="018f"), partition=1, offset=2)

    assert isinstance(found, DeadLetter)
    assert "'018f' is not a UUID" in found.reason
    assert "request_id" in found.reason


def test_a_binary_copy_has_the_row() -> None:
    """A batch is a head, its rows and an end; offsets are raised by what the partition asks for."""
    row = entry(USUAL, partition=1, offset=2)
    assert isinstance(row, RequestRow)
    head, data, end = packed([row, row], "topic", {1: 40})
    (each,) = {data[: len(data) // 2], data[len(data) // 2 :]}

    assert (b"PGCOPY", b"\xff\xff") == (head[:6], end)
    assert (20, 42) == (int.from_bytes(each[:2]), int.from_bytes(each[54:62]))
