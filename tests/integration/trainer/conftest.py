"""All that a training needs, on real servers: git repository, data API, etl, MLflow, standby."""

from __future__ import annotations

import hashlib
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
import yaml
from dulwich import porcelain
from pydantic import SecretStr

from mlplatform.access import digest
from mlplatform.client.dataapi import NDJSON, DataApi
from mlplatform.client.pipelines import apply
from mlplatform.cluster.local import LocalCluster
from mlplatform.contracts.promotion import ModelStatus, ModelVersion
from mlplatform.contracts.run import Run
from mlplatform.dataapi.app import create_app
from mlplatform.dataapi.main import build
from mlplatform.database.pools import PrimaryPool
from mlplatform.etl.catalogue import Catalogue
from mlplatform.etl.worker import Worker
from mlplatform.registry.store import ModelStore
from mlplatform.settings import (
    AccessSettings,
    DataApiSettings,
    RegistrySettings,
    Settings,
    SourceSettings,
    TrainerSettings,
)
from mlplatform.source.checkout import checkout
from mlplatform.trainer.begin import begun
from mlplatform.trainer.main import run
from mlplatform.trainer.report.summary import TrainingSummary

_numbers = itertools.count(1)
ROLES = {"admin": ["admin"], "trainer": ["trainer"]}
MODEL = """
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder


def build(parameters):
    words = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["home"]),
        remainder="passthrough",
        sparse_threshold=0,
    )
    return make_pipeline(words, LogisticRegression(C=parameters.get("c", 1.0), max_iter=1000))
"""
FEATURES = """
def engineer(columns):
    rest = {name: columns[name] for name in ("children", "member", "home")}
    return {"income": columns["income"] / 10, **rest}
"""
CASES = """
rows: {typical: {income: 50, children: 1, member: true, home: rent, city: Bonn}}
cases:
  - name: more income never hurts
    kind: monotone
    row: typical
    column: income
    values: [10, 50, 90]
    direction: up
    of: "yes"
"""
STRICT_CASES = (
    CASES + '  - {name: nobody is ever sure, kind: bounds, row: typical, of: "yes", max: 0.0}\n'
)


def definition(name: str, **changes: Any) -> dict[str, Any]:
    """Whether a loan is paid back; `city` is a raw column that no feature is made of."""
    document: dict[str, Any] = {
        "name": name,
        "description": "Whether a loan will be paid back in time.",
        "task": "classification",
        "columns": [
            {"name": "income", "dtype": "float64", "min": 0, "max": 1000},
            {"name": "children", "dtype": "int64"},
            {"name": "member", "dtype": "bool"},
            {"name": "home", "dtype": "string"},
            {"name": "city", "dtype": "string"},
        ],
        "target": {"name": "paid", "dtype": "string", "values": ["no", "yes"]},
        "key": "loan",
        "time": "asked_at",
        "tuning": {"metric": "roc_auc", "space": {"c": [0.1, 1.0]}, "folds": 2},
        "gates": [
            {"metric": "roc_auc", "min": 0.6},
            {"metric": "roc_auc", "against": "champion", "tolerance": 0.02},
        ],
        "approval": "auto",
    }
    return document | changes


def rows(count: int, *, seed: int = 0) -> list[dict[str, Any]]:
    """History rows with their target."""
    draw, begin = np.random.default_rng(seed), datetime(2026, 1, 1, tzinfo=UTC)
    found = []
    for number in range(count):
        income, children, member = (
            max(0.0, draw.normal(50, 15)),
            int(draw.integers(0, 5)),
            bool(draw.random() > 0.5),
        )
        home, city = str(draw.choice(["own", "rent"])), str(draw.choice(["Bonn", "Kiel"]))
        leans = (income - 50) / 10 - children / 2 + member + (home == "own") + draw.normal(0, 0.5)
        found.append(
            {
                "income": income,
                "children": children,
                "member": member,
                "home": home,
                "city": city,
                "paid": "yes" if leans > 0 else "no",
            }
            | {
                "loan": f"{seed}-{number}",
                "asked_at": (begin + timedelta(hours=number)).isoformat(),
            }
        )
    return found


@dataclass
class Bank:
    """One pipeline and all that its training needs."""

    name: str
    repository: Path
    databases: Any
    mlflow: Any
    settings: Settings  # the trainer's
    worker: Worker

    def client(self, caller: str) -> DataApi:
        """A client with the token of that caller."""
        return DataApi(self.settings.dataapi.url, SecretStr(f"token-{caller}"))

    def commit(
        self, *, features: str = FEATURES, model: str = MODEL, cases: str = CASES, **changes: Any
    ) -> str:
        """Commit the pipeline's files; returns the commit."""
        folder = self.repository / "pipelines" / self.name
        folder.mkdir(parents=True, exist_ok=True)
        document = yaml.safe_dump(definition(self.name, **changes))
        for name, text in {
            "pipeline.yaml": document,
            "model.py": model,
            "features.py": features,
            "cases.yaml": cases,
        }.items():
            (folder / name).write_text(text)
        porcelain.add(self.repository, [str(path) for path in folder.iterdir()])
        return porcelain.commit(
            self.repository,
            message=b"change",
            author=b"A <a@example.org>",
            committer=b"A <a@example.org>",
        ).decode()

    def apply(self, **files: Any) -> None:
        """Commit and apply."""
        self.commit(**files)
        with self.client("admin") as client:
            apply(client, checkout(self.settings.source), self.name)
        self.drain()

    def bring(self, history: list[dict[str, Any]], *, replicated: bool = True) -> None:
        """Import rows, let etl make features of them, and wait until the standby has them."""
        body = "\n".join(json.dumps(row) for row in history).encode()
        with self.client("admin") as client:
            client.import_rows(self.name, body, media=NDJSON, key=hashlib.sha256(body).hexdigest())
        self.drain(replicated=replicated)

    def drain(self, *, replicated: bool = True) -> None:
        """Let etl do all that there is to do."""
        while self.worker.step():
            pass
        if replicated:
            self.databases.catch_up()

    def train(self, **changes: Any) -> TrainingSummary:
        """One run of the trainer, as its process does it."""
        settings = self.settings.model_copy(update=changes)
        with begun(settings, self.name) as token:
            dataapi = settings.dataapi.model_copy(update={"token": token})
            return run(settings.model_copy(update={"dataapi": dataapi}), self.name, reason="test")

    def status(self) -> ModelStatus:
        """What serves and what waits."""
        with self.client("admin") as client:
            return client.model_status(self.name)

    def versions(self) -> list[ModelVersion]:
        """All versions of the model."""
        with self.client("admin") as client:
            return client.versions(self.name)

    def run(self, job: str) -> Run:
        """The record of the run of a Job."""
        with self.client("admin") as client:
            return client.run(self.name, job)

    def hold_lease(self, holder: str, *, ttl_s: float = 5) -> None:
        """Take the lease as another run would. Raises Refused while it is held."""
        with self.client("trainer") as client:
            client.take_lease(self.name, holder, ttl_s=ttl_s)

    def is_free(self) -> bool:
        """Whether no run holds the lease."""
        with self.databases.connect("dataapi", "warehouse") as connection:
            found = connection.execute(
                "SELECT 1 FROM control.leases WHERE pipeline = %s AND expires_at > now()",
                [self.name],
            )
            return found.fetchone() is None

    def runs(self) -> list[dict[str, Any]]:
        """The pipeline's MLflow runs, latest first."""
        api = f"{self.mlflow.url}/api/2.0/mlflow"
        experiment = httpx.get(
            f"{api}/experiments/get-by-name", params={"experiment_name": self.name}
        )
        if experiment.status_code == 404:
            return []
        ids = [experiment.json()["experiment"]["experiment_id"]]
        return list(
            httpx.post(
                f"{api}/runs/search",
                json={"experiment_ids": ids, "order_by": ["attributes.start_time DESC"]},
            ).json()["runs"]
        )

    def artifact(self, run_id: str, path: str) -> bytes:
        """One file of a run."""
        answer = httpx.get(
            f"{self.mlflow.url}/get-artifact", params={"run_id": run_id, "path": path}
        )
        answer.raise_for_status()
        return answer.content


@contextmanager
def _served(settings: Settings, folder: Path) -> Iterator[str]:
    """The data API under uvicorn in a thread; gives its address."""
    environment = folder / "trainer.json"
    environment.write_text("{}")
    cluster = LocalCluster(environment, folder / "logs")
    registry = ModelStore(settings.registry.url)
    app = create_app(build(settings, cluster=cluster, registry=registry))
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="on")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            thread.join(0.02)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def bank(databases: Any, mlflow: Any, tmp_path: Path) -> Iterator[Bank]:
    """A pipeline that is applied, with 400 rows of history."""
    with _opened(databases, mlflow, tmp_path) as found:
        yield found


@pytest.fixture
def bank_of_its_own(databases: Any, throwaway: Any, mlflow: Any, tmp_path: Path) -> Iterator[Bank]:
    """The same on a primary and standby that may be paused."""
    with _opened(type(databases)(throwaway, "raw", "warehouse"), mlflow, tmp_path) as found:
        yield found


@contextmanager
def _opened(databases: Any, mlflow: Any, tmp_path: Path) -> Iterator[Bank]:
    with ExitStack() as stack:
        tokens = tmp_path / "tokens.json"
        entries = [
            {"name": name, "roles": roles, "sha256": digest(f"token-{name}")}
            for name, roles in ROLES.items()
        ]
        tokens.write_text(json.dumps({"tokens": entries}))
        server = Settings(
            postgres=databases.settings("dataapi"),
            access=AccessSettings(tokens_file=tokens),
            dataapi=DataApiSettings(rate_per_s=1e6),
            registry=RegistrySettings(url=mlflow.url),
        )
        url = stack.enter_context(_served(server, tmp_path))
        repository = tmp_path / "repository"
        porcelain.init(repository).close()
        source = SourceSettings(url=str(repository), cache=tmp_path / "cache")
        pools = [PrimaryPool(dsn, server.postgres, name="etl") for dsn in _etl(databases)]
        for pool in pools:
            stack.callback(pool.close)
        settings = Settings(
            dataapi=DataApiSettings(url=url, token=SecretStr("token-trainer")),
            registry=RegistrySettings(url=mlflow.url),
            source=source,
            trainer=TrainerSettings(work=tmp_path / "work", wait_s=30),
        )
        catalogue = Catalogue(*pools, source, retry_s=0.001)
        found = Bank(
            f"loans-{next(_numbers)}",
            repository,
            databases,
            mlflow,
            settings,
            Worker(*pools, catalogue, settings.etl),
        )
        found.apply()
        found.bring(rows(400))
        yield found


def _etl(databases: Any) -> list[Any]:
    postgres = databases.settings("etl")
    return [postgres.raw_dsn, postgres.warehouse_dsn]


@pytest.fixture
def history() -> Callable[..., list[dict[str, Any]]]:
    """Make history rows: `history(count, seed=…)`."""
    return rows


@pytest.fixture
def strict_cases() -> str:
    """Cases of which one can't hold."""
    return STRICT_CASES
