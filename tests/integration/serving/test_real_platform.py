"""Serving against the real data API, the real promotion record and the real MLflow."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from pydantic import SecretStr
from stored_runs import gate_report, store_report

from mlplatform.access import digest
from mlplatform.client.dataapi import DataApi
from mlplatform.cluster.local import LocalCluster
from mlplatform.contracts.dataset import DatasetQuery, Receipt
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.pipeline_status import ApplyRequest
from mlplatform.contracts.promotion import ModelFacts, ModelVersion, Proposal
from mlplatform.dataapi.app import create_app
from mlplatform.dataapi.main import build
from mlplatform.features.code import load
from mlplatform.registry.publish import Publisher
from mlplatform.registry.store import ModelStore
from mlplatform.settings import AccessSettings, DataApiSettings, Settings

NAME = "ward-real"
FEATURES = b"""
def engineer(columns):
    load = columns["bmi"] * columns["dose"]
    return {"age": columns["age"], "load": load, "class": columns["class"]}
"""


RECEIPT = Receipt(
    id="receipt",
    dataset=f"{NAME}.training",
    query=DatasetQuery(),
    server_role="standby",
    server="standby",
    lsn="0/0",
    timeline=1,
    lag_bytes=0,
    as_of=1,
    rows=400,
    sha256="0" * 64,
    read_at=datetime.now(UTC),
    caller="admin",
)


@dataclass
class Real:
    """A data API over databases of the test's own, and MLflow."""

    url: str
    mlflow: Any
    databases: Any
    platform: Any  # builds model folders
    commit: str

    def admin(self) -> DataApi:
        """A client that may do everything."""
        return DataApi(self.url, SecretStr("token-admin"))

    def publish(self, *, seed: int) -> ModelVersion:
        """Train a version, store it in MLflow as the trainer does, and record it as verified."""
        made = self.platform.publish(
            NAME, f"seed-{seed}", seed=seed, source=FEATURES, commit=self.commit
        )
        publisher = Publisher(self.mlflow.url)
        run = publisher.start(NAME, name="test", tags={})
        run.files(self.platform.folder / made.artifacts, "model")
        number = run.register(
            NAME, about="A model of a test.", description="A version of a test.", tags={}
        )
        run.finish("FINISHED")
        version = made.model_copy(
            update={"version": number, "run_id": run.id, "artifacts": f"{run.artifacts}/model"}
        )
        unknown = {"pipeline", "state", "gate_digest", "created_at"}
        facts = ModelFacts(**version.model_dump(exclude=unknown))
        with self.admin() as api:
            api.register(NAME, facts)
            api.mark_verified(NAME, number, manifest_sha256=made.manifest_sha256)
        return version

    def propose(self, version: ModelVersion) -> None:
        """Propose, with a gate report of the only gate."""
        with self.admin() as api:
            champion = api.model_status(NAME).champion
            compared = champion and champion.version
            report = gate_report(NAME, version.model_dump(), RECEIPT, "roc_auc", champion=compared)
            digest = store_report(self.mlflow.url, version.artifacts, report)
            proposal = Proposal(
                version=version.version, why="test", gate_digest=digest, champion=compared
            )
            api.propose(NAME, proposal)

    def approve(self, number: str) -> None:
        """Put what was proposed in front of the traffic."""
        with self.admin() as api:
            api.decide(NAME, "approve", version=number, why="test")

    def roll_back(self) -> None:
        """To the champion before this one."""
        with self.admin() as api:
            api.decide(NAME, "rollback", why="test")

    def outboxes(self) -> list[Any]:
        """What the database knows of outboxes."""
        with self.databases.connect("dataapi", "raw") as connection:
            return connection.execute(
                "SELECT outbox_id::text, accepted, versions, closed FROM raw.outboxes"
            ).fetchall()


@pytest.fixture
def real(databases: Any, mlflow: Any, platform: Any, scene: Any, tmp_path: Path) -> Iterator[Real]:
    """The real platform, with the pipeline `ward-<n>` applied."""
    tokens = tmp_path / "api-tokens.json"
    entries = [
        {"name": name, "roles": [name], "sha256": digest(f"token-{name}")}
        for name in ("admin", "serving")
    ]
    tokens.write_text(json.dumps({"tokens": entries}))
    environment = tmp_path / "trainer.json"
    environment.write_text("{}")
    settings = Settings(
        postgres=databases.settings("dataapi"),
        access=AccessSettings(tokens_file=tokens),
        dataapi=DataApiSettings(rate_per_s=1e6),
    )
    cluster, registry = LocalCluster(environment, tmp_path / "logs"), ModelStore(mlflow.url)
    app = create_app(build(settings, cluster=cluster, registry=registry))
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="on")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    scene.until(lambda: server.started)
    commit = scene.repository(tmp_path / "repository", {NAME: FEATURES})
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    found = Real(url, mlflow, databases, platform, commit)
    try:
        prepare(found, scene.definition(NAME))
        yield found
    finally:
        server.should_exit = True
        thread.join()


def prepare(real: Real, what: PipelineDefinition) -> None:
    """Apply the pipeline, and let there be a receipt to train on."""
    features = load(what, FEATURES, digest=None).digest
    request = ApplyRequest(
        definition=what.model_dump(mode="json", exclude_none=True),
        commit=real.commit,
        features_digest=features,
    )
    with real.admin() as api:
        api.apply(NAME, request)
    with real.databases.connect("dataapi", "warehouse") as connection:
        values = (RECEIPT.id, RECEIPT.dataset, RECEIPT.model_dump_json())
        connection.execute(
            "INSERT INTO control.receipts (id, dataset, receipt) VALUES (%s, %s, %s)", values
        )


def test_serving_follows_the_real_record(real: Real, serve: Callable[..., Any], scene: Any) -> None:
    """Promotion, damage, repair and rollback: the last intact champion of the record serves."""
    child = serve(
        NAME, DATAAPI__URL=real.url, DATAAPI__TOKEN="token-serving", REGISTRY__URL=real.mlflow.url
    )
    scene.until(
        lambda: (
            "no version has been promoted yet"
            in (child.page("/readyz", 503) or httpx.Response(200)).text
        ),
        child.log,
    )

    one = real.publish(seed=1)
    real.propose(one)
    real.approve(one.version)
    child.until("/readyz", 200)
    answered = child.predict(NAME, scene.rows(3)).json()
    two = real.publish(seed=50)
    real.propose(two)
    model = real.mlflow.artifacts / two.artifacts / "model.onnx"
    whole = model.read_bytes()
    model.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    real.approve(two.version)
    scene.until(lambda: 'reason="ManifestMismatch"' in child.http.get("/metrics").text, child.log)
    during = child.predict(NAME, scene.rows(3)).json()
    model.write_bytes(whole)
    scene.until(
        lambda: child.predict(NAME, scene.rows(3)).json()["version"] == two.version, child.log
    )
    after = child.predict(NAME, scene.rows(3)).json()
    real.roll_back()
    scene.until(
        lambda: child.predict(NAME, scene.rows(3)).json()["version"] == one.version, child.log
    )

    assert [one.version, one.version, two.version] == [
        answer["version"] for answer in (answered, during, after)
    ]
    assert answered["probabilities"] == during["probabilities"] != after["probabilities"]
    status = child.http.get("/v1/outbox").json()
    scene.until(
        lambda: (
            real.outboxes()
            == [(status["outbox_id"], status["accepted"], {NAME: one.version}, False)]
        )
    )
    child.acknowledge()
    assert 0 == child.stop()
    assert [(status["outbox_id"], status["accepted"], {NAME: one.version}, True)] == real.outboxes()
