"""Corrected rows: what etl makes of them, and what it may not change."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mlplatform.access import Caller, Role
from mlplatform.contracts.quarantine import Corrected, CorrectRequest
from mlplatform.dataapi.audit import AuditLog
from mlplatform.dataapi.corrections import Corrections
from mlplatform.database import corrections, feature_rows, quarantine
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.quarantine import BadRow
from mlplatform.errors import InvalidInput, Refused, UnknownName

Good = Callable[..., dict[str, Any]]
Correct = Callable[..., Corrected]
WRITER = Caller(name="writer", roles=(Role.WRITER,), sha256="0" * 64)


@pytest.fixture
def correct(databases: Any) -> Iterator[Correct]:
    """Correct the row of the one entry of a request, as the data API does."""
    settings = databases.settings("dataapi")
    raw = PrimaryPool(settings.raw_dsn, settings, name="raw")
    warehouse = PrimaryPool(settings.warehouse_dsn, settings, name="warehouse")
    handler = Corrections({"raw": raw}, warehouse, AuditLog(warehouse))

    def do(entry: int, *, caller: Caller = WRITER, why: str = "a typo", **fields: Any) -> Corrected:
        return handler.correct(caller, entry, CorrectRequest(fields=fields, why=why))

    yield do
    raw.close()
    warehouse.close()


def entries(scene: Any, *, resolved: bool = False) -> list[int]:
    """Ids of the entries that are open, or of those that are resolved, oldest first."""
    query = (
        "SELECT id FROM warehouse.quarantine WHERE (resolved_at IS NOT NULL) = %s AND dropped_at"
        " IS NULL ORDER BY id"
    )
    return [row["id"] for row in scene.rows(query, resolved)]


def incomes(scene: Any, digest: str) -> list[float]:
    """The incomes of the feature rows."""
    return [row["income"] for row in scene.features(digest, "request_id, row, income")]


def test_a_corrected_row_becomes_a_feature_row(scene: Any, good: Good, correct: Correct) -> None:
    """Under every digest that refused it, and under later ones; its request stays as it came."""
    old = scene.apply()
    scene.propose(old)
    scene.serve([good(income=1)], [good(income=2), good(income=-3), good(income=4)])
    scene.drain()
    new = scene.apply(None)
    scene.drain()
    before = [scene.features(digest) for digest in (old, new)]
    entry, _ = entries(scene)
    done = correct(entry, income=3)
    scene.drain()
    later = scene.apply(None, key=None)
    scene.drain()

    assert (2, {"income": 3}, 1) == (done.redriven, done.fields, done.row)
    assert [[1, 2, 3, 4]] * 3 == [incomes(scene, digest) for digest in (old, new, later)]
    assert [] == entries(scene)
    for digest, rows in zip((old, new), before, strict=True):
        mark = max(row["batch"] for row in rows)
        assert rows == [row for row in scene.features(digest) if row["batch"] <= mark]
    assert [[1], [2, -3, 4]] == [
        json.loads(row["inputs"])["income"]
        for row in scene.rows(
            "SELECT inputs::text FROM raw.requests ORDER BY request_id", database="raw"
        )
    ]
    (noted,) = scene.rows("SELECT * FROM control.ledger WHERE action = 'correct'")
    assert ("writer", "loans.quarantine", ["income"], "a typo") == (
        noted["caller"],
        noted["subject"],
        noted["columns"],
        noted["detail"]["why"],
    )


def test_corrections_add_up(scene: Any, good: Good, correct: Correct) -> None:
    """A later one keeps what an earlier one set, but for the fields that it sets itself."""
    digest = scene.apply()
    scene.serve([good(income=-1, children=-1, city="Bonn")])
    scene.drain()
    (entry,) = entries(scene)
    correct(entry, income=5, city="Ulm")
    scene.drain()
    left = scene.quarantine(digest)
    done = correct(entry, children=1, city="Jena")
    scene.drain()

    assert ("less than no children", {"income": 5, "city": "Ulm"}) == (
        left[0]["reason"][-21:],
        {name: left[0]["payload"][name] for name in ("income", "city")},
    )
    assert {"income": 5, "city": "Jena", "children": 1} == done.fields
    assert [{"income": 5.0, "city": "Jena", "heads": 2}] == scene.features(
        digest, "income, city, heads"
    )


def test_a_request_that_is_not_laid_flat_can_be_corrected(
    scene: Any, good: Good, correct: Correct
) -> None:
    """A row that lacks a column gets it; of one that is no columns the whole row is needed."""
    digest = scene.apply()
    scene.store_text('{"income": [1], "city": ["Ulm"], "member": [true]}', rows=1, offset=1)
    scene.store_text('{"income": [1, 2], "children": [1]}', rows=1, offset=2)
    scene.drain()
    lacking, broken = entries(scene)
    correct(lacking, children=1)
    with pytest.raises(InvalidInput, match="is missing"):
        correct(broken, income=2)
    correct(broken, income=2, children=2, member=False)
    scene.drain()

    assert [
        {"income": 1.0, "city": "Ulm", "heads": 2, "member": True},
        {"income": 2.0, "city": None, "heads": 3, "member": False},
    ] == scene.features(digest, "income, city, heads, member")


def test_a_history_row_may_get_another_label(scene: Any, good: Good, correct: Correct) -> None:
    """Its target is a field of the row; that of a served request is a label of its own."""
    digest = scene.apply()
    scene.bring(good(paid="perhaps"))
    scene.drain()
    scene.serve([good(income=-1)])
    scene.drain()
    imported, served = entries(scene)
    with pytest.raises(InvalidInput, match="not one of no, yes"):
        correct(imported, paid="never")
    correct(imported, paid="yes")
    with pytest.raises(InvalidInput, match="no target of its own"):
        correct(served, paid="yes")
    scene.drain()

    assert ["yes"] == [row["text"] for row in scene.labels()]
    assert 1 == len(scene.features(digest))


def test_what_can_not_be_corrected_says_why(scene: Any, good: Good, correct: Correct) -> None:
    """Unknown fields, a row that would still be refused, entries that are closed: nothing stays."""
    scene.apply()
    scene.serve([good(income=-1)], [good(income=-2)], [good(income=-3)])
    scene.drain()
    first, dropped, resolved = entries(scene)
    with scene.databases.connect("owner", "warehouse") as connection:
        connection.execute(
            "UPDATE warehouse.quarantine SET dropped_at = now(), dropped_by = 'me', dropped_why ="
            " 'x' WHERE id = %s",
            (dropped,),
        )
        connection.execute(
            "UPDATE warehouse.quarantine SET resolved_at = now() WHERE id = %s", (resolved,)
        )
        line = connection.execute(
            "INSERT INTO warehouse.quarantine (pipeline, reason, payload) VALUES ('loans', 'no', "
            '\'{"import": "k"}\') RETURNING id'
        ).fetchone()[0]
    stranger = WRITER.model_copy(update={"pipelines": ("others",)})

    with pytest.raises(InvalidInput, match="has no field 'salary'"):
        correct(first, salary=3)
    with pytest.raises(InvalidInput, match=r"still be refused \(1001 is above 1000"):
        correct(first, income=1001)
    with pytest.raises(InvalidInput, match=r"still be refused \(-1 is below 0"):
        correct(first, city="Ulm")
    with pytest.raises(InvalidInput, match="single values"):
        correct(first, income=[1])
    with pytest.raises(InvalidInput, match="no field is to be corrected"):
        correct(first)
    with pytest.raises(Refused, match="dropped by 'me'"):
        correct(dropped, income=1)
    with pytest.raises(Refused, match="resolved already"):
        correct(resolved, income=1)
    with pytest.raises(Refused, match="never became a row"):
        correct(line, income=1)
    with pytest.raises(UnknownName):
        correct(first, caller=stranger, income=1)
    assert [] == scene.rows("SELECT * FROM warehouse.corrections")
    assert first in entries(scene)


def test_no_batch_misses_a_correction(scene: Any, good: Good, correct: Correct) -> None:
    """A batch that read the row before holds the correction up, which then finds its entry too."""
    old = scene.apply()
    (request,) = scene.serve([good(income=-1)])
    scene.drain()
    (entry,) = entries(scene)
    bad = [BadRow(request, 0, "income", "-1 is below 0", {})]
    with ThreadPoolExecutor(1) as thread:
        with (
            scene.databases.connect("etl", "warehouse") as connection,
            connection.transaction(),
        ):
            corrections.lay_over(connection, "loans", [])
            waiting = thread.submit(correct, entry, income=1)
            _until_a_lock_is_waited_for(scene)
            quarantine.keep(connection, "loans", "another digest", bad)
        done = waiting.result(timeout=60)

    assert 2 == done.redriven
    assert not any(row["redrive_at"] is None for row in scene.quarantine("another digest"))
    scene.drain()
    assert [1.0] == incomes(scene, old)


def test_a_correction_waits_for_no_other_pipeline(scene: Any, good: Good, correct: Correct) -> None:
    """Batches of others go on meanwhile."""
    scene.apply()
    scene.serve([good(income=-1)])
    scene.drain()
    (entry,) = entries(scene)
    with scene.databases.connect("etl", "warehouse") as connection, connection.transaction():
        corrections.lay_over(connection, "others", [])
        assert 1 == correct(entry, income=1).redriven


def test_a_row_read_with_its_correction_leaves_quarantine(
    scene: Any, good: Good, correct: Correct
) -> None:
    """When a batch comes before the redrive, the entry is resolved with its feature row."""
    digest = scene.apply()
    scene.serve([good(income=-1)])
    scene.drain()
    (entry,) = entries(scene)
    correct(entry, income=1)
    with scene.databases.connect("owner", "warehouse") as connection:
        connection.execute("UPDATE warehouse.quarantine SET redrive_at = NULL")
        connection.execute("UPDATE warehouse.progress SET next_offset = 0")
    scene.drain()

    assert [1.0] == incomes(scene, digest)
    assert [entry] == entries(scene, resolved=True)
    with scene.databases.connect("etl", "warehouse") as connection:
        table = scene.rows("SELECT table_name FROM control.feature_sets")[0]["table_name"]
        assert 1 == feature_rows.count(connection, table)


def _until_a_lock_is_waited_for(scene: Any) -> None:
    query = "SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    while not scene.rows(query, role="owner")[0]["n"]:
        pass
