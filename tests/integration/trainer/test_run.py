"""Whole trainings on real servers."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlplatform.client.pipelines import apply
from mlplatform.engine.load import load, read_signature
from mlplatform.errors import InvalidInput, Refused, Unavailable, UnfitModel
from mlplatform.registry.store import ModelStore
from mlplatform.settings import TrainerSettings
from mlplatform.source.checkout import checkout

OTHER_FEATURES = """
def engineer(columns):
    per_head = columns["income"] / (columns["children"] + 1)
    rest = {name: columns[name] for name in ("children", "member", "home")}
    return {"income": columns["income"], "per_head": per_head, **rest}
"""
STRICT = """
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
def build(parameters):
    words = make_column_transformer((OneHotEncoder(), ["home"]), remainder="passthrough")
    return make_pipeline(words, LogisticRegression(max_iter=1000))
"""
PRIOR = """
from sklearn.dummy import DummyClassifier
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
def build(parameters):
    return make_pipeline(make_column_transformer(("drop", ["home"])), DummyClassifier())
"""
HANGING_FEATURES = """
def engineer(columns):
    while (columns["income"] == 90.0).any():
        pass
    return {name: columns[name] for name in ("income", "children", "member", "home")}
"""
STEPS = [
    "pin",
    "wait",
    "extract",
    "validate",
    "split",
    "tune",
    "train",
    "export",
    "evaluate",
    "champion",
    "gates",
    "cases",
    "report",
    "register",
    "verify",
    "propose",
]


def _metrics(run: dict[str, Any]) -> dict[str, float]:
    return {metric["key"]: metric["value"] for metric in run["data"]["metrics"]}


def _share_of_yes(bank: Any, store: ModelStore, outcome: Any, folder: Path) -> float:
    version = next(each for each in bank.versions() if each.version == outcome.version)
    store.download(version.artifacts, folder / outcome.version, version.manifest_sha256)
    form = read_signature(folder / outcome.version)
    features = {
        "income": np.array([9.0]),
        "children": np.array([0]),
        "member": np.array([True]),
        "home": np.array(["own"], dtype=object),
    }
    answer = load(folder / outcome.version, form, trusted=()).predict(features)
    return float(answer["probabilities"][0, 1])


def test_a_training_ends_in_a_version_that_serves_what_was_judged(
    bank: Any, tmp_path: Path
) -> None:
    """History in, champion out: registered, verified, promoted by the pipeline's own approval.

    Its whole story is in MLflow.
    """
    outcome = bank.train()
    champion = bank.status().champion
    (run,) = bank.runs()
    receipt = json.loads(bank.artifact(outcome.run_id, "receipt.json"))
    gates = bank.artifact(outcome.run_id, "report/gates.json")
    report = bank.artifact(outcome.run_id, "report/report.html").decode()
    with ModelStore(bank.mlflow.url) as store:
        store.download(champion.artifacts, tmp_path / "model", champion.manifest_sha256)
        (version,) = store.versions(bank.name)
    form = read_signature(tmp_path / "model")
    features = {
        "income": np.array([9.0]),
        "children": np.array([0]),
        "member": np.array([True]),
        "home": np.array(["own"], dtype=object),
    }
    answer = load(tmp_path / "model", form, trusted=()).predict(features)

    assert (
        "champion",
        "onnx",
        {"train": 297, "test": 103},
    ) == (outcome.state, outcome.format, outcome.rows)
    assert (champion.version, champion.receipt_id, champion.metrics) == (
        outcome.version,
        receipt["id"],
        outcome.metrics,
    )
    assert (receipt["server_role"], receipt["rows"], receipt["query"]["digest"]) == (
        "standby",
        400,
        form.features_digest,
    )
    assert champion.gate_digest == outcome.gate_digest == hashlib.sha256(gates).hexdigest()
    assert (True, None) == (json.loads(gates)["passed"], json.loads(gates)["champion"])
    assert "<h2>Gates</h2>" in report
    assert 'src="http' not in report
    assert (run["info"]["status"], run["info"]["run_id"]) == ("FINISHED", outcome.run_id)
    assert list(outcome.seconds) == STEPS
    assert _metrics(run).keys() >= {"test_roc_auc", "tuning_mean", "rows_train"} | {
        f"seconds_{step}" for step in STEPS
    }
    assert 0 <= _metrics(run)["test_seen_same_label_share"] <= _metrics(run)["test_seen_share"] <= 1
    tags = {tag["key"]: tag["value"] for tag in version["tags"]}
    assert (tags["receipt_id"], tags["commit"], tags["manifest_sha256"]) == (
        receipt["id"],
        form.commit,
        outcome.manifest_sha256,
    )
    assert "Whether a loan will be paid back in time." in version["description"]
    assert ["yes"] == answer["prediction"].tolist()


def test_the_same_data_code_and_seed_give_the_same_model(bank: Any) -> None:
    """A second run without new data has the same metrics, rows by hash and model bytes.

    It is compared with the first as champion.
    """
    first, second = bank.train(), bank.train()
    champions = [
        json.loads(bank.artifact(outcome.run_id, "receipt.json")) for outcome in (first, second)
    ]

    assert (first.metrics, first.manifest_sha256) == (second.metrics, second.manifest_sha256)
    assert champions[0]["sha256"] == champions[1]["sha256"]
    assert (second.champion, second.champion_metrics, second.state) == (
        first.version,
        first.metrics,
        "champion",
    )


def test_grown_data_make_a_new_version_that_is_compared_on_the_same_rows(
    bank: Any, history: Any
) -> None:
    """After more rows came in, both versions are judged on the same held-out rows."""
    first = bank.train()
    bank.bring(history(200, seed=1))
    second = bank.train()

    assert 600 == sum(second.rows.values())
    assert second.rows["test"] > first.rows["test"]
    assert second.champion == first.version
    assert second.champion_metrics.keys() == second.metrics.keys()
    assert bank.status().previous.version == first.version


def test_a_standby_that_is_behind_is_waited_for(bank_of_its_own: Any, history: Any) -> None:
    """Rows that etl has passed are in the training, also when the standby replays them later.

    No run learns from less without a word.
    """
    bank = bank_of_its_own
    with bank.databases.cluster.superuser("warehouse", standby=True) as standby:
        standby.execute("SELECT pg_wal_replay_pause()")
        bank.bring(history(200, seed=1), replicated=False)
        resume = threading.Timer(2.0, lambda: standby.execute("SELECT pg_wal_replay_resume()"))
        resume.start()
        outcome = bank.train()
        resume.join()

    assert 600 == sum(outcome.rows.values())


def test_a_failing_gate_blocks(bank: Any) -> None:
    """Nothing is registered or proposed, and the error names the gate.

    The report is in a FAILED run, and the lease is free again.
    """
    bank.apply(gates=[{"metric": "roc_auc", "min": 0.9999}])
    with pytest.raises(Refused, match=r"roc_auc is .* required at least 0.9999") as refused:
        bank.train()
    (run,) = bank.runs()
    tags = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}

    assert ("FAILED", "failed") == (run["info"]["status"], tags["gates"])
    assert run["info"]["run_id"] in refused.value.fix
    assert b"not passed" in bank.artifact(run["info"]["run_id"], "report/report.html")
    assert [] == bank.versions()
    bank.hold_lease("another run", ttl_s=5)


def test_a_failing_case_blocks(bank: Any, strict_cases: str) -> None:
    """A model with fine metrics that misbehaves is not proposed, and the case is named."""
    bank.apply(cases=strict_cases)
    with pytest.raises(Refused, match="nobody is ever sure"):
        bank.train()

    assert [] == bank.versions()


def test_a_manual_pipeline_waits_for_a_person(bank: Any) -> None:
    """Where approval is manual the version is a candidate, and nothing serves."""
    bank.apply(approval="manual")
    outcome = bank.train()
    status = bank.status()

    assert (outcome.state, status.candidate.version, status.champion) == (
        "candidate",
        outcome.version,
        None,
    )


def test_rows_count_by_their_weight(bank: Any, history: Any, tmp_path: Path) -> None:
    """From the history through feature rows and dataset into fit; without one a row counts once.

    The model answers with the share of each class among its training rows.
    """
    bank.apply(weight="counts", model=PRIOR, gates=[{"metric": "accuracy", "min": 0.2}])
    once = bank.train()
    bank.bring([
        row | {"counts": 9.0 if row["paid"] == "yes" else 0.0} for row in history(400, seed=1)
    ])  # fmt: skip
    weighed = bank.train()
    with ModelStore(bank.mlflow.url) as store:
        shares = [_share_of_yes(bank, store, each, tmp_path) for each in (once, weighed)]

    assert 0.3 < shares[0] < 0.7
    assert shares[1] > 0.85


def test_what_can_be_known_before_is_no_end_of_a_training(bank: Any) -> None:
    """A gate on an unknown column ends the run in its first step."""
    bank.apply(gates=[{"metric": "roc_auc", "min": 0.5, "slice": "town"}])
    with pytest.raises(InvalidInput, match="'town' is neither a feature nor a raw column"):
        bank.train()
    (run,) = bank.runs()

    assert {"seconds_pin"} == {name for name in _metrics(run) if name.startswith("seconds_")}


def test_only_one_training_at_a_time(bank: Any) -> None:
    """While another run holds the lease a run ends at once and leaves no trace in MLflow."""
    bank.hold_lease("another run", ttl_s=60)
    with pytest.raises(Refused, match="another run"):
        bank.train()

    assert [] == bank.runs()


def test_a_champion_of_other_features_is_fed_with_its_own(bank: Any) -> None:
    """After features.py changed, the champion is compared on the same rows and its own features."""
    first = bank.train()
    bank.apply(features=OTHER_FEATURES)
    second = bank.train()

    assert (second.champion, second.state) == (first.version, "champion")
    assert second.champion_metrics == first.metrics
    assert bank.status().champion.features_digest != bank.status().previous.features_digest


def test_a_damaged_champion_is_reported_and_not_beaten_by_default(bank: Any) -> None:
    """When the champion's files differ from the manifest, a gate against it fails and says why."""
    bank.train()
    champion = bank.status().champion
    file = bank.mlflow.artifacts / champion.artifacts / "model.onnx"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)

    with pytest.raises(Refused, match=r"can't be compared.*model.onnx"):
        bank.train()


def test_a_gate_may_slice_by_a_raw_column(bank: Any) -> None:
    """A raw column that no feature is made of is read from the raw requests, for the test rows."""
    bank.apply(gates=[{"metric": "roc_auc", "min": 0.6, "slice": "city"}])
    outcome = bank.train()
    gates = json.loads(bank.artifact(outcome.run_id, "report/gates.json"))["gates"]

    assert ["city=Bonn", "city=Kiel"] == [gate["slice"] for gate in gates]
    assert sum(gate["rows"] for gate in gates) == outcome.rows["test"]


def test_the_applied_commit_is_trained_and_no_later_one(bank: Any) -> None:
    """A commit that was not applied changes nothing: the run records and runs the applied one."""
    with bank.client("admin") as client:
        applied = client.pipeline(bank.name).commit
    later = bank.commit(model="raise RuntimeError('not this one')")
    outcome = bank.train()

    assert bank.status().champion.commit == applied != later
    assert "champion" == outcome.state


def test_features_that_are_not_ready_are_not_waited_for_for_ever(bank: Any) -> None:
    """Without an etl the run ends after its wait, says what waits, and is FAILED in MLflow."""
    bank.commit(features=OTHER_FEATURES)
    with bank.client("admin") as client:
        apply(client, checkout(bank.settings.source), bank.name)
    with pytest.raises(Unavailable, match="1 requests wait"):
        bank.train(trainer=TrainerSettings(wait_s=0.2))

    assert ["FAILED"] == [run["info"]["status"] for run in bank.runs()]


def test_a_model_that_serving_could_not_load_is_never_proposed(bank: Any) -> None:
    """Text that no history holds: the row, and how to declare it away or handle it, end the run."""
    bank.apply(model=STRICT)
    with pytest.raises(UnfitModel) as caught:
        bank.train()

    assert [True] * 4 == [
        part in str(caught.value)
        for part in ("home='a'", "Unknown Category", "to blame is home", "handle_unknown")
    ]
    assert caught.value.fix.endswith("before the estimator): `values` for 'home'")
    assert [] == bank.versions()


def test_code_that_breaks_is_the_authors_error(bank: Any) -> None:
    """A model.py that raises ends the run in words for its author."""
    bank.apply(model="def build(parameters):\n    raise ValueError('no idea')\n")
    with pytest.raises(InvalidInput, match="no idea"):
        bank.train()


def test_features_that_do_not_come_back_for_a_case_fail_it(
    bank: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are ended after their time limit, and neither run nor lease is held by them."""
    monkeypatch.setattr("mlplatform.trainer.steps.pin.FEATURES_S", 1.0)
    bank.apply(features=HANGING_FEATURES)

    with pytest.raises(Refused, match=r"never hurts.*features\.py: took longer than 1 s"):
        bank.train()
    assert [] == bank.versions()
