"""Trainings whose search and fit run on a real Ray cluster, with real data API and MLflow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from load import until
from on_ray_models import FEATURES, LIGHTGBM, TUNING, XGBOOST
from ray_cluster import LocalRay, local_ray
from trainer_process import start

from mlplatform.errors import IntegrityFailure, InvalidInput, Refused, Unauthenticated, Unavailable
from mlplatform.registry.store import ModelStore
from mlplatform.settings import RaySettings
from mlplatform.trainer.ray import train
from mlplatform.trainer.ray.follow import JobLog

ENDLESS = XGBOOST.replace("n_estimators=40", "n_estimators=1_000_000")
BROKEN = XGBOOST.replace("n_estimators=40", "tree_method='no such method'")
CASES = {
    "xgboost": {"model": XGBOOST},
    "lightgbm": {"model": LIGHTGBM},
    "halving": {"model": XGBOOST, "tuning": {**TUNING, "search": "halving", "trials": 8}},
    "early stopping": {"model": XGBOOST, "early_stopping": {"share": 0.2, "rounds": 3}},
}
ON_RAY = {"features": FEATURES, "tuning": TUNING, "training": {"engine": "ray"}}
COMPUTED = {"tuning_mean", "tuning_trials", "tuning_planned", "tuning_rows", "trees"}


def _model(bank: Any, folder: Path) -> bytes:
    champion = bank.status().champion
    with ModelStore(bank.mlflow.url) as store:
        store.download(champion.artifacts, folder, champion.manifest_sha256)
    return (folder / "model.onnx").read_bytes()


def _search(bank: Any) -> tuple[dict[str, Any], dict[str, float]]:
    """The best parameters, and what was measured on the way, of the latest run."""
    data = bank.runs()[0]["data"]
    best = {each["key"]: each["value"] for each in data["params"] if each["key"][:5] == "best_"}
    metrics = {each["key"]: each["value"] for each in data["metrics"]}
    return best, {name: value for name, value in metrics.items() if name in COMPUTED}


def _last(ray: LocalRay) -> str:
    """The latest job's status."""
    return str(ray.jobs()[-1]["status"])


@pytest.mark.parametrize("case", CASES)
def test_the_same_model_comes_back(
    bank: Any, on: dict[str, Any], case: str, tmp_path: Path
) -> None:
    """The same search, and a version of the same bytes, as without Ray."""
    files = {"features": FEATURES, "tuning": TUNING, **CASES[case]}
    bank.apply(**files)
    alone, bytes_alone = bank.train(), _model(bank, tmp_path / "alone")
    search_alone = _search(bank)
    bank.apply(**files, training={"engine": "ray"})
    outcome, bytes_on_ray = bank.train(**on), _model(bank, tmp_path / "on-ray")

    assert search_alone == _search(bank)
    assert bytes_alone == bytes_on_ray
    assert alone.metrics == outcome.metrics
    assert (alone.rows, "champion") == (outcome.rows, outcome.state)
    assert alone.version != outcome.version


def test_the_job_holds_no_password(bank: Any, on: dict[str, Any], ray: LocalRay) -> None:
    """Ray shows whoever sees its dashboard the run's token, which is dead then, and no other."""
    bank.apply(**ON_RAY, model=XGBOOST)
    bank.train(**on)
    environment = ray.jobs()[-1]["runtime_env"]["env_vars"]

    assert ["MLPLATFORM_DATAAPI__TOKEN", "MLPLATFORM_DATAAPI__URL", "MLPLATFORM_REGISTRY__URL"] == (
        sorted(environment)
    )
    assert environment["MLPLATFORM_DATAAPI__TOKEN"] not in ray.jobs()[-1]["entrypoint"]


def test_a_fit_that_fails_says_why(bank: Any, on: dict[str, Any]) -> None:
    """The run ends with the end of the job's log."""
    bank.apply(**ON_RAY, model=BROKEN)
    with pytest.raises(Refused, match="no such method") as caught:
        bank.train(**on)

    assert "training.engine" == caught.value.field


def test_a_run_that_takes_too_long_stops_its_job(
    bank: Any, on: dict[str, Any], ray: LocalRay
) -> None:
    """The run's own limit ends both."""
    bank.apply(**ON_RAY, model=ENDLESS, timeout_s=25)
    with pytest.raises(Refused, match="timeout_s"):
        bank.train(**on)

    assert "STOPPED" == _last(ray)


def test_a_killed_trainer_leaves_no_job_behind(bank: Any, ray: LocalRay, tmp_path: Path) -> None:
    """Nobody is left to stop the job: it ends itself when its run's token is dead."""
    bank.apply(**ON_RAY, model=ENDLESS)
    log = tmp_path / "log"
    with start(bank.settings, bank.name, log, RAY__ADDRESS=ray.address) as trainer:
        until(lambda: "training rows" in log.read_text(), "the job has the rows", deadline_s=120)
        trainer.kill()
    until(lambda: _last(ray) not in ("PENDING", "RUNNING"), "the job has ended", deadline_s=150)

    assert "FAILED" == _last(ray)
    assert "the run that submitted this job has ended" in ray.log_of(ray.jobs()[-1])
    assert [] == bank.versions()


def test_another_dataset_is_refused(bank: Any, on: dict[str, Any], monkeypatch: Any) -> None:
    """The job compares what it reads with the receipt of the trainer's own read."""
    task = train._task

    def other(*arguments: Any) -> Any:
        found = task(*arguments)
        receipt = found.receipt.model_copy(update={"sha256": "0" * 64})
        return found.model_copy(update={"receipt": receipt})

    monkeypatch.setattr(train, "_task", other)
    bank.apply(**ON_RAY, model=XGBOOST)
    with pytest.raises(Refused, match="is not what the trainer read: 400 rows"):
        bank.train(**on)


def test_a_changed_result_is_refused(bank: Any, on: dict[str, Any], monkeypatch: Any) -> None:
    """Whoever may write to MLflow can't put another model in the place of the job's."""
    read = ModelStore.read_within

    def changed(store: ModelStore, path: str, **options: Any) -> bytes:
        found = read(store, path, **options)
        return found + b" " if path.endswith("model.xgboost") else found

    monkeypatch.setattr(ModelStore, "read_within", changed)
    bank.apply(**ON_RAY, model=XGBOOST)
    with pytest.raises(IntegrityFailure, match="is not what the Ray job wrote"):
        bank.train(**on)

    assert [] == bank.versions()


def test_a_lost_cluster_ends_the_run(bank: Any, monkeypatch: Any) -> None:
    """It names the setting, and nothing is registered."""
    bank.apply(**ON_RAY, model=ENDLESS)
    take = JobLog.take
    with local_ray() as lost:

        def killing(log: JobLog, text: str, **options: Any) -> None:
            take(log, text, **options)
            if "training rows" in text and lost.process.poll() is None:
                lost.kill()

        monkeypatch.setattr(JobLog, "take", killing)
        with pytest.raises(Unavailable, match=r"given up after 5 s.*its log ends") as caught:
            bank.train(ray=RaySettings(address=lost.address, lost_s=5))

    assert "MLPLATFORM_RAY__ADDRESS" == caught.value.field
    assert [] == bank.versions()


def test_an_address_without_a_cluster_is_named(bank: Any) -> None:
    """And no address at all is refused before the data is read."""
    bank.apply(**ON_RAY, model=XGBOOST)
    with pytest.raises(Unavailable, match=r"no answer from Ray at http://127\.0\.0\.1:1"):
        bank.train(ray=RaySettings(address="http://127.0.0.1:1", lost_s=1))
    with pytest.raises(Refused, match="no Ray cluster is known") as caught:
        bank.train()

    assert "MLPLATFORM_RAY__ADDRESS" == caught.value.field


def test_a_cluster_with_a_token(bank: Any) -> None:
    """Ray's own token lets a run in, and another one is refused by its setting's name."""
    secret = "b" * 40
    with local_ray(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secret) as guarded:
        bank.apply(**ON_RAY, model=XGBOOST)
        with pytest.raises(Unauthenticated) as caught:
            bank.train(ray=RaySettings(address=guarded.address, token="c" * 40))
        outcome = bank.train(ray=RaySettings(address=guarded.address, token=secret))

    assert "MLPLATFORM_RAY__TOKEN" == caught.value.field
    assert "champion" == outcome.state


def test_a_pipeline_around_the_booster_is_refused(bank: Any, on: dict[str, Any]) -> None:
    """Only a library's own file comes back; the fix says where texts are encoded."""
    bank.apply(**ON_RAY)  # a pipeline of scikit-learn
    with pytest.raises(InvalidInput, match="must stand alone") as caught:
        bank.train(**on)

    assert "encode texts in features.py" in str(caught.value.fix)
    assert "ray" not in json.dumps(bank.runs()[0]["data"]["metrics"])
