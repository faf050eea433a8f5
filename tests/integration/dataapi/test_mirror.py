"""MLflow's aliases follow the promotion record, and never hold it up."""

from __future__ import annotations

import json
from typing import Any

from prometheus_client import REGISTRY

from mlplatform.dataapi.mirror import Mirror
from mlplatform.registry.publish import Publisher
from mlplatform.registry.store import ModelStore

NAME = "mirrored-one"


def _promote(databases: Any, *states: tuple[str, str, str]) -> None:
    """Write versions with their states, and the record's entries that made them so."""
    with databases.connect("dataapi", "warehouse") as connection:
        connection.execute(
            "INSERT INTO control.pipelines (name, definition, commit, features_digest, "
            "applied_by) VALUES (%s, %s, 'c', 'd', 'test')"
            " ON CONFLICT DO NOTHING",
            (NAME, json.dumps({})),
        )
        # The champion last: never two at once.
        for version, state, _ in sorted(states, key=lambda item: item[1] == "champion"):
            connection.execute(
                "INSERT INTO control.model_versions (pipeline, version, state, run_id, "
                "artifacts, manifest_sha256, features_digest, commit,"
                " format, receipt_id) VALUES (%s, %s, %s, 'r', 'a', %s, %s, 'c', 'onnx', 'x')"
                " ON CONFLICT (pipeline, version) DO UPDATE SET state = excluded.state",
                (NAME, version, state, "1" * 64, "2" * 64),
            )
        for version, state, action in states:
            if action:
                became = "champion" if action in ("promote", "rollback") else state
                connection.execute(
                    "INSERT INTO control.promotions (pipeline, version, action, state, by, "
                    "why) VALUES (%s, %s, %s, %s, 'test', 'test')",
                    (NAME, version, action, became),
                )


def _mirrored(databases: Any) -> list[bool]:
    with databases.connect("dataapi", "warehouse") as connection:
        return [
            row[0]
            for row in connection.execute(
                "SELECT mirrored_at IS NOT NULL FROM control.promotions ORDER BY id"
            ).fetchall()
        ]


def test_aliases_follow_the_record_and_are_repaired(databases: Any, pool: Any, mlflow: Any) -> None:
    """champion, candidate and previous are set, moved and removed with the record.

    What people change is put right; others' aliases stay.
    """
    publisher = Publisher(mlflow.url)
    for _ in range(3):
        run = publisher.start(NAME, name="run", tags={})
        run.register(NAME, about="Toys.", description="A version.", tags={})
    with ModelStore(mlflow.url) as store:
        mirror = Mirror(pool, store, interval_s=1)
        store.set_alias(NAME, "mine", "1")
        _promote(databases, ("1", "champion", "promote"), ("2", "candidate", "propose"))
        failed = [mirror.once()]
        first = store.aliases(NAME)
        _promote(databases, ("1", "retired", ""), ("2", "champion", "promote"))
        failed.append(mirror.once())
        second = store.aliases(NAME)
        store.set_alias(NAME, "champion", "3")
        failed.append(mirror.once())
        repaired = store.aliases(NAME)

    assert {"mine": "1", "champion": "1", "candidate": "2"} == first
    assert {"mine": "1", "champion": "2", "previous": "1"} == second
    assert second == repaired
    assert [0, 0, 0] == failed
    assert [True, True, True] == _mirrored(databases)


def test_an_absent_registry_is_counted_and_holds_nothing_up(databases: Any, pool: Any) -> None:
    """While MLflow is away each round counts a failure, and nothing is marked as mirrored."""
    _promote(databases, ("1", "champion", "promote"))
    before = REGISTRY.get_sample_value("mlplatform_dataapi_mirror_failures_total") or 0.0
    with ModelStore("http://127.0.0.1:1") as store:
        failed = [Mirror(pool, store, interval_s=1).once() for _ in range(2)]

    assert [1, 1] == failed
    assert before + 2 == REGISTRY.get_sample_value("mlplatform_dataapi_mirror_failures_total")
    assert [False] == _mirrored(databases)


def test_the_thread_mirrors_and_ends(databases: Any, pool: Any, wait: Any) -> None:
    """Started, it goes round by itself; stopped, it ends after its round."""
    _promote(databases, ("1", "champion", "promote"))
    before = REGISTRY.get_sample_value("mlplatform_dataapi_mirror_failures_total") or 0.0
    with ModelStore("http://127.0.0.1:1") as store:
        mirror = Mirror(pool, store, interval_s=0.01)
        mirror.start()
        wait(
            lambda: (
                (REGISTRY.get_sample_value("mlplatform_dataapi_mirror_failures_total") or 0.0)
                >= before + 2
            )
        )
        mirror.stop()
