"""Balance, quarantine, outboxes, ledger, and the pages of operation."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from mlplatform.contracts.request import new_request_id
from mlplatform.errors import Forbidden, Overloaded, Unauthenticated


def _store(api: Any, outbox: str, *sequences: int, pipeline: str = "manual-one") -> None:
    """What the consumer writes."""
    with api.databases.connect("consumer", "raw") as connection:
        for sequence in sequences:
            connection.execute(
                "INSERT INTO raw.requests (request_id, pipeline, source, topic, partition, log_offset, outbox_id, sequence, version, caller,"
                " received_at, rows, inputs, outputs) VALUES (%s, %s, 'serving', 'requests', 0, %s, %s, %s, '1', 'client', now(), 1, %s, '{}')",
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
            "INSERT INTO raw.offsets (topic, partition, next_offset) VALUES ('requests', 0, %s) ON CONFLICT (topic, partition) DO UPDATE"
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
    """Numbers that are neither stored nor dead letters are missing; those above the highest are in flight, also when the outbox is closed."""
    outbox = str(uuid4())
    _heartbeat(api, outbox, 12)
    _store(api, outbox, 1, 2, 5, 9)
    with api.databases.connect("consumer", "raw") as connection:
        for place in (7, 8):  # sent twice: two dead letters, one record
            connection.execute(
                "INSERT INTO raw.dead_letters (topic, partition, log_offset, outbox_id, sequence, reason, payload)"
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
    """An outbox that was not heard of for two minutes has lost what it had not shipped, until it speaks again."""
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


def test_numbers_of_late_heartbeats_are_not_taken_back(api: Any) -> None:
    """A heartbeat with lower numbers than before, or than the rows, does not lower what was accepted."""
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
    """Raw = featured + quarantined + waiting + not applicable, before etl, half way, and after; from imports and serving."""
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

    assert [(7, 0, 0, 7), (7, 2, 0, 5), (7, 4, 3, 0)] == [
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
    """A feature row that is gone shows as unaccounted, though etl's own counters still say that it was written."""
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
    """A standby of the raw database that lacks rows which etl has passed is no source; what the primary lacks too is shown, not hidden."""
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
                "INSERT INTO warehouse.progress VALUES ('manual-one', %s, 'import:manual-one', 0, %s)",
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


def test_one_balance_is_counted_at_a_time(api: Any) -> None:
    """While one is counted, another is told to come again; afterwards it is served."""
    with api.collaborators.balance._counting:
        busy = api.raw("reader", "GET", "/v1/balance")

    assert (429, "1") == (busy.status_code, busy.headers["retry-after"])
    assert 200 == api.raw("reader", "GET", "/v1/balance").status_code


def test_quarantined_rows_can_be_tried_again(api: Any) -> None:
    """A redrive marks unresolved rows, all or by id; what can't be tried again is named with the reason."""
    api.send("manual-one", [{"width": "wide"}, {"width": "wider"}])
    api.featurise("manual-one")
    api.call(
        "writer",
        "POST",
        "/v1/datasets/manual-one.requests/rows",
        content=b"nonsense",
        headers={"Content-Type": "application/x-ndjson"},
    )
    line, second, first = (
        entry["id"]
        for entry in api.call("reader", "GET", "/v1/quarantine", params={"pipeline": "manual-one"})
    )
    some = api.call(
        "writer",
        "POST",
        "/v1/quarantine/redrive",
        json={"pipeline": "manual-one", "ids": [first, line, 999_999]},
    )
    everything = api.call(
        "writer", "POST", "/v1/quarantine/redrive", json={"pipeline": "manual-one"}
    )

    assert (1, [line, 999_999]) == (some["redriven"], [item["id"] for item in some["skipped"]])
    assert [
        "it never became a row: correct it and send it again",
        "no such entry of 'manual-one'",
    ] == [item["reason"] for item in some["skipped"]]
    assert {"redriven": 2, "skipped": []} == everything
    assert second in [
        entry["id"] for entry in api.call("reader", "GET", "/v1/quarantine") if entry["redrive_at"]
    ]
    with pytest.raises(Forbidden):
        api.call("reader", "POST", "/v1/quarantine/redrive", json={"pipeline": "manual-one"})
    assert [] == api.call("stranger", "GET", "/v1/quarantine")


def test_the_ledger_is_for_admins(api: Any) -> None:
    """Admins read it, which is entered too; nobody can change it."""
    entries = api.call("admin", "GET", "/v1/ledger", params={"limit": 2})

    assert ["apply", "apply"] == [entry["action"] for entry in entries]
    assert ("admin", 2) == tuple(
        api.ledger(subject="ledger")[0][name] for name in ("caller", "rows")
    )
    with pytest.raises(Forbidden):
        api.call("reader", "GET", "/v1/ledger")


def test_who_has_no_token_is_refused_and_noted(api: Any) -> None:
    """Every route but the open pages asks for a token; refusals at the door reach the ledger, gathered."""
    with api.client("nobody") as client:
        for path in ("/v1/datasets", "/v1/pipelines", "/v1/ledger", "/nonsense"):
            with pytest.raises(Unauthenticated):
                client.get(path)
        bare = client.http.get("/v1/balance", headers={"Authorization": ""})

    assert (401, "Bearer") == (bare.status_code, bare.headers["www-authenticate"])
    assert 5 == api.knocks("Unauthenticated")


def test_any_character_may_be_knocked_with(api: Any) -> None:
    """NUL in a path, a name, a column or a holder is the caller's mistake: entered in the ledger, and no end of what comes after it."""
    with api.client("nobody") as client:
        for path in ("/x%00", "/y"):
            assert 401 == client.http.get(path).status_code
        assert 2 == api.knocks("Unauthenticated")
    asked = [
        "/v1/datasets/manual-one%00.training", "/v1/datasets/manual-one.labels?columns=%00", "/v1/receipts/%00",
        "/v1/ledger?subject=%00", "/v1/datasets/manual-one.requests%00",
    ]  # fmt: skip

    assert [422, 422, 422, 422, 404] == [
        api.raw("admin", "GET", path).status_code for path in asked
    ]
    assert (
        422 == api.raw("admin", "DELETE", "/v1/pipelines/manual-one/lease?holder=%00").status_code
    )
    assert "InvalidInput" == api.ledger(subject="manual-one\\u0000.training")[0]["outcome"]


def test_the_book_of_the_door_outlives_an_entry_that_can_not_be_written(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong with one entry, those after it are written."""
    book = api.collaborators.door_book
    with monkeypatch.context() as broken:
        broken.setattr(book._books, "write", lambda _: 1 / 0)
        book.note("unknown", "/x", Unauthenticated("no"))
        book.flush()
    book.note("unknown", "/y", Unauthenticated("no"))

    assert 1 == api.knocks("Unauthenticated")


def test_a_caller_that_is_too_fast_is_told_when_to_come_again(
    databases: Any, tmp_path: Any, start: Any
) -> None:
    """Above the rate 429 with Retry-After, per caller: another one is not affected."""
    api = start(databases, tmp_path, rate_per_s=0.5, burst=3)
    for _ in range(3):
        api.call("reader", "GET", "/v1/pipelines")
    answer = api.raw("reader", "GET", "/v1/pipelines")
    with pytest.raises(Overloaded):
        api.call("reader", "GET", "/v1/pipelines")

    assert (429, "2") == (answer.status_code, answer.headers["retry-after"])
    assert 200 == api.raw("serving", "GET", "/v1/pipelines").status_code


def test_pages_of_operation_are_open_and_true(api: Any) -> None:
    """Alive, ready, metrics by route template, and a description of every route with its refusals, without a token."""
    api.raw("reader", "GET", "/v1/pipelines/manual-one")
    api.raw("reader", "GET", "/v1/something/else")
    with api.client("nobody") as client:
        alive, ready = client.get("/healthz"), client.get("/readyz")
        metrics = client.http.get("/metrics").text
        description = client.get("/openapi.json")

    assert ({"status": "alive"}, {"status": "ready"}) == (alive, ready)
    assert (
        'mlplatform_dataapi_requests_total{code="200",route="GET /v1/pipelines/{name}"}' in metrics
    )
    assert "something" not in metrics
    assert "429" in description["paths"]["/v1/feedback"]["post"]["responses"]
    assert "labels" in str(description["paths"]["/v1/feedback"]["post"]["requestBody"])


def test_an_unready_database_is_named(databases: Any, tmp_path: Any, start: Any) -> None:
    """While a database is away, readiness says which one, and requests get 503 with Retry-After."""
    api = start(databases, tmp_path)
    with databases.cluster.superuser() as connection:
        connection.execute(f"ALTER DATABASE {databases.raw} ALLOW_CONNECTIONS false")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            (databases.raw,),
        )
        ready = api.raw("reader", "GET", "/readyz")
        refused = api.raw("reader", "GET", "/v1/balance")
        connection.execute(f"ALTER DATABASE {databases.raw} ALLOW_CONNECTIONS true")

    assert (503, 503) == (ready.status_code, refused.status_code)
    assert "raw" in ready.json()["detail"]
    assert "retry-after" in refused.headers
