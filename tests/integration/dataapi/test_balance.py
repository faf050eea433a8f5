"""The balance, and the reports of the outboxes that it is counted with."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from mlplatform.contracts.balance import OutboxBalance
from mlplatform.contracts.request import new_request_id
from mlplatform.database import balance
from mlplatform.database.kept_balance import NOTHING
from mlplatform.errors import Forbidden


def _store(api: Any, outbox: str, *sequences: int, pipeline: str = "manual-one") -> None:
    """What the consumer writes."""
    with api.databases.connect("consumer", "raw") as connection:
        for sequence in sequences:
            connection.execute(
                "INSERT INTO raw.requests (request_id, pipeline, source, topic, partition, "
                "log_offset, outbox_id, sequence, version, caller,"
                " received_at, rows, inputs, outputs) VALUES (%s, %s, 'serving', 'requests', "
                "0, %s, %s, %s, '1', 'client', now(), 1, %s, '{}')",
                (
                    new_request_id(),
                    pipeline,
                    sequence,
                    outbox,
                    sequence,
                    '{"width": [1]}' if sequence % 2 else '{"width": [null]}',
                ),
            )
        connection.execute(
            "INSERT INTO raw.offsets (topic, partition, next_offset) VALUES ('requests', 0, "
            "%s) ON CONFLICT (topic, partition) DO UPDATE"
            " SET next_offset = greatest(offsets.next_offset, excluded.next_offset)",
            (max(sequences) + 1,),
        )


def _heartbeat(api: Any, outbox: str, accepted: int, **more: Any) -> None:
    body = {
        "host": "pod-1",
        "accepted": accepted,
        "acknowledged": accepted,
        "versions": {"manual-one": "1"},
        **more,
    }
    api.call("serving", "POST", f"/v1/outboxes/{outbox}", json=body)


def _outbox(api: Any) -> dict[str, Any]:
    api.databases.catch_up()
    (line,) = api.call("reader", "GET", "/v1/balance")["outboxes"]
    return line


def test_a_gap_in_the_numbers_is_found(api: Any) -> None:
    """Numbers that are neither stored nor dead letters are missing.

    Those above the highest are in flight, also when the outbox is closed.
    """
    outbox = str(uuid4())
    _heartbeat(api, outbox, 12)
    _store(api, outbox, 1, 2, 5, 9)
    with api.databases.connect("consumer", "raw") as connection:
        for place in (7, 8):  # sent twice: two dead letters, one record
            connection.execute(
                "INSERT INTO raw.dead_letters (topic, partition, log_offset, outbox_id, "
                "sequence, reason, payload)"
                " VALUES ('requests', 0, %s, %s, 7, 'x', '')",
                (place, outbox),
            )
    open_line = _outbox(api)
    _heartbeat(api, outbox, 12, closed=True)
    closed_line = _outbox(api)
    _store(api, outbox, 3, 4, 6, 8, 10, 11, 12)
    whole = _outbox(api)

    assert (12, 4, 1, 3, [[3, 4], [6, 6], [8, 8]]) == tuple(
        open_line[name] for name in ("accepted", "stored", "dead_lettered", "in_flight", "missing")
    )
    assert open_line["oldest_gap_s"] > 0
    assert (3, [[3, 4], [6, 6], [8, 8]], True) == tuple(
        closed_line[name] for name in ("in_flight", "missing", "closed")
    )
    assert (11, 1, 0, [], 0.0) == tuple(
        whole[name] for name in ("stored", "dead_lettered", "in_flight", "missing", "oldest_gap_s")
    )


def test_what_a_silent_outbox_held_is_missing(api: Any) -> None:
    """After two silent minutes what an outbox had not shipped is lost, until it reports again."""
    outbox = str(uuid4())
    _heartbeat(api, outbox, 12, acknowledged=10)
    _store(api, outbox, *range(1, 10))
    with api.databases.connect("owner", "raw") as connection:
        connection.execute(
            "UPDATE raw.outboxes SET seen_at = now() - interval '121 s' WHERE outbox_id = %s",
            (outbox,),
        )
    silent = _outbox(api)
    _heartbeat(api, outbox, 12, acknowledged=10)
    back = _outbox(api)

    assert (1, [[11, 12]]) == (silent["in_flight"], silent["missing"])
    assert (3, []) == (back["in_flight"], back["missing"])


def test_numbers_that_two_requests_have_are_named(api: Any) -> None:
    """They are an alarm, though none is missing; a record that was sent twice is none."""
    outbox = str(uuid4())
    _heartbeat(api, outbox, 6)
    _store(api, outbox, *range(1, 7))
    whole = OutboxBalance.model_validate(_outbox(api))
    _store(api, outbox, 3, 4)
    with api.databases.connect("consumer", "raw") as connection:
        for place, number, request in ((7, 2, None), (8, 6, new_request_id())):
            connection.execute(
                "INSERT INTO raw.dead_letters (topic, partition, log_offset, outbox_id, "
                "sequence, request_id, reason, payload)"
                " VALUES ('requests', 0, %s, %s, %s, %s, 'x', '')",
                (place, outbox, number, request),
            )
    twice = OutboxBalance.model_validate(_outbox(api))

    assert ([], 0, True) == (whole.used_twice, whole.surplus, whole.whole)
    assert ([(3, 4), (6, 6)], 3, []) == (twice.used_twice, twice.surplus, twice.missing)
    assert not twice.whole


def test_a_number_used_twice_does_not_stand_for_a_missing_one(api: Any) -> None:
    """Not when two rows have it, nor a row and a dead letter, nor a row and one that was removed.

    There are as many records as numbers each time, so a count of records would not tell.
    """
    rows, letter, removed = str(uuid4()), str(uuid4()), str(uuid4())
    _store(api, rows, 1, 2, 2, 4)
    _store(api, letter, 1, 2, 4)
    _store(api, removed, 2, 4)
    with api.databases.connect("owner", "raw") as connection:
        connection.execute(
            "INSERT INTO raw.dead_letters (topic, partition, log_offset, outbox_id, sequence, "
            "request_id, reason, payload) VALUES ('requests', 0, 9, %s, 2, %s, 'x', '')",
            (letter, new_request_id()),
        )
        connection.execute(
            "INSERT INTO raw.removed_numbers VALUES (%s, 1, 2, 2, 0, now())", (removed,)
        )
    api.databases.catch_up()
    found = {
        each["outbox_id"]: (each["missing"], each["used_twice"], each["surplus"])
        for each in api.call("reader", "GET", "/v1/balance")["outboxes"]
    }

    assert ([[3, 3]], [[2, 2]], 1) == found[rows]
    assert ([[3, 3]], [[2, 2]], 1) == found[letter]
    assert ([[3, 3]], [], 1) == found[removed]


def test_what_the_disk_damaged_is_missing_with_its_place(api: Any) -> None:
    """Also above the highest stored number, and not once it is stored after all."""
    outbox = str(uuid4())
    damaged = [
        {"first": 2, "last": 2, "file": "1.segment", "offset": 40},
        {"first": 5, "last": 6, "file": "1.segment", "offset": 90},
    ]
    _heartbeat(api, outbox, 6, damaged=damaged)
    _store(api, outbox, 1, 3, 4)
    first = _outbox(api)
    _heartbeat(api, outbox, 7)
    _store(api, outbox, 2)
    second = _outbox(api)

    assert ([[2, 2], [5, 6]], damaged, 0) == tuple(
        first[name] for name in ("missing", "damaged", "in_flight")
    )
    assert ([[5, 6]], damaged[1:], 1) == tuple(
        second[name] for name in ("missing", "damaged", "in_flight")
    )


def test_a_copy_of_an_outbox_is_told(api: Any) -> None:
    """A run that is not the known one and knows less gets no say, and is counted."""
    outbox, first, second = str(uuid4()), str(uuid4()), str(uuid4())

    def says(accepted: int, run: str, previous: str | None) -> dict[str, Any]:
        body = {"host": "pod", "accepted": accepted, "acknowledged": 0, "previous": previous}
        path = f"/v1/outboxes/{outbox}"
        return api.call("serving", "POST", path, json={**body, "incarnation": run})

    owner = says(5, first, None)
    _store(api, outbox, *range(1, 8))
    older = says(5, second, first)
    newer = says(7, second, first)
    late = says(9, first, None)
    line = _outbox(api)

    assert [(0, False), (7, True), (7, False), (7, True)] == [
        (answer["known"], answer["superseded"]) for answer in (owner, older, newer, late)
    ]
    assert (7, 2) == (line["accepted"], line["copies"])


def test_an_outbox_that_has_ended_is_not_waited_for(api: Any) -> None:
    """What others know of it beyond its end is missing at once."""
    outbox = str(uuid4())
    _heartbeat(api, outbox, 8, acknowledged=3)
    _store(api, outbox, 1, 2, 3)
    _heartbeat(api, outbox, 3, closed=True)

    assert [[4, 8]] == _outbox(api)["missing"]


def test_numbers_of_late_heartbeats_are_not_taken_back(api: Any) -> None:
    """A report with lower numbers than before, or than the rows, lowers nothing."""
    outbox = str(uuid4())
    _heartbeat(api, outbox, 5)
    _heartbeat(api, outbox, 3)
    low = _outbox(api)["accepted"]
    _store(api, outbox, *range(1, 9))

    assert (5, 8) == (low, _outbox(api)["accepted"])
    with pytest.raises(Forbidden):
        api.call(
            "writer",
            "POST",
            f"/v1/outboxes/{outbox}",
            json={"host": "x", "accepted": 1, "acknowledged": 1},
        )


def test_rows_add_up_at_every_stage(api: Any) -> None:
    """Raw = featured + quarantined + waiting + not applicable, before etl, half way, and after.

    For rows of imports and of serving.
    """
    _store(api, str(uuid4()), 1, 2, 3, 4)
    _store(api, str(uuid4()), 5, pipeline="never-applied")
    api.send("manual-one", [{"width": 1}, {"width": 2}, {"width": "wide"}])
    api.databases.catch_up()
    seen = [api.call("reader", "GET", "/v1/balance")["rows"]["manual-one"]]
    api.featurise("manual-one", requests=1)
    seen.append(api.call("reader", "GET", "/v1/balance")["rows"]["manual-one"])
    api.featurise("manual-one")
    sheet = api.call("reader", "GET", "/v1/balance")
    seen.append(sheet["rows"]["manual-one"])

    assert [(7, 0, 0, 7), (7, 3, 1, 3), (7, 4, 3, 0)] == [
        tuple(line[name] for name in ("raw", "featured", "quarantined", "waiting")) for line in seen
    ]
    assert [0, 0, 0] == [line["unaccounted"] for line in seen]
    assert (1, 1) == (
        sheet["rows"]["never-applied"]["raw"],
        sheet["rows"]["never-applied"]["not_applicable"],
    )
    assert {"stored": 5, "dead_lettered": 0} == sheet["requests"]
    assert ["manual-one"] == list(
        api.call("reader", "GET", "/v1/balance", params={"pipeline": "manual-one"})["rows"]
    )


def test_a_lost_feature_row_is_unaccounted(api: Any) -> None:
    """A feature row that is gone is unaccounted, though etl's own counters still include it."""
    api.send("manual-one", [{"width": 1}, {"width": 2}])
    api.featurise("manual-one")
    with api.databases.cluster.superuser(api.databases.warehouse) as connection:
        (table,) = connection.execute(
            "SELECT table_name FROM control.feature_sets WHERE table_name IS NOT NULL"
        ).fetchone()
        connection.execute(f"DELETE FROM features.{table} WHERE width = 1")
    api.databases.catch_up()

    assert 1 == api.call("reader", "GET", "/v1/balance")["rows"]["manual-one"]["unaccounted"]


def test_the_balance_waits_for_what_etl_has_passed(
    databases: Any, throwaway: Any, tmp_path: Any, start: Any, wait: Any
) -> None:
    """A standby of the raw database that lacks rows which etl has passed is no source.

    What the primary lacks too is shown, not hidden.
    """
    theirs = throwaway.servers.settings("dataapi", raw="raw", warehouse="warehouse")
    api = start(
        databases,
        tmp_path,
        postgres={"raw_dsn": theirs.raw_dsn, "raw_replica_dsn": theirs.raw_replica_dsn},
    )
    with throwaway.superuser(standby=True) as standby, throwaway.superuser("raw") as primary:
        standby.execute("SELECT pg_wal_replay_pause()")
        wait(
            lambda: standby.execute("SELECT pg_get_wal_replay_pause_state() = 'paused'").fetchone()[
                0
            ]
        )
        last = api.send("manual-one", [{"width": 1}])["last_offset"]
        with databases.connect("etl", "warehouse") as etl:
            etl.execute(
                "INSERT INTO warehouse.progress VALUES ('manual-one', %s, 'import:manual-one', "
                "0, %s)",
                ("d" * 64, last + 1),
            )
        databases.catch_up()
        lagging = api.raw("reader", "GET", "/v1/balance")
        standby.execute("SELECT pg_wal_replay_resume()")
        wait(lambda: api.raw("reader", "GET", "/v1/balance").status_code == 200)
        primary.execute("UPDATE raw.offsets SET next_offset = 0")
        throwaway.catch_up()

    assert (503, "1") == (lagging.status_code, lagging.headers["retry-after"])
    assert "what etl has passed" in lagging.json()["detail"]
    assert 200 == api.raw("reader", "GET", "/v1/balance").status_code


def test_requests_are_counted_from_indexes_alone(api: Any) -> None:
    """The balance reads no page of a request, whatever it holds, and sorts no numbers."""
    values = {name: list[str]() for name in ("pipelines", "topics", "partitions", "nexts")}
    with api.databases.connect("reader", "raw", standby=True) as raw:
        for way in ("seqscan", "bitmapscan", "sort"):
            raw.execute(f"SET enable_{way} = off")
        plans = {
            name: "\n".join(
                line
                for (line,) in raw.execute(
                    f"EXPLAIN (COSTS OFF) {balance.SQL[name]}",
                    values | {"pipeline": None} | NOTHING.outbox_values | NOTHING.row_values,
                ).fetchall()
            )
            for name in ("outboxes", "raw_rows")
        }
    counted = plans["outboxes"].partition("CTE stored")[2].partition("CTE dead")[0]
    rows = plans["raw_rows"]

    assert (True, False) == ("Merge Append" in counted, "Sort\n" in counted)
    assert [True, True] == ["Index Only Scan using" in each for each in (counted, rows)]
    assert [False, False] == [
        "Index Scan using requests" in each or "Seq Scan on requests" in each
        for each in (counted, rows)
    ]


def test_one_balance_is_counted_at_a_time(api: Any) -> None:
    """While one is counted, another gets 429; afterwards it is served."""
    with api.collaborators.balance._counting:
        busy = api.raw("reader", "GET", "/v1/balance")

    assert (429, "1") == (busy.status_code, busy.headers["retry-after"])
    assert 200 == api.raw("reader", "GET", "/v1/balance").status_code
