"""Datasets out: complete and proven, or not at all."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pyarrow as pa
import pytest
from pydantic import SecretStr

from mlplatform.client.dataapi import DataApi
from mlplatform.client.dataset import ARROW, download, read_dataset
from mlplatform.contracts.content_hash import ContentHash
from mlplatform.contracts.dataset import DatasetQuery
from mlplatform.errors import (
    DatasetIncomplete,
    Forbidden,
    InvalidInput,
    StandbyLagging,
    StandbyUnproven,
    UnknownName,
    UnsupportedMedia,
)

TRAINING = "/v1/datasets/manual-one.training"
ROWS = [
    {
        "width": number / 4,
        "colour": "red" if number % 3 else None,
        "kind": "rose" if number % 2 else "daisy",
    }
    for number in range(20)
]
ENOUGH = 250_000
"""Rows that no socket buffer holds, however well they compress."""
MANY = """
INSERT INTO features.{table} (request_id, row, batch, event_time, width, colour)
SELECT uuidv7(), 0, %s, now(), random(), md5(random()::text) FROM generate_series(1, {rows})
"""


@pytest.fixture
def filled(api: Any) -> Any:
    """The API with twenty labelled feature rows."""
    api.send("manual-one", ROWS)
    api.featurise("manual-one")
    return api


def test_a_downloaded_dataset_matches_its_receipt(filled: Any) -> None:
    """The client gets every row, and a receipt of a standby with position, mark, rows and hash."""
    with filled.client("run of manual-one") as client:
        found = download(client, "manual-one.training", DatasetQuery())
    proof = ContentHash()
    for batch in found.table.to_batches():
        proof.update(batch)

    assert [row["width"] for row in ROWS] == found.table["width"].to_pylist()
    assert [row["kind"] for row in ROWS] == found.table["kind"].to_pylist()
    assert ("standby", 20, proof.hexdigest(), "trainer") == (
        found.receipt.server_role,
        found.receipt.rows,
        found.receipt.sha256,
        found.receipt.caller,
    )
    assert found.receipt.lsn
    assert found.receipt.as_of > 0


def test_a_receipt_is_reproducible(filled: Any) -> None:
    """The same mark gives the same rows and hash, though rows and corrections were added since."""
    with filled.client("run of manual-one") as client:
        first = download(client, "manual-one.training", DatasetQuery())
        label = {"request_id": first.table["request_id"][0].as_py(), "row": 0, "label": "rose"}
        filled.call("writer", "POST", "/v1/feedback", json={"labels": [label]})
        filled.send("manual-one", [{"width": 99.0, "kind": "rose"}])
        filled.featurise("manual-one")
        now = download(client, "manual-one.training", DatasetQuery())
        again = download(client, "manual-one.training", DatasetQuery(as_of=first.receipt.as_of))

    assert (21, "rose") == (now.receipt.rows, now.table["kind"][0].as_py())
    assert (first.receipt.rows, first.receipt.sha256, first.receipt.as_of) == (
        again.receipt.rows,
        again.receipt.sha256,
        again.receipt.as_of,
    )
    assert first.table == again.table


def test_formats_columns_and_limits_agree(filled: Any) -> None:
    """CSV and NDJSON carry the rows of the Arrow stream; columns come in the order asked for.

    A limit keeps the latest.
    """
    query = {"columns": "colour,width", "limit": 5}
    with filled.client("reader") as client:
        arrow = read_dataset(
            client, "manual-one.training", DatasetQuery(columns=("colour", "width"), limit=5)
        ).table
    text = filled.raw("reader", "GET", TRAINING, params=query, headers={"Accept": "text/csv"})
    lines = filled.raw(
        "reader",
        "GET",
        TRAINING,
        params=query,
        headers={"Accept": "application/x-ndjson;q=0.9, image/png"},
    )
    from_csv = [
        {"colour": row["colour"] or None, "width": float(row["width"])}
        for row in csv.DictReader(io.StringIO(text.text))
    ]

    assert ["colour", "width"] == arrow.column_names
    assert [
        {"colour": row["colour"], "width": row["width"]} for row in ROWS[-5:]
    ] == arrow.to_pylist()
    assert arrow.to_pylist() == from_csv
    assert arrow.to_pylist() == [json.loads(line) for line in lines.text.splitlines()]
    assert ["text/csv; charset=utf-8", "application/x-ndjson"] == [
        text.headers["content-type"],
        lines.headers["content-type"],
    ]
    assert (
        5 == filled.call("reader", "GET", f"/v1/receipts/{lines.headers['x-receipt-id']}")["rows"]
    )


def test_a_spreadsheet_runs_no_text_of_a_stranger(api: Any) -> None:
    """`safe=spreadsheet` quotes formulas, and only them; the default is as ever, the hash the same.

    The ledger says which of both was read.
    """
    api.send("manual-one", [{"width": -1.5, "colour": "=1+1"}, {"width": 2.0, "colour": "red"}])
    api.featurise("manual-one")
    query, headers = {"columns": "width,colour"}, {"Accept": "text/csv"}
    path = "/v1/datasets/manual-one.features"
    plain, safe = (
        api.raw("reader", "GET", path, params=query | extra, headers=headers)
        for extra in ({}, {"safe": "spreadsheet"})
    )
    receipts = [
        api.call("reader", "GET", f"/v1/receipts/{answer.headers['x-receipt-id']}")
        for answer in (plain, safe)
    ]

    assert '"width","colour"\n-1.5,"=1+1"\n2,"red"\n' == plain.text
    assert '"width","colour"\n-1.5,"\'=1+1"\n2,"red"\n' == safe.text
    assert receipts[0]["sha256"] == receipts[1]["sha256"]
    assert [None, "spreadsheet"] == [
        entry["detail"].get("safe") for entry in api.ledger(action="read", outcome="ok")
    ]


def test_an_empty_dataset_is_whole_too(api: Any) -> None:
    """No rows in any format: a receipt of zero rows, a header line in CSV, nothing in NDJSON."""
    api.featurise("manual-one")
    with api.client("reader") as client:
        found = download(client, "manual-one.training", DatasetQuery())
    text = api.raw(
        "reader", "GET", TRAINING, params={"columns": "width"}, headers={"Accept": "text/csv"}
    ).text
    lines = api.raw("reader", "GET", TRAINING, headers={"Accept": "application/x-ndjson"})

    assert (0, 0, "kind") == (
        found.table.num_rows,
        found.receipt.rows,
        found.table.column_names[-1],
    )
    assert ('"width"\n', "") == (text, lines.text)


def test_every_read_is_in_the_ledger(filled: Any) -> None:
    """A read is entered when it opens and when it ends, with columns, rows and position.

    Refusals are entered with their class.
    """
    with filled.client("run of manual-one") as client:
        found = download(client, "manual-one.training", DatasetQuery(columns=("width",)))
        with pytest.raises(UnknownName):
            client.dataset_rows("manual-one.nonsense", DatasetQuery())
    with pytest.raises(Forbidden):
        filled.call("writer", "GET", TRAINING)
    with pytest.raises(Forbidden, match="on pipeline 'manual-one'"):
        filled.call("stranger", "GET", TRAINING)
    opened, ended, unknown, writer, stranger = filled.ledger(action="read")

    assert ["opened", "ok", "UnknownName", "Forbidden", "Forbidden"] == [
        entry["outcome"] for entry in (opened, ended, unknown, writer, stranger)
    ]
    assert (["width"], 20, found.receipt.lsn) == (ended["columns"], ended["rows"], ended["lsn"])
    assert (["width"], None, found.receipt.id) == (
        opened["columns"],
        opened["rows"],
        opened["detail"]["receipt"],
    )
    assert ["trainer", "writer", "stranger"] == [
        entry["caller"] for entry in (unknown, writer, stranger)
    ]


def test_a_query_that_makes_no_sense_names_its_field(filled: Any) -> None:
    """Wrong columns, limits, times, digests and formats are refused before anything is read."""
    for query, field in [
        ({"columns": "nonsense"}, "columns"),
        ({"limit": 0}, "limit"),
        ({"limit": 2**63}, "limit"),
        ({"as_of": 2**63}, "as_of"),
        ({"since": "yesterday"}, "since"),
        ({"digest": "x"}, "digest"),
        ({"safe": "spreadsheet"}, "safe"),
        ({"safe": "csv"}, "safe"),
    ]:
        with pytest.raises(InvalidInput) as caught:
            filled.call("reader", "GET", TRAINING, params=query)
        assert field == caught.value.field
    with pytest.raises(UnsupportedMedia):
        filled.call("reader", "GET", TRAINING, headers={"Accept": "application/xml"})


def test_contracts_are_listed_for_those_who_may_read(api: Any) -> None:
    """A reader sees four datasets per pipeline; a caller of another pipeline sees none of these."""
    names = [item["name"] for item in api.call("reader", "GET", "/v1/datasets")]

    assert ["auto-one.training", "manual-one.requests"] == [
        name for name in names if name in ("auto-one.training", "manual-one.requests")
    ]
    assert 8 == len(names)
    assert [] == api.call("stranger", "GET", "/v1/datasets")


def test_a_stream_cut_between_batches_is_noticed(filled: Any) -> None:
    """A stream that ends properly, but lacks its last batch, is refused by the client.

    It is not what the receipt says.
    """
    with (
        _relay(filled.url, _without_last_row) as client,
        pytest.raises(DatasetIncomplete, match="19 rows came, it names 20"),
    ):
        download(client, "manual-one.training", DatasetQuery(), deadline_s=5)


def test_a_body_cut_before_its_end_is_noticed(filled: Any) -> None:
    """A body that lacks its last bytes is no dataset, even where the transfer ends cleanly."""
    with (
        _relay(filled.url, lambda body: body[:-9]) as client,
        pytest.raises(DatasetIncomplete, match="broke off"),
    ):
        download(client, "manual-one.training", DatasetQuery(), deadline_s=0.1)


def test_a_stream_that_ends_early_leaves_no_receipt(
    databases: Any, tmp_path: Any, start: Any, wait: Callable[..., Any]
) -> None:
    """A dead session breaks the body off; a reader that hangs up or stalls is noticed.

    None of them leaves a receipt or a session behind.
    """
    api = start(databases, tmp_path, stall_s=2.0)
    _fill(api)
    receipts = [end(api, wait) for end in (_session_dies, _reader_hangs_up, _reader_stalls)]
    last = [entry for entry in api.ledger(action="read") if entry["outcome"] != "opened"]

    assert ["Unavailable", "cut", "cut"] == [entry["outcome"] for entry in last]
    assert all(0 < entry["rows"] < ENOUGH for entry in last)
    for receipt in receipts:
        with pytest.raises(UnknownName, match="no receipt"):
            api.call("run of manual-one", "GET", f"/v1/receipts/{receipt}")
    assert [] == _sessions(api)


def test_a_primary_behind_the_reading_address_is_refused(
    databases: Any, tmp_path: Any, start: Any
) -> None:
    """The address of a primary gives 503 with Retry-After, no row, and an entry in the ledger."""
    to_primary = {
        "warehouse_replica_dsn": databases.dsn("reader", "warehouse"),
        "raw_replica_dsn": databases.dsn("reader", "raw"),
    }
    api = start(databases, tmp_path, postgres=to_primary)
    answer = api.raw("run of manual-one", "GET", TRAINING)
    with api.client("run of manual-one") as client, pytest.raises(StandbyUnproven, match="primary"):
        download(client, "manual-one.training", DatasetQuery(), deadline_s=0.1)

    assert 503 == answer.status_code
    assert int(answer.headers["retry-after"]) >= 1
    assert "StandbyUnproven" == api.ledger(action="read")[0]["outcome"]


def test_a_lagging_standby_is_waited_for(
    databases: Any, throwaway: Any, tmp_path: Any, start: Any
) -> None:
    """A standby that is further behind than allowed gives 503.

    The client reads again and succeeds when it has caught up.
    """
    behind = type(databases)(throwaway, "raw", "warehouse")
    api = start(behind, tmp_path, postgres={"max_lag_bytes": 200_000})
    api.send("manual-one", ROWS)
    api.featurise("manual-one")
    with (
        throwaway.superuser("warehouse", standby=True) as standby,
        throwaway.superuser("warehouse") as primary,
    ):
        standby.execute("SELECT pg_wal_replay_pause()")
        primary.execute(
            "CREATE TABLE ballast AS SELECT md5(random()::text) FROM generate_series(1, 20000)"
        )
        refused = api.raw("run of manual-one", "GET", TRAINING)
        resume = threading.Timer(0.5, lambda: _resume(throwaway))
        resume.start()
        with api.client("run of manual-one") as client:
            found = download(client, "manual-one.training", DatasetQuery(), deadline_s=30)
        resume.join()

    assert 503 == refused.status_code
    assert StandbyLagging.__name__ in refused.json()["type"]
    assert 20 == found.receipt.rows


def _resume(cluster: Any) -> None:
    with cluster.superuser("warehouse", standby=True) as connection:
        connection.execute("SELECT pg_wal_replay_resume()")


@contextmanager
def _stream(api: Any) -> Iterator[httpx.Response]:
    path = "/v1/datasets/manual-one.features"
    with (
        api.http("run of manual-one") as http,
        http.stream("GET", path, headers={"Accept": ARROW}) as answer,
    ):
        yield answer


def _session_dies(api: Any, _: Any) -> str:
    with _stream(api) as answer:
        pieces = answer.iter_raw()
        next(pieces)
        with api.databases.cluster.superuser(standby=True) as connection:
            for (pid,) in _sessions(api):
                connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
        with pytest.raises(httpx.RemoteProtocolError):
            for _piece in pieces:
                pass
    return answer.headers["x-receipt-id"]


def _reader_hangs_up(api: Any, wait: Callable[..., Any]) -> str:
    with _stream(api) as answer:
        next(answer.iter_raw())
    wait(lambda: len(api.ledger(action="read", outcome="cut")) == 1)
    return answer.headers["x-receipt-id"]


def _reader_stalls(api: Any, wait: Callable[..., Any]) -> str:
    with _stream(api) as answer:
        wait(lambda: len(api.ledger(action="read", outcome="cut")) == 2)
    return answer.headers["x-receipt-id"]


def _fill(api: Any) -> None:
    """More rows than any socket buffer holds."""
    api.featurise("manual-one")
    with api.databases.connect("etl", "warehouse") as connection, connection.transaction():
        (table,) = connection.execute(
            "SELECT table_name FROM control.feature_sets WHERE pipeline = 'manual-one'"
        ).fetchone()
        (mark,) = connection.execute("SELECT warehouse.next_mark()").fetchone()
        connection.execute(MANY.format(table=table, rows=ENOUGH), (mark,))
    api.databases.catch_up()


def _sessions(api: Any) -> list[Any]:
    with api.databases.cluster.superuser(standby=True) as connection:
        return connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = %s AND application_name = 'dataset'",
            (api.databases.warehouse,),
        ).fetchall()


def _without_last_row(body: bytes) -> bytes:
    batches = list(pa.ipc.open_stream(body))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batches[0].schema) as writer:
        for batch in [*batches[:-1], batches[-1].slice(0, batches[-1].num_rows - 1)]:
            writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


@contextmanager
def _relay(upstream: str, change: Callable[[bytes], bytes]) -> Iterator[DataApi]:
    """A client behind a proxy that changes the bodies of datasets and ends every answer cleanly."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {
                name: self.headers[name]
                for name in ("Authorization", "Accept")
                if name in self.headers
            }
            answer = httpx.get(upstream + self.path, headers=headers)
            body = change(answer.content) if "/datasets/" in self.path else answer.content
            self.send_response(answer.status_code)
            for name in ("Content-Type", "X-Receipt-Id"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with DataApi(
                f"http://127.0.0.1:{server.server_address[1]}", SecretStr("token-reader")
            ) as client:
                yield client
        finally:
            server.shutdown()
            thread.join()
