"""Validation, split, tuning and the author's estimator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlplatform.errors import InvalidInput, Refused, SettingsError
from mlplatform.settings import PostgresSettings, Settings
from mlplatform.trainer.credentials import refuse_databases
from mlplatform.trainer.estimator import builder
from mlplatform.trainer.steps.split import split
from mlplatform.trainer.steps.tune import combinations, tune
from mlplatform.trainer.steps.validate import validate

FLAT = "from sklearn.linear_model import LogisticRegression\ndef build(parameters):\n    return LogisticRegression(**parameters)\n"


def _validate(table: Any, pinned: Any, *, featured: int = 200, quarantined: int = 0) -> None:
    validate(
        table,
        pinned.features.features,
        pinned.definition,
        featured=featured,
        quarantined=quarantined,
    )


def test_a_good_dataset_passes(table, pinned) -> None:
    """Enough rows of both classes, no nulls, nothing in quarantine: nothing is raised."""
    assert _validate(table(), pinned()) is None


def test_all_complaints_come_at_once(table, pinned) -> None:
    """Few rows, a large quarantine, null columns, a missing class, a strange label and a row that is there twice: one message names all."""
    rows = table(30)
    rows.features["age"][:20] = np.nan
    rows.request_ids[1] = rows.request_ids[0]
    rows.labels[:] = "no"
    rows.labels[0] = "maybe"
    with pytest.raises(InvalidInput) as refused:
        _validate(rows, pinned(), featured=30, quarantined=20)

    for part in (
        "30 labelled rows",
        "20 of 50 rows",
        "50% of age",
        "'yes' has 0 rows",
        "outside target.values: maybe",
        "occurs twice",
    ):
        assert part in str(refused.value)


def test_no_rows_at_all_are_told_as_such(table, pinned) -> None:
    """An empty dataset is refused by its size, not by an accident further on."""
    with pytest.raises(InvalidInput, match="0 labelled rows"):
        _validate(table(0), pinned())


def test_a_random_split_is_the_same_each_time_and_keeps_the_shares(table, pinned) -> None:
    """Equal seed, equal rows; another seed, others; no row is on both sides; the share is about the wanted one, also of each class."""
    rows = table(4000)
    train, test = split(rows, pinned().definition)
    again = split(rows, pinned().definition)[1]
    other = split(rows, pinned(split={"seed": 1}).definition)[1]

    assert again.identities() == test.identities() != other.identities()
    assert sorted(train.identities() + test.identities()) == rows.identities()
    assert len(test) == pytest.approx(1000, abs=100)
    assert np.mean(test.labels == "yes") == pytest.approx(np.mean(train.labels == "yes"), abs=0.05)


def test_a_row_keeps_its_side_when_others_come_and_go(table, pinned) -> None:
    """What a champion was trained on is never held out later: neither one row more nor a window that moved changes a row's side."""
    rows, definition = table(300), pinned().definition
    before = set(split(rows.take(np.arange(100, 299)), definition)[0].identities())
    after = set(split(rows, definition)[1].identities())

    assert before.isdisjoint(after)
    assert len(after) > 50


def test_rows_of_one_key_are_on_one_side(table, pinned) -> None:
    """Ten rows of each customer: none has some of its rows in train and others held out; rows without a key are drawn one by one."""
    rows = table(400)
    rows.keys[:300] = [f"customer {number % 30}" for number in range(300)]
    train, test = split(rows, pinned().definition)
    known = [{key for key in side.keys if key is not None} for side in (train, test)]

    assert known[0].isdisjoint(known[1])
    assert min(len(keys) for keys in known) > 0
    assert 10 < sum(key is None for key in test.keys) < 40


@pytest.mark.parametrize("share", [0.001, 0.999])
def test_a_tiny_table_has_rows_on_both_sides(table, pinned, share: float) -> None:
    """Where no row, or every row, falls below the share, the nearest one changes sides; a single key can't be divided at all."""
    rows = table(8)
    rows.labels[:] = "no"
    train, test = split(rows, pinned(split={"test_share": share}).definition)

    assert {len(train), len(test)} == {1, 7}
    rows.keys[:] = "the only one"
    with pytest.raises(InvalidInput, match="one key"):
        split(rows, pinned().definition)


@pytest.mark.parametrize("by", ["random", "time"])
def test_a_class_that_no_training_row_has_is_refused(table, pinned, by: str) -> None:
    """A class that would only be met in the held-out rows ends the run with its name: every metric of it would be an illusion."""
    rows = table()
    definition = pinned(split={"by": by}, target={"name": "left", "dtype": "string"}).definition
    test = split(rows, definition)[1]
    rows.labels[np.isin(rows.request_ids, test.request_ids[:30])] = "perhaps"

    with pytest.raises(InvalidInput, match="class perhaps"):
        split(rows, definition)


def test_a_split_by_time_holds_out_the_latest(table, pinned) -> None:
    """Every held-out row is later than every other; training rows come in the order of time."""
    train, test = split(table(), pinned(split={"by": "time"}).definition)

    assert train.times.max() < test.times.min()
    assert (np.diff(train.times) > np.timedelta64(0)).all()
    assert len(test) == 50


def test_combinations_are_drawn_once_each_with_the_seed(definition) -> None:
    """No combination twice, never more than there are, the same ones for the same seed."""
    space = {"a": [1, 2, 3, 4], "b": [True, False]}
    few = definition(tuning={"metric": "roc_auc", "space": space, "trials": 5})
    all_of_them = combinations(
        definition(tuning={"metric": "roc_auc", "space": space, "trials": 99})
    )

    assert combinations(few) == combinations(few)
    assert len({str(item) for item in combinations(few)}) == 5
    assert len({str(item) for item in all_of_them}) == len(all_of_them) == 8
    assert combinations(definition(tuning={"metric": "roc_auc", "space": {}})) == []


def _tune(table: Any, pinned: Any, **more: Any) -> Any:
    build = builder(pinned.files.model, commit="c" * 40, seed=0)
    return tune(build, table(120), pinned.features.features, pinned.definition, jobs=1, **more)


def test_tuning_takes_the_best_mean(table, pinned) -> None:
    """The best combination is the one with the best mean over the folds, whichever way the metric points."""
    higher = _tune(table, pinned())
    lower = _tune(
        table, pinned(tuning={"metric": "log_loss", "space": {"c": [1e-6, 1.0]}, "folds": 2})
    )

    assert higher.best == max(higher.trials, key=lambda trial: trial.mean).parameters
    assert lower.best == {"c": 1.0}
    assert [len(trial.scores) for trial in higher.trials] == [3, 3, 3]


def test_no_combination_starts_after_the_time_is_up(table, pinned) -> None:
    """A combination that takes 80 s leaves no room for a second one in 100 s, with its look at the clock; one always runs."""
    ticks = iter(range(0, 10_000, 40))
    cut = _tune(
        table,
        pinned(tuning={"metric": "roc_auc", "space": {"c": [1, 2, 3]}, "budget_s": 100}),
        clock=lambda: float(next(ticks)),
    )
    ticks = iter(range(0, 10_000_000, 40_000))
    least = _tune(table, pinned(), clock=lambda: float(next(ticks)))

    assert (len(cut.trials), cut.planned) == (1, 3)
    assert (len(least.trials), least.planned) == (1, 3)


def test_a_combination_that_fails_is_a_result(table, pinned) -> None:
    """A combination that the estimator refuses is recorded with its reason; when all are refused the run says so."""
    some = _tune(table, pinned(tuning={"metric": "roc_auc", "space": {"c": [-1.0, 1.0]}}))

    assert some.best == {"c": 1.0}
    assert [bool(trial.failure) for trial in some.trials if trial.parameters == {"c": -1.0}] == [
        True
    ]
    with pytest.raises(InvalidInput, match="no combination"):
        _tune(table, pinned(tuning={"metric": "roc_auc", "space": {"c": [-1.0]}}))


def test_a_lost_lease_stops_the_search(table, pinned) -> None:
    """What is asked between two combinations may end the search."""

    def lost() -> None:
        raise Refused("lost")

    with pytest.raises(Refused, match="lost"):
        _tune(table, pinned(), between=lost)


def test_open_seeds_are_set_and_chosen_ones_kept(tmp_path: Path) -> None:
    """A random_state that the author left open gets the split's seed, also deep inside; one that the author set stays."""
    model = tmp_path / "model.py"
    model.write_text(
        "from sklearn.pipeline import make_pipeline\nfrom sklearn.ensemble import RandomForestClassifier\nfrom sklearn.decomposition import PCA\n"
        "def build(parameters):\n    return make_pipeline(PCA(), RandomForestClassifier(random_state=5))\n"
    )
    found = builder(model, commit="c" * 40, seed=17)({}).get_params(deep=True)

    assert (found["pca__random_state"], found["randomforestclassifier__random_state"]) == (17, 5)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import nothing_like_this", "model.py failed"),
        ("def built(): pass", "no function build"),
        ("def build(parameters): raise ValueError('odd')", "odd"),
        ("def build(parameters): return 3", "int"),
    ],
)
def test_what_is_wrong_with_model_py_is_said(tmp_path: Path, source: str, said: str) -> None:
    """A model.py that can't be run, has no build, or builds no estimator is refused in words for its author."""
    (tmp_path / "model.py").write_text(source)
    with pytest.raises(InvalidInput, match=said):
        builder(tmp_path / "model.py", commit="c" * 40, seed=0)({})


def test_database_credentials_are_refused() -> None:
    """The trainer does not start with any database address among its settings, and names each."""
    refuse_databases(Settings())
    given = Settings(
        postgres=PostgresSettings(
            warehouse_dsn="postgresql://a@b/c", owner_raw_dsn="postgresql://a@b/c"
        )
    )

    with pytest.raises(SettingsError, match=r"WAREHOUSE_DSN.*OWNER_RAW_DSN"):
        refuse_databases(given)
