"""Rows in: to the raw requests, or to quarantine with the reason."""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pytest

from mlplatform.errors import (
    Forbidden,
    InvalidInput,
    Refused,
    TooLarge,
    UnknownName,
    UnsupportedMedia,
)

STORED = (
    "SELECT topic, partition, log_offset, source, caller, rows, inputs::text FROM "
    "raw.requests ORDER BY log_offset"
)
NDJSON = {"Content-Type": "application/x-ndjson"}


def _stored(api: Any) -> list[dict[str, Any]]:
    with api.databases.connect("dataapi", "raw") as connection:
        found = connection.execute(STORED).fetchall()
    names = ("topic", "partition", "log_offset", "source", "caller", "rows", "inputs")
    return [dict(zip(names, row, strict=True)) for row in found]


def _rows(api: Any) -> list[dict[str, Any]]:
    """Every row of the stored requests, in order."""
    found = []
    for request in _stored(api):
        columns = json.loads(request["inputs"])
        assert {request["rows"]} == {len(values) for values in columns.values()}
        found += [
            {name: values[row] for name, values in columns.items()}
            for row in range(request["rows"])
        ]
    return found


def _post(api: Any, body: bytes, media: str, **headers: str) -> Any:
    path = "/v1/datasets/manual-one.requests/rows"
    return api.call(
        "writer", "POST", path, content=body, headers={"Content-Type": media, **headers}
    )


def test_rows_lie_on_the_road_in_order(api: Any) -> None:
    """NDJSON rows with the same fields become one raw request.

    Requests have rising offsets of the pipeline's import topic.
    """
    answer = api.send(
        "manual-one",
        [
            {"width": 1.5, "colour": None, "kind": "rose"},
            {"kind": "lily", "width": 3, "colour": "red"},
            {"width": 2, "extra": "kept"},
        ],
    )
    stored = _stored(api)

    assert (3, 0, []) == (answer["accepted"], answer["quarantined"], answer["first_reasons"])
    assert [
        {"width": [1.5, 3], "colour": [None, "red"], "kind": ["rose", "lily"]},
        {"width": [2], "extra": ["kept"]},
    ] == [json.loads(row["inputs"]) for row in stored]
    place = ("import:manual-one", 0, "import", "writer")
    assert [(*place, 2), (*place, 1)] == [
        (row["topic"], row["partition"], row["source"], row["caller"], row["rows"])
        for row in stored
    ]
    assert [answer["last_offset"] - 1, answer["last_offset"]] == [
        row["log_offset"] for row in stored
    ]


def test_csv_is_converted_by_declared_types(api: Any) -> None:
    """CSV fields get their declared type, empty ones are null; etl refuses the rest."""
    body = b"width,colour,kind,seen_at\n1.5,red,rose,2025-01-02T03:04:05Z\nwide,,daisy,1700000000\n"
    answer = _post(api, body, "text/csv")

    assert (2, 0) == (answer["accepted"], answer["quarantined"])
    assert [
        {"width": 1.5, "colour": "red", "kind": "rose", "seen_at": "2025-01-02T03:04:05Z"},
        {"width": "wide", "colour": None, "kind": "daisy", "seen_at": 1700000000.0},
    ] == _rows(api)


def test_arrow_rows_are_taken(api: Any) -> None:
    """An Arrow stream brings its rows in, batch borders aside."""
    table = pa.table(
        {"width": [1.0, 2.0, 3.0], "colour": pa.array(["red", None, "blue"]).dictionary_encode()}
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    answer = _post(api, sink.getvalue().to_pybytes(), "application/vnd.apache.arrow.stream")

    assert (3, 0) == (answer["accepted"], answer["quarantined"])
    assert ["red", None, "blue"] == [row["colour"] for row in _rows(api)]


def test_an_arrow_file_keeps_what_it_can(api: Any) -> None:
    """A far time and an infinity cost their own rows, which are named; the others are stored."""
    table = pa.table(
        {
            "width": [1.0, math.inf, 3.0, 4.0],
            "colour": pa.array(["red", "blue", "green", None], pa.string_view()),
            "seen_at": pa.array([0, 0, 2**50, 86_400], pa.timestamp("s", "UTC")),
        }
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    answer = _post(api, sink.getvalue().to_pybytes(), "application/vnd.apache.arrow.file")

    assert (2, 2) == (answer["accepted"], answer["quarantined"])
    assert [(2, "width"), (3, "seen_at")] == [
        (each["record"], each["field"]) for each in answer["first_reasons"]
    ]
    assert [
        {"width": 1.0, "colour": "red", "seen_at": "1970-01-01T00:00:00Z"},
        {"width": 4.0, "colour": None, "seen_at": "1970-01-02T00:00:00Z"},
    ] == _rows(api)


def test_a_cut_arrow_stream_stores_nothing(api: Any) -> None:
    """A stream that breaks off in its second batch is refused whole.

    No row of the first one is stored.
    """
    table = pa.table({"width": list(range(2000))})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=1000)
    with pytest.raises(InvalidInput, match="not a whole Arrow stream"):
        _post(api, sink.getvalue().to_pybytes()[:-5_000], "application/vnd.apache.arrow.stream")

    assert [] == _stored(api)


UNREADABLE = [
    (b'{"width": 1', "not JSON"),
    (b'{"width": NaN}', "not JSON"),
    (b"[1, 2]", "not a JSON object"),
    (b"{}", "no fields"),
    (b'{"width": [1]}', "single values"),
    (b'{"colour": "a\\u0000b"}', "NUL"),
    (b'{"colour": "\xff"}', "not JSON"),
    (b"[" * 100_000, "not"),
]


def test_unreadable_lines_go_to_quarantine(api: Any) -> None:
    """A line that is no row is kept with its reason and place; the rows around it are stored.

    Backslash, u, 0000 as text is data.
    """
    lines = [b'{"width": 1}', b"", *(line for line, _ in UNREADABLE), b'{"colour": "\\\\u0000"}']
    answer = _post(api, b"\n".join(lines), "application/x-ndjson")
    kept = api.call("reader", "GET", "/v1/quarantine", params={"pipeline": "manual-one"})[::-1]

    assert (2, len(UNREADABLE)) == (answer["accepted"], answer["quarantined"])
    assert list(range(2, 2 + len(UNREADABLE))) == [entry["payload"]["record"] for entry in kept]
    assert [True] * len(UNREADABLE) == [
        wanted in entry["reason"] for entry, (_, wanted) in zip(kept, UNREADABLE, strict=True)
    ]
    assert [entry["reason"] for entry in kept] == [
        reason["reason"] for reason in answer["first_reasons"]
    ]
    assert [None] * len(UNREADABLE) == [entry["digest"] for entry in kept]
    assert ["\\u0000"] == json.loads(_stored(api)[-1]["inputs"])["colour"]


def test_broken_csv_lines_go_to_quarantine_as_they_were(api: Any) -> None:
    """Too few fields, bad quoting and bytes that are not UTF-8 are kept.

    The other lines are stored.
    """
    body = b'width,colour\n1,red\n2\n3,"re"d\n4,\xe9\n5,"two\nlines"\n'
    answer = _post(api, body, "text/csv")
    kept = api.call("reader", "GET", "/v1/quarantine", params={"pipeline": "manual-one"})

    assert (2, 3) == (answer["accepted"], answer["quarantined"])
    assert ["2", '3,"re"d', "4,\\xe9"] == [entry["payload"]["line"] for entry in reversed(kept)]
    assert "two\nlines" == _rows(api)[-1]["colour"]


def test_letters_of_all_scripts_arrive(api: Any) -> None:
    """Texts beyond ASCII come through CSV and NDJSON as they are.

    A byte order mark is no part of the header.
    """
    answers = [
        _post(api, "\ufeffwidth,colour\r\n1,żółty\r\n".encode(), "text/csv"),
        api.send("manual-one", [{"colour": "黄色"}]),
    ]

    assert [(1, 0), (1, 0)] == [(answer["accepted"], answer["quarantined"]) for answer in answers]
    assert ["żółty", "黄色"] == [row["colour"] for row in _rows(api)]


def test_a_header_that_fits_no_row_is_refused(api: Any) -> None:
    """A CSV that lacks a column or a header, or has one twice, is refused; the column is named."""
    for body, field in [
        (b"colour\nred\n", "width"),
        (b"width,width\n1,2\n", "width"),
        (b"", "body"),
    ]:
        with pytest.raises(InvalidInput) as caught:
            _post(api, body, "text/csv")
        assert field == caught.value.field
    assert [] == _stored(api)


def test_a_retry_with_its_key_stores_nothing_twice(api: Any) -> None:
    """The same body under the same key gets the old answer, quarantined lines included."""
    body = b'{"width": 1}\nnonsense\n{"width": 2}\n'
    first = _post(api, body, "application/x-ndjson", **{"Idempotency-Key": "k-1"})
    second = _post(api, body, "application/x-ndjson", **{"Idempotency-Key": "k-1"})

    assert first == second
    assert 2 == len(_rows(api))
    assert 1 == len(api.call("reader", "GET", "/v1/quarantine", params={"pipeline": "manual-one"}))


def test_an_import_goes_on_where_it_ended(api: Any) -> None:
    """After a stored first chunk the second is brought in, without doubling quarantined lines."""
    rows = [b'{"width": %d}' % number for number in range(12_000)]
    rows[10] = b"nonsense"
    body = b"\n".join(rows)
    _post(api, body, "application/x-ndjson", **{"Idempotency-Key": "k-2"})
    # As if the second chunk had never been committed.
    with api.databases.cluster.superuser(api.databases.raw) as connection:
        connection.execute(
            "DELETE FROM raw.requests WHERE (inputs -> 'width' ->> 0)::float >= 10000"
        )
        connection.execute(
            "UPDATE raw.imports SET records = 10000, accepted = 9999, finished = false"
        )
    answer = _post(api, body, "application/x-ndjson", **{"Idempotency-Key": "k-2"})

    assert (11_999, 1) == (answer["accepted"], answer["quarantined"])
    assert [number for number in range(12_000) if number != 10] == [
        row["width"] for row in _rows(api)
    ]
    assert 1 == len(api.call("reader", "GET", "/v1/quarantine", params={"pipeline": "manual-one"}))


def test_requests_with_one_key_take_turns(api: Any) -> None:
    """The same body sent three times at once is stored once; all get the same answer."""
    body = b"\n".join(b'{"width": %d}' % number for number in range(11_000))
    with ThreadPoolExecutor(3) as pool:
        answers = list(
            pool.map(
                lambda _: _post(api, body, "application/x-ndjson", **{"Idempotency-Key": "k-4"}),
                range(3),
            )
        )

    assert [answers[0]] * 3 == answers
    assert list(range(11_000)) == [row["width"] for row in _rows(api)]


def test_a_key_belongs_to_one_body(api: Any) -> None:
    """Another body under a used key is refused."""
    _post(api, b'{"width": 1}', "application/x-ndjson", **{"Idempotency-Key": "k-3"})
    with pytest.raises(Refused, match="another body"):
        _post(api, b'{"width": 2}', "application/x-ndjson", **{"Idempotency-Key": "k-3"})

    assert 1 == len(_stored(api))


def test_refusals_are_named_and_entered(api: Any) -> None:
    """Wrong role, dataset, format and size are refused, and all of them entered."""
    path = "/v1/datasets/manual-one.requests/rows"
    with pytest.raises(Forbidden, match="role writer"):
        api.call("reader", "POST", path, content=b"{}", headers=NDJSON)
    with pytest.raises(UnknownName):
        api.call(
            "writer", "POST", "/v1/datasets/manual-one.training/rows", content=b"{}", headers=NDJSON
        )
    with pytest.raises(UnknownName):
        api.call(
            "writer", "POST", "/v1/datasets/nobody.requests/rows", content=b"{}", headers=NDJSON
        )
    with pytest.raises(UnsupportedMedia):
        api.call("writer", "POST", path, content=b"{}", headers={"Content-Type": "application/xml"})
    with pytest.raises(UnsupportedMedia):
        api.call(
            "writer", "POST", path, content=b"{}", headers={**NDJSON, "Content-Encoding": "gzip"}
        )
    api.send("manual-one", [{"width": 1}])
    refused = sorted(entry["outcome"] for entry in api.ledger(action="write"))

    # What no handler was called for is gathered, in one entry or (when its time has come) more.
    media = [outcome for outcome in refused if outcome == "UnsupportedMedia"]
    assert ["Forbidden", "UnknownName", "UnknownName", *media, "ok"] == refused
    assert 2 == api.refused("UnsupportedMedia")
    assert 1 == api.ledger(action="write", outcome="ok")[0]["rows"]


def test_a_body_above_the_limit_is_refused_while_it_comes(
    databases: Any, tmp_path: Any, start: Any
) -> None:
    """413 for an announced size and for a chunked body above the limit; nothing of it is stored."""
    api = start(databases, tmp_path, max_body_bytes=4096)
    line = b'{"width": 1}\n'
    with pytest.raises(TooLarge):
        _post(api, line * 1000, "application/x-ndjson")
    with pytest.raises(TooLarge):
        api.call(
            "writer",
            "POST",
            "/v1/datasets/manual-one.requests/rows",
            content=iter([line] * 1000),
            headers=NDJSON,
        )
    with pytest.raises(TooLarge):
        api.call(
            "admin",
            "PUT",
            "/v1/pipelines/manual-one",
            content=iter([b"{", *[b'"a":1,'] * 1000]),
            headers={"Content-Type": "application/json"},
        )

    assert [] == _stored(api)
    assert 3 == api.refused("TooLarge")
