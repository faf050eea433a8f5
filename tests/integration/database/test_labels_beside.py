"""Labels in feature rows and beside them: any history gives what one list of labels would give."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psycopg
import pytest

from mlplatform.contracts.columns import Feature
from mlplatform.contracts.dataset import DatasetQuery
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.request import new_request_id
from mlplatform.database import (
    dataset_contract,
    dataset_sql,
    feature_rows,
    feature_sets,
    labels,
    pipelines,
)
from mlplatform.database.feature_rows import FeatureBatch
from mlplatform.database.imported_labels import ImportedLabels
from mlplatform.database.labels import Label

NAME = "churn"
FEATURES = [Feature(name="age", dtype="float64")]
DIGESTS = ("a" * 64, "b" * 64, "c" * 64)
FOREVER = 2**62
Row = tuple[str, int]


def _definition(target: str) -> PipelineDefinition:
    return PipelineDefinition.parse(
        {
            "name": NAME,
            "description": "Whether a customer leaves.",
            "task": "regression",
            "columns": [{"name": "age", "dtype": "float64"}],
            "target": {"name": target, "dtype": "float64"},
            "tuning": {"metric": "rmse"},
            "gates": [{"metric": "rmse", "max": 5}],
        }
    )


@dataclass
class Told:
    """What holds by the rules: each label from a mark to a mark, in one list for all digests."""

    targets: dict[str, str] = field(default_factory=dict)
    target: str = ""
    made: dict[str, dict[Row, int]] = field(default_factory=dict)
    spans: dict[Row, list[list[Any]]] = field(default_factory=dict)  # from, to, value, source

    def store(self, digest: str, given: dict[Row, float | None], mark: int) -> None:
        """Rows of a digest with what their fields say; only its own target labels."""
        for row, value in given.items():
            self.made.setdefault(digest, {}).setdefault(row, mark)
            if self.targets[digest] == self.target:
                self._say(row, value, "import", mark)

    def feed(self, given: dict[Row, float], mark: int) -> None:
        """Labels that callers send."""
        for row, value in given.items():
            self._say(row, value, "feedback", mark)

    def _say(self, row: Row, value: float | None, source: str, mark: int) -> None:
        spans = self.spans.setdefault(row, [])
        last = spans[-1] if spans and spans[-1][1] == FOREVER else None
        if last is not None:
            if last[2] == value or (last[3] == "feedback" and source == "import"):
                return
            last[1] = mark
        if value is not None:
            spans.append([mark, FOREVER, value, source])

    def labels(self, mark: int) -> dict[Row, tuple[float, str]]:
        """Row -> value and source of the label at a mark."""
        return {
            row: (span[2], span[3])
            for row, spans in self.spans.items()
            for span in spans
            if span[0] <= mark < span[1]
        }

    def training(self, digest: str, mark: int) -> dict[Row, float]:
        """Rows of a digest that have a label at a mark."""
        held = self.labels(mark)
        return {
            row: held[row][0]
            for row, since in self.made.get(digest, {}).items()
            if since <= mark and row in held
        }


@dataclass
class Scene:
    """A pipeline with digests, written as etl and the data API write it."""

    databases: Any
    told: Told = field(default_factory=Told)
    marks: list[int] = field(default_factory=list)

    def apply(self, digest: str, target: str) -> None:
        """Make a digest the pipeline's, with its target."""
        self.told.target = self.told.targets[digest] = target
        with self.databases.connect("dataapi", "warehouse") as connection, connection.transaction():
            pipelines.apply(
                connection, _definition(target), commit="c", digest=digest, caller="test"
            )

    def store(self, digest: str, given: dict[Row, float | None]) -> None:
        """One batch of etl: imported rows with what the digest's target field says."""
        ids, rows = [row[0] for row in given], [row[1] for row in given]
        numbers = np.array([np.nan if value is None else value for value in given.values()])
        batch = FeatureBatch(
            ids=ids,
            rows=rows,
            times=np.full(len(ids), np.datetime64("2026-01-01", "us")),
            keys=[None] * len(ids),
            features={"age": np.arange(float(len(ids)))},
            labels=ImportedLabels(ids, rows, numbers, np.full(len(ids), None, np.object_)),
        )
        with self.databases.connect("etl", "warehouse") as connection, connection.transaction():
            found = feature_sets.find(connection, NAME, digest)
            table = feature_sets.make_table(connection, found, FEATURES, None)
            feature_rows.store(connection, NAME, digest, table, batch)
        self.told.store(digest, given, self._mark())

    def feed(self, given: dict[Row, float]) -> None:
        """Labels that callers send."""
        with self.databases.connect("dataapi", "warehouse") as connection, connection.transaction():
            labels.add_feedback(
                connection, [Label(NAME, *row, value, None) for row, value in given.items()]
            )
        self.told.feed(given, self._mark())

    def training(self, digest: str, mark: int) -> dict[Row, float]:
        """Row -> label of the training dataset as of a mark."""
        found = self._read("training", digest, mark)
        assert [row[:2] for row in found] == sorted(row[:2] for row in found)
        return {(request_id, row): value for request_id, row, *_, value in found}

    def labels(self, mark: int) -> dict[Row, tuple[float, str]]:
        """Row -> value and source of the labels dataset as of a mark."""
        found = self._read("labels", None, mark)
        assert len(found) == len({row[:2] for row in found})
        assert [row[:2] for row in found] == sorted(row[:2] for row in found)
        return {(row[0], row[1]): (row[4], row[3]) for row in found}

    def differences(self) -> list[tuple[str, int]]:
        """Datasets that are not what they should be, and as of which mark."""
        found = []
        for mark in [*self.marks, FOREVER - 1]:
            if self.told.labels(mark) != self.labels(mark):
                found.append(("labels", mark))
            found += [
                (digest, mark)
                for digest in self.told.made
                if self.told.training(digest, mark) != self.training(digest, mark)
            ]
        return found

    def retain(self) -> list[str]:
        """Drop tables that nothing uses, as retention does; returns their names."""
        with self.databases.connect("dataapi", "warehouse") as connection:
            gone = connection.execute(
                "SELECT name FROM warehouse.remove_feature_sets(%s, now() + interval '1 day', "
                "'{}', now(), true)",
                (NAME,),
            ).fetchall()
        return [name for (name,) in gone]

    def remove(self, what: str, *, most: int = 10_000, remove: bool = True) -> tuple[int, int]:
        """Remove labels or feature rows as retention does once their requests are gone.

        Returns their number and size.
        """
        days = "now() + interval '1 day', " if what == "labels" else ""
        with self.databases.connect("dataapi", "warehouse") as connection:
            return connection.execute(
                f"SELECT items, size FROM warehouse.remove_{what}(%s, {days}"
                "'ffffffff-ffff-ffff-ffff-ffffffffffff', '{}', now(), %s, %s)",
                (NAME, most, remove),
            ).fetchone()

    def _read(self, kind: str, digest: str | None, mark: int) -> list[Any]:
        with self.databases.connect("owner", "warehouse") as connection:
            source = dataset_contract.one(connection, f"{NAME}.{kind}", digest)
            return connection.execute(
                dataset_sql.statement(source, DatasetQuery(), as_of=mark)
            ).fetchall()

    def _mark(self) -> int:
        with self.databases.connect("owner", "warehouse") as connection:
            (mark,) = connection.execute("SELECT value FROM warehouse.mark").fetchone()
        self.marks.append(mark)
        return int(mark)


@pytest.fixture
def scene(databases: Any) -> Scene:
    return Scene(databases)


def _rows(count: int) -> list[Row]:
    return [(new_request_id(), row) for _ in range(count // 2) for row in range(2)]


def _count(scene: Scene) -> int:
    with scene.databases.connect("owner", "warehouse") as connection:
        return int(connection.execute("SELECT count(*) FROM warehouse.labels").fetchone()[0])


@pytest.mark.parametrize("seed", range(6))
def test_any_history_gives_the_labels_of_one_list(scene: Scene, seed: int) -> None:
    """Digests, targets, corrections, emptied fields, feedback, rows that are read again."""
    chance = random.Random(seed)
    rows = _rows(8)
    fields = {(row, name): chance.choice([None, 1.0, 2.0]) for row in rows for name in "xy"}
    scene.apply(DIGESTS[0], "x")
    for _ in range(25):
        act = chance.random()
        some = chance.sample(rows, chance.randint(1, len(rows)))
        if act < 0.1:
            digest = chance.choice(DIGESTS)
            scene.apply(digest, "y" if digest == DIGESTS[1] else "x")
        elif act < 0.25:
            scene.feed({row: chance.choice([1.0, 2.0, 3.0]) for row in some[:3]})
        elif act < 0.4:
            fields[chance.choice(rows), chance.choice("xy")] = chance.choice([None, 1.0, 2.0, 4.0])
        else:
            digest = chance.choice(list(scene.told.targets))
            target = scene.told.targets[digest]
            scene.store(digest, {row: fields[row, target] for row in sorted(some)})
    assert [] == scene.differences()


def test_an_import_writes_nothing_beside_its_rows(scene: Scene) -> None:
    """Also when a second digest reads the same rows, and when feedback says the same."""
    given = {row: float(number) for number, row in enumerate(_rows(6))}
    for digest in DIGESTS[:2]:
        scene.apply(digest, "x")
        scene.store(digest, given)
    scene.feed(given)

    assert 0 == _count(scene)
    assert [] == scene.differences()


def test_feedback_wins_whenever_it_comes(scene: Scene) -> None:
    """Before the row, after it, and over a later import; under each digest."""
    early, late, *_ = rows = _rows(4)
    scene.apply(DIGESTS[0], "x")
    scene.feed({early: 7.0})
    scene.store(DIGESTS[0], dict.fromkeys(rows, 1.0))
    scene.feed({late: 8.0})
    scene.apply(DIGESTS[1], "x")
    scene.store(DIGESTS[1], dict.fromkeys(rows, 2.0))

    found = scene.training(DIGESTS[1], FOREVER - 1)
    assert [7.0, 8.0, 2.0, 2.0] == [found[row] for row in rows]
    assert [] == scene.differences()


def test_the_labels_of_a_table_that_goes_stay(scene: Scene) -> None:
    """Those that no other table has; the others lie there."""
    only, both, corrected, empty = _rows(4)
    scene.apply(DIGESTS[0], "x")
    scene.store(DIGESTS[0], {only: 1.0, both: 2.0, corrected: 3.0, empty: None})
    scene.apply(DIGESTS[1], "x")
    scene.store(DIGESTS[1], {both: 2.0, corrected: 4.0})
    gone = scene.retain()

    assert [f"churn_{DIGESTS[0][:12]}"] == gone
    assert 3 == _count(scene)  # with what the row said before it was corrected
    scene.told.made.pop(DIGESTS[0])
    held = scene.labels(FOREVER - 1)
    assert {only: 1.0, both: 2.0, corrected: 4.0} == {row: held[row][0] for row in held}
    assert scene.told.training(DIGESTS[1], FOREVER - 1) == scene.training(DIGESTS[1], FOREVER - 1)


def test_a_read_of_labels_that_is_needed_survives_the_table(scene: Scene) -> None:
    """As of a mark before the other digest came to the row."""
    (row, _) = _rows(2)
    scene.apply(DIGESTS[0], "x")
    scene.store(DIGESTS[0], {row: 1.0})
    scene.apply(DIGESTS[1], "x")
    scene.store(DIGESTS[1], {row: 1.0})
    first, second = scene.marks
    receipt = {"as_of": first, "run": "r", "query": {}}
    with scene.databases.connect("owner", "warehouse") as connection:
        connection.execute(
            "INSERT INTO control.receipts (id, dataset, receipt) VALUES ('r', 'churn.labels', %s)",
            (json.dumps(receipt),),
        )
    scene.retain()

    assert [{row: (1.0, "import")}] * 2 == [scene.labels(mark) for mark in (first, second)]


def test_a_table_without_room_has_its_labels_apart(scene: Scene) -> None:
    """One of an earlier version of etl, or as wide as a table can be."""
    rows = _rows(4)
    for digest in DIGESTS[:2]:
        scene.apply(digest, "x")
        scene.store(digest, {})
    with scene.databases.connect("owner", "warehouse") as connection:
        connection.execute(
            f"ALTER TABLE features.churn_{DIGESTS[0][:12]} DROP COLUMN __label_number, "
            "DROP COLUMN __label_text"
        )
    scene.store(DIGESTS[1], {rows[0]: 1.0, rows[1]: 2.0})
    scene.store(DIGESTS[0], {rows[1]: 2.0, rows[2]: 3.0, rows[3]: None})
    scene.store(DIGESTS[1], {rows[2]: 3.0, rows[3]: 4.0})

    assert [] == scene.differences()


def test_two_labels_of_a_row_never_hold_at_once(scene: Scene) -> None:
    """A label has a number or a text; without both it ends another, and is none itself."""
    (row, _) = _rows(2)
    with (
        scene.databases.connect("owner", "warehouse") as connection,
        pytest.raises(psycopg.errors.CheckViolation),
    ):
        connection.execute(
            "INSERT INTO warehouse.labels (pipeline, request_id, row, number, text, source, "
            "valid_from) VALUES ('churn', %s, 0, 1, 'x', 'import', 1)",
            (row[0],),
        )
    scene.apply(DIGESTS[0], "x")
    scene.store(DIGESTS[0], {row: 1.0})
    scene.store(DIGESTS[0], {row: None})

    assert {} == scene.labels(FOREVER - 1) == scene.training(DIGESTS[0], FOREVER - 1)
    assert {row: 1.0} == scene.training(DIGESTS[0], scene.marks[0])


def _two_digests(scene: Scene) -> dict[Row, tuple[float, str]]:
    """Rows of two digests: of one, of both, corrected by feedback and by an import, ended."""
    rows = _rows(12)
    for digest, some in ((DIGESTS[0], rows[:10]), (DIGESTS[1], rows[2:])):
        scene.apply(digest, "x")
        scene.store(digest, {row: float(number) for number, row in enumerate(rows) if row in some})
    scene.feed(dict.fromkeys(rows[3:5], 50.0))
    scene.store(DIGESTS[1], {rows[5]: 60.0, rows[6]: None})
    scene.feed({rows[3]: 3.0})
    with scene.databases.connect("owner", "warehouse") as connection:
        connection.execute(  # both digests are in use
            "INSERT INTO control.model_versions (pipeline, version, state, run_id, artifacts, "
            "manifest_sha256, features_digest, commit, format, receipt_id) VALUES "
            "(%s, '1', 'candidate', '', '', '', %s, '', '', '')",
            (NAME, DIGESTS[0]),
        )
    return scene.labels(FOREVER - 1)


def test_removed_labels_bring_no_earlier_one_back(scene: Scene) -> None:
    """Whichever transaction a run dies after; a dry run counts each label once."""
    before = _two_digests(scene)
    said, gone = scene.remove("labels", remove=False), [0, 0]
    while (done := scene.remove("labels", most=1))[0]:
        gone = [gone[0] + done[0], gone[1] + done[1]]
        left = scene.labels(FOREVER - 1)
        assert {row: before[row] for row in left} == left

    assert (*gone,) == said
    assert len(before) < said[0]
    assert {} == scene.labels(FOREVER - 1) == scene.training(DIGESTS[0], FOREVER - 1)


def test_labels_outlive_their_feature_rows(scene: Scene) -> None:
    """Each moves once, when the last digest's row goes, and is removed as it would have been."""
    before = _two_digests(scene)
    said = scene.remove("labels", remove=False)
    while scene.remove("feature_rows", most=3)[0]:
        assert before == scene.labels(FOREVER - 1)

    assert {} == scene.training(DIGESTS[1], FOREVER - 1)
    assert said == scene.remove("labels")
    assert {} == scene.labels(FOREVER - 1)
