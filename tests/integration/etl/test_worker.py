"""Order, restarts and sharing: nothing is skipped, nothing is doubled."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlplatform.database import labels
from mlplatform.database.labels import Label
from mlplatform.errors import Unavailable

Good = Callable[..., dict[str, Any]]


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _featured(scene: Any, digest: str) -> int:
    query = "SELECT coalesce(sum(featured), 0)::int AS n FROM warehouse.progress WHERE digest = %s"
    return int(scene.rows(query, digest)[0]["n"])


def test_small_batches_give_the_same_as_one(scene: Any, good: Good) -> None:
    """Where a batch ends, by requests or by rows, does not matter.

    A request larger than the limit goes alone.
    """
    digest = scene.apply()
    ids = scene.serve(*([good()] * random.Random(number).randint(1, 7) for number in range(40)))
    scene.drain(batch_requests=3, batch_rows=5)

    found = scene.features(digest)
    assert ids == list(dict.fromkeys(str(row["request_id"]) for row in found))
    assert len({row["batch"] for row in found}) > 10
    assert 0 == scene.balance(digest)["waiting"]


def test_a_late_transaction_is_not_skipped(scene: Any, good: Good) -> None:
    """Rows that commit long after etl's last read become feature rows all the same."""
    digest = scene.apply()
    worker = scene.worker()
    with scene.stored([good()], [good()], partition=1) as late:
        early = scene.serve([good()], partition=0)
        scene.drain(worker)

        assert early == [str(row["request_id"]) for row in scene.features(digest)]
    scene.drain(worker)

    assert sorted([*early, *late]) == [str(row["request_id"]) for row in scene.features(digest)]


def test_marks_grow_with_the_commits(scene: Any, good: Good) -> None:
    """A later batch has a higher mark, and its labels have the same."""
    digest = scene.apply()
    worker = scene.worker()
    for _ in range(3):
        scene.bring(good(paid="no"))
        scene.drain(worker)

    marks = [row["batch"] for row in scene.features(digest)]
    assert marks == sorted(set(marks)) == [label["valid_from"] for label in scene.labels()]


def test_a_new_digest_is_backfilled_beside_the_old_one(scene: Any, good: Good) -> None:
    """The new digest starts at the first raw row, the old one goes on; labels are not doubled."""
    old = scene.apply()
    scene.propose(old)
    scene.bring(good(paid="yes"), good(paid="no"))
    scene.drain()
    new = scene.apply(None)
    scene.serve([good()])
    scene.drain()

    assert (3, 3) == (len(scene.features(old)), len(scene.features(new)))
    assert [["city", "heads", "income", "member"], ["children", "city", "income", "member"]] == [
        sorted(set(scene.features(digest)[0]) - {"request_id", "row", "batch", "event_time", "key"})
        for digest in (old, new)
    ]
    assert 2 == len(scene.labels())
    assert 0 == scene.rows("SELECT count(*) FROM warehouse.labels")[0]["count"]
    assert (
        scene.balance(old)
        == scene.balance(new)
        == {"raw": 3, "waiting": 0, "featured": 3, "quarantined": 0}
    )


def test_a_digest_that_nobody_uses_rests(scene: Any, good: Good) -> None:
    """An earlier digest costs nothing unless a version of it serves or waits for its approval.

    In use again it catches up.
    """
    old = scene.apply()
    scene.serve([good()])
    scene.drain()
    scene.apply(None)
    scene.serve([good()])
    scene.drain()
    resting = len(scene.features(old))
    scene.propose(old)
    scene.drain()

    assert (1, 2) == (resting, len(scene.features(old)))


def test_another_target_relabels_the_history(scene: Any, good: Good) -> None:
    """When the target becomes another field, its backfill closes the old labels and opens new ones.

    A person's correction stays.
    """
    scene.apply()
    scene.bring(good(paid="no", late="no"), good(paid="yes", late="no"))
    scene.drain()
    first = str(scene.labels()[0]["request_id"])
    with scene.databases.connect("dataapi", "warehouse") as connection, connection.transaction():
        labels.add_feedback(connection, [Label("loans", first, 0, None, "yes")])
    scene.apply(target={"name": "late", "dtype": "string", "values": ["no", "yes"]})
    scene.drain()

    assert ["yes", "no"] == _open_labels(scene)
    assert 2 == scene.rows("SELECT count(*) FROM warehouse.labels")[0]["count"]


def test_an_earlier_target_relabels_the_history_again(scene: Any, good: Good) -> None:
    """An earlier digest with its own target brings its labels back, and ends those of the other."""
    late = {"name": "late", "dtype": "string", "values": ["no", "yes"]}
    digest = scene.apply()
    scene.bring(good(paid="yes", late="no"), good(paid=None, late="no"))
    scene.drain()
    scene.apply(target=late)
    scene.drain()
    assert ["no", "no"] == _open_labels(scene)
    scene.apply()
    assert [0] == [
        place["next_offset"]
        for place in scene.rows(
            "SELECT next_offset FROM warehouse.progress WHERE digest = %s", digest
        )
    ]
    scene.drain()

    assert ["yes"] == _open_labels(scene)
    assert {"raw": 2, "waiting": 0, "featured": 2, "quarantined": 0} == scene.balance(digest)


def test_only_the_target_that_holds_labels(scene: Any, good: Good) -> None:
    """A digest of an earlier target goes on featuring imports, and leaves labels alone."""
    scene.propose(scene.apply())
    scene.drain()
    scene.apply(target={"name": "late", "dtype": "string", "values": ["no", "yes"]})
    scene.bring(good(paid="yes"), good(paid="yes", late="no"))
    scene.drain()

    assert ["no"] == _open_labels(scene)


def _open_labels(scene: Any) -> list[str]:
    return [row["text"] for row in scene.labels()]


def test_a_killed_etl_loses_and_doubles_nothing(scene: Any, good: Good, tmp_path: Path) -> None:
    """Killed with SIGKILL again and again in the middle of its work, it writes every row once."""
    digest = scene.apply()
    ids = scene.serve(*([good(children=number - 1)] for number in range(600)))
    scene.bring(*(good(paid="yes", asked_at=number) for number in range(200)))
    for kill in range(3):
        done = _featured(scene, digest)
        process = scene.spawn(tmp_path / "etl.log", batch_requests=4)
        _until(lambda done=done: _featured(scene, digest) > done)
        time.sleep(0.01 * kill)
        process.kill()
        process.wait()
    left = scene.balance(digest)["waiting"]
    scene.drain()

    found = [str(row["request_id"]) for row in scene.features(digest)]
    assert left > 0
    assert set(ids) - set(found) == {scene.quarantine(digest)[0]["request_id"]} == {ids[0]}
    assert {"raw": 800, "waiting": 0, "featured": 799, "quarantined": 1} == scene.balance(digest)
    assert 200 == len(scene.labels())
    assert 0 == scene.rows("SELECT count(*) FROM warehouse.labels")[0]["count"]


def test_two_processes_share_the_work(scene: Any, good: Good, tmp_path: Path) -> None:
    """Several etl processes finish the same partitions together, and SIGTERM ends each cleanly."""
    old, new = scene.apply(), scene.apply(None)
    scene.propose(old)
    logs = [tmp_path / "one.log", tmp_path / "two.log"]
    processes = [scene.spawn(log, batch_requests=5) for log in logs]
    _until(lambda: all('"event": "features loaded"' in log.read_text() for log in logs))
    for partition in range(4):
        scene.serve(*([good()] for _ in range(150)), partition=partition)
    _until(lambda: _featured(scene, old) == _featured(scene, new) == 600)
    for process in processes:
        process.terminate()

    assert [0, 0] == [process.wait(timeout=30) for process in processes]
    assert all('"event": "batch"' in log.read_text() for log in logs)
    assert (
        scene.balance(old)
        == scene.balance(new)
        == {"raw": 600, "waiting": 0, "featured": 600, "quarantined": 0}
    )


def test_requests_of_other_pipelines_are_left_alone(scene: Any, good: Good) -> None:
    """A topic carries many pipelines; each is read under its own digests, an unknown one waits."""
    loans = scene.apply()
    others = scene.apply(None, name="others")
    (one,) = scene.serve([good()])
    (other,) = scene.serve([good()], pipeline="others")
    scene.serve([good()], pipeline="unknown")
    scene.bring(good(), pipeline="others")
    scene.drain()

    assert [one] == [str(row["request_id"]) for row in scene.features(loans)]
    assert other in {str(row["request_id"]) for row in scene.features(others)}
    assert 2 == len(scene.features(others))


def test_a_database_that_is_away_is_told_so(scene: Any, good: Good) -> None:
    """A step without its database raises Unavailable, writes nothing, and the next one goes on."""
    digest = scene.apply()
    scene.serve([good()])
    settings = scene.databases.settings("etl")
    worker = scene.worker(
        postgres=settings.model_copy(
            update={"raw_dsn": type(settings.raw_dsn)("host=127.0.0.1 port=1 dbname=raw")}
        )
    )
    with pytest.raises(Unavailable):
        worker.step()
    scene.drain()

    assert 1 == len(scene.features(digest))


def test_rows_below_its_place_are_featured(scene: Any, good: Good) -> None:
    """Rows that are stored below etl's place, after offsets were set back by hand, are featured."""
    digest = scene.apply()
    worker = scene.worker()
    early = scene.serve(*([good()] for _ in range(6)))
    scene.drain(worker)
    with scene.databases.connect("owner", "raw") as connection:
        connection.execute("UPDATE raw.offsets SET next_offset = 2")
    late = scene.serve(*([good()] for _ in range(3)))
    scene.drain(worker, batch_requests=2)
    later = scene.serve(*([good()] for _ in range(4)))
    scene.drain(worker)

    found = [str(row["request_id"]) for row in scene.features(digest)]
    assert sorted([*early, *late, *later]) == sorted(found)


def test_what_is_there_stays_and_what_is_missing_comes(scene: Any, good: Good) -> None:
    """Of a batch that is read again rows between its ends may be there: they keep their mark."""
    digest = scene.apply()
    scene.serve(*([good(children=number)] for number in range(5)))
    scene.drain()
    before = scene.features(digest, "request_id, batch")
    table = scene.rows("SELECT table_name FROM control.feature_sets")[0]["table_name"]
    with scene.databases.connect("owner", "warehouse") as connection:
        connection.execute(
            f"DELETE FROM features.{table} WHERE request_id = ANY(%s)",
            ([before[0]["request_id"], before[4]["request_id"]],),
        )
        connection.execute("UPDATE warehouse.progress SET next_offset = 0")
    scene.drain()
    after = scene.features(digest, "request_id, batch")

    assert [row["request_id"] for row in before] == [row["request_id"] for row in after]
    assert before[1:4] == after[1:4]
    assert before[0]["batch"] < after[0]["batch"]


def test_requests_of_one_offset_come_together(scene: Any, good: Good) -> None:
    """Where two requests share an offset, a batch that ends between them leaves none out."""
    digest = scene.apply()
    early = scene.serve(*([good()] for _ in range(6)))
    with scene.databases.connect("owner", "raw") as connection:
        connection.execute("UPDATE raw.offsets SET next_offset = 0")
    late = scene.serve(*([good(), good()] for _ in range(6)))
    scene.drain(batch_requests=1, batch_rows=1)

    found = {str(row["request_id"]) for row in scene.features(digest)}
    assert {*early, *late} == found
    assert 18 == len(scene.features(digest))
