"""Snapshots of a real registry: made, proven, lost, brought back."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mlplatform.backup import main
from mlplatform.backup import snapshot as snapshots
from mlplatform.errors import IntegrityFailure, Refused, SettingsError, UnknownName


@pytest.fixture(autouse=True)
def _a_new_second_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots are named by the second; a test makes several in one."""
    moments = (
        datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number) for number in itertools.count()
    )
    monkeypatch.setattr(
        snapshots, "name_of", lambda _: next(moments).strftime("registry-%Y%m%dT%H%M%SZ")
    )


def _names(shop: Any) -> list[str]:
    return sorted(path.name for path in (shop.folder / "backups").iterdir())


def test_a_lost_registry_comes_back_and_answers_as_before(shop: Any) -> None:
    """A restore brings versions, tags, aliases, files and answers back, and counts on."""
    before = (shop.registry(), shop.answers(), shop.record())
    main.run(shop.settings())
    shop.wipe()
    restored = main.restore_snapshot(shop.restoring())
    after = (shop.registry(), shop.answers(), shop.record())

    assert before == after
    assert {"1": 6.0, "2": 10.0} == after[1]
    assert (2, False, ()) == (restored.versions, restored.control, restored.later)
    assert "3" == shop.publish(7.0)


def test_a_lost_promotion_record_comes_back_too(shop: Any) -> None:
    """With the promotion record lost as well, it is restored and gets new numbers."""
    before = (shop.registry(), shop.answers(), shop.record())
    main.run(shop.settings())
    shop.wipe()
    shop.wipe_record()
    restored = main.restore_snapshot(shop.restoring())

    assert before == (shop.registry(), shop.answers(), shop.record())
    assert restored.control
    shop.publish(7.0)
    assert 3 == len({row[0] for row in shop.record()})


def test_a_record_that_went_on_is_kept_and_what_is_gone_is_named(shop: Any) -> None:
    """A later version stays in the record; the restore says that its files are lost."""
    main.run(shop.settings())
    shop.publish(7.0)
    record = shop.record()
    shop.wipe()
    restored = main.restore_snapshot(shop.restoring())

    assert shop.record() == record
    assert restored.later == (f"{shop.name} version 3",)
    assert "4" == shop.publish(9.0)  # MLflow alone would count 3 again, and the record refuses that
    assert "4" == json.loads(shop.registry()[1])[-1]["version"]


def test_a_model_that_the_snapshot_does_not_know_goes_on_counting_too(shop: Any) -> None:
    """A pipeline with its first version after the snapshot gets its second after the restore."""
    main.run(shop.settings())
    later = type(shop)(f"{shop.name}-later", shop.mlflow, shop.databases, shop.folder / "later")
    with shop.databases.connect("owner", "warehouse") as connection:
        connection.execute(
            "INSERT INTO control.pipelines (name, definition, commit, features_digest, applied_by) "
            "VALUES (%s, '{}', 'c', 'd', 'test')",
            (later.name,),
        )
    later.publish(2.0)
    shop.wipe()
    main.restore_snapshot(shop.restoring())

    assert "2" == later.publish(4.0)


def test_a_registry_in_use_is_not_overwritten(shop: Any) -> None:
    """A restore refuses while MLflow holds anything; by force it replaces everything."""
    main.run(shop.settings())
    before = (shop.registry(), shop.answers(), shop.record())
    shop.publish(7.0)
    with pytest.raises(Refused, match="holds runs or models"):
        main.restore_snapshot(shop.restoring())
    main.restore_snapshot(shop.restoring(), force=True)

    assert before == (shop.registry(), shop.answers(), shop.record())


def test_a_record_that_contradicts_the_snapshot_is_not_overwritten(shop: Any) -> None:
    """When the record has another model under a number, the restore refuses and names it."""
    main.run(shop.settings())
    shop.wipe()
    with shop.databases.connect("owner", "warehouse") as connection:
        connection.execute(
            "UPDATE control.model_versions SET manifest_sha256 = %s WHERE version = '2'",
            ("0" * 64,),
        )

    with pytest.raises(Refused, match=f"{shop.name} version 2"):
        main.restore_snapshot(shop.restoring())


@pytest.mark.parametrize("place", ["artifacts", "mlflow", "control", "index.json", "more"])
def test_a_harmed_snapshot_is_refused(shop: Any, place: str) -> None:
    """One flipped byte or one file too many, and neither verify nor restore accepts it."""
    path = main.create_snapshot(shop.settings())
    main.verify_snapshot(shop.settings())
    if place == "more":
        (path / "artifacts" / "more").write_text("x")
    else:
        file = (
            path / place
            if place == "index.json"
            else max(
                (path / place).rglob("*"), key=lambda it: it.stat().st_size if it.is_file() else -1
            )
        )
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)

    with pytest.raises(IntegrityFailure, match=place):
        main.verify_snapshot(shop.settings(), path.name)
    with pytest.raises(IntegrityFailure, match=place):
        main.restore_snapshot(shop.restoring(), path.name, force=True)


def _harm(shop: Any, version: str) -> None:
    file = shop.model_file(version)
    data = bytearray(file.read_bytes())
    data[100] ^= 1
    file.write_bytes(data)


def test_a_harmed_model_is_reported_once_and_its_last_good_copy_stays(shop: Any) -> None:
    """A damaged model ends one backup with its name; later runs succeed; the good copy stays."""
    main.run(shop.settings(keep=1))
    _harm(shop, "1")
    with pytest.raises(IntegrityFailure, match=f"{shop.name} version 1"):
        main.run(shop.settings(keep=1))
    for _ in range(2):
        main.run(shop.settings(keep=1))
    left = _names(shop)
    _harm(shop, "2")
    with pytest.raises(IntegrityFailure, match=f"{shop.name} version 2"):
        main.run(shop.settings(keep=1))

    assert ["registry-20260101T000000Z", "registry-20260101T000003Z"] == left
    assert [
        "registry-20260101T000000Z",
        "registry-20260101T000003Z",
        "registry-20260101T000004Z",
    ] == _names(shop)


def test_a_snapshot_with_damaged_models_is_not_restored_by_accident(shop: Any) -> None:
    """A restore refuses damaged models by name, with --force too; if accepted, the rest returns."""
    _harm(shop, "1")
    with pytest.raises(IntegrityFailure):
        main.run(shop.settings())
    shop.wipe()
    with pytest.raises(Refused, match=f"damaged models: {shop.name} version 1"):
        main.restore_snapshot(shop.restoring(), force=True)

    assert 2 == main.restore_snapshot(shop.restoring(), accept_damaged=True).versions


def test_two_runs_at_once_do_not_sweep_each_other_away(shop: Any) -> None:
    """While a run makes a snapshot another one is refused."""
    folder = shop.folder / "backups"
    folder.mkdir()
    handle = os.open(folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with pytest.raises(Refused, match="another run"):
            main.run(shop.settings())
    finally:
        os.close(handle)


def test_only_the_newest_are_kept(shop: Any) -> None:
    """After a good snapshot all but the newest `keep` are removed, and what killed runs left."""
    for _ in range(3):
        main.run(shop.settings(keep=2))
    left = shop.folder / "backups" / ".registry-20260101T000003Z.part"
    left.mkdir()
    main.run(shop.settings(keep=2))

    assert ["registry-20260101T000002Z", "registry-20260101T000003Z"] == _names(shop)


def test_nothing_of_a_failed_snapshot_is_left(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """While MLflow is away the run retries for its time limit, fails, and leaves nothing."""
    monkeypatch.setattr(main, "WAIT_S", 1.5)
    begun = time.monotonic()
    away = shop.settings().model_copy(
        update={
            "registry": shop.settings().registry.model_copy(update={"url": "http://127.0.0.1:1"})
        }
    )
    with pytest.raises(Exception, match="no answer from MLflow"):
        main.run(away)

    assert time.monotonic() - begun > 1
    assert [] == _names(shop)


def test_the_backup_role_can_only_read(shop: Any) -> None:
    """A snapshot needs no right to write: Postgres refuses a restore under the backup's role."""
    main.run(shop.settings())
    shop.wipe()
    role = shop.databases.settings("backup")
    reading = shop.restoring().model_copy(
        update={"postgres": role.model_copy(update={"owner_warehouse_dsn": role.warehouse_dsn})}
    )
    with pytest.raises(Exception, match="permission denied"):
        main.restore_snapshot(reading)
    main.restore_snapshot(shop.restoring())


def test_what_is_missing_is_said(shop: Any, tmp_path: Path) -> None:
    """Without a snapshot, or without a setting, the message says so."""
    with pytest.raises(UnknownName, match="no snapshot"):
        main.verify_snapshot(shop.settings())
    with pytest.raises(SettingsError, match="BACKUP__FOLDER"):
        main.create_snapshot(
            shop.settings().model_copy(
                update={"backup": shop.settings().backup.model_copy(update={"folder": None})}
            )
        )
