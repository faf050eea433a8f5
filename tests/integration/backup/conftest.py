"""A registry with one real model, as a training run leaves it, and its promotion record."""

from __future__ import annotations

import itertools
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import sql
from sklearn.linear_model import Ridge

from mlplatform.contracts.columns import Column, Feature
from mlplatform.contracts.model import Output, Signature
from mlplatform.engine.load import load
from mlplatform.engine.onnx_compile import compile_onnx
from mlplatform.engine.skops import frame
from mlplatform.registry import manifest
from mlplatform.registry.publish import Publisher
from mlplatform.registry.store import ModelStore
from mlplatform.settings import BackupSettings, RegistrySettings, Settings

_numbers = itertools.count(1)
FEATURE = Feature(name="size", dtype="float64")


@dataclass
class Shop:
    """The registry of one pipeline, and the settings to back it up and to restore it."""

    name: str
    mlflow: Any
    databases: Any
    folder: Path
    slopes: dict[str, float] = field(default_factory=dict)  # version -> what it multiplies with

    def settings(self, *, keep: int = 7) -> Settings:
        """What the backup's process gets."""
        return Settings(
            postgres=self.databases.settings("backup"),
            registry=RegistrySettings(url=self.mlflow.url),
            backup=BackupSettings(folder=self.folder / "backups", keep=keep),
        )

    def restoring(self) -> Settings:
        """What a person who restores needs: the owners' connections."""
        servers = self.databases.cluster.servers
        postgres = self.databases.settings("owner").model_copy(
            update={"mlflow_dsn": servers.dsn("mlflow", "mlflow")}
        )
        return self.settings().model_copy(update={"postgres": postgres})

    def publish(self, slope: float) -> str:
        """A champion that answers `slope` times its input; returns its number."""
        model = self.folder / f"model-{slope}"
        form = self._write(model, slope)
        digest = manifest.write(model)
        publisher = Publisher(self.mlflow.url)
        run = publisher.start(self.name, name=f"slope {slope}", tags={})
        run.metrics({"slope": slope})
        run.files(model, "model")
        version = run.register(
            self.name,
            about="Multiplies.",
            description=f"Times {slope}.",
            tags={"slope": str(slope)},
        )
        run.finish("FINISHED")
        with self.databases.connect("owner", "warehouse") as connection, connection.transaction():
            connection.execute(
                "UPDATE control.model_versions SET state = 'retired' WHERE pipeline = %s",
                (self.name,),
            )
            connection.execute(
                "INSERT INTO control.model_versions (pipeline, version, state, run_id, artifacts, "
                "manifest_sha256, features_digest, commit, format, receipt_id) "
                "VALUES (%s, %s, 'champion', %s, %s, %s, %s, %s, 'onnx', 'r')",
                (
                    self.name,
                    version,
                    run.id,
                    f"{run.artifacts}/model",
                    digest,
                    form.features_digest,
                    form.commit,
                ),
            )
            connection.execute(
                "INSERT INTO control.promotions (pipeline, version, action, state, by, why) "
                "VALUES (%s, %s, 'promote', 'champion', 'test', 'test')",
                (self.name, version),
            )
        with ModelStore(self.mlflow.url) as store:
            store.set_alias(self.name, "champion", version)
        self.slopes[version] = slope
        return version

    def _write(self, model: Path, slope: float) -> Signature:
        sizes = np.arange(10.0)
        estimator = Ridge(alpha=1e-12).fit(frame({"size": sizes}, [FEATURE]), slope * sizes)
        form = Signature(
            pipeline=self.name,
            task="regression",
            inputs=(Column(name="size", dtype="float64"),),
            features=(FEATURE,),
            outputs=(Output(name="prediction", dtype="float64"),),
            format="onnx",
            model_file="model.onnx",
            features_digest="a" * 64,
            commit="c" * 40,
        )
        model.mkdir(parents=True)
        (model / "model.onnx").write_bytes(
            compile_onnx(estimator, [FEATURE], ["prediction"], precision="float64")
        )
        (model / "signature.json").write_text(form.model_dump_json())
        return form

    def record(self) -> list[Any]:
        """The promotion record as rows."""
        with self.databases.connect("owner", "warehouse") as connection:
            query = (
                "SELECT p.id, p.version, p.state, v.state, v.manifest_sha256 "
                "FROM control.promotions p "
                "JOIN control.model_versions v USING (pipeline, version) ORDER BY id"
            )
            return connection.execute(query).fetchall()

    def answers(self) -> dict[str, float]:
        """For every version: its answer for 2.0, after a verified download."""
        found = {}
        with self.databases.connect("owner", "warehouse") as connection:
            rows = connection.execute(
                "SELECT version, artifacts, manifest_sha256 FROM control.model_versions "
                "WHERE pipeline = %s",
                (self.name,),
            )
            for version, artifacts, digest in rows.fetchall():
                to = self.folder / "served" / f"{next(_numbers)}"
                with ModelStore(self.mlflow.url) as store:
                    store.download(artifacts, to, digest)
                form = Signature.model_validate_json((to / "signature.json").read_text())
                engine = load(to, form, trusted=())
                found[version] = round(
                    float(engine.predict({"size": np.array([2.0])})["prediction"][0]), 6
                )
        return found

    def registry(self) -> Any:
        """What MLflow says: aliases, and the versions without the times that it stamps."""
        with ModelStore(self.mlflow.url) as store:
            return store.aliases(self.name), json.dumps(store.versions(self.name), sort_keys=True)

    def wipe(self) -> None:
        """Lose MLflow's rows and files."""
        dsn = self.databases.cluster.servers.dsn("mlflow", "mlflow").get_secret_value()
        with psycopg.connect(dsn) as connection:
            names = [
                row[0]
                for row in connection.execute(
                    "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
                ).fetchall()
            ]
            tables = sql.SQL(", ").join(
                sql.Identifier(name) for name in names if name != "alembic_version"
            )
            connection.execute(sql.SQL("TRUNCATE {}").format(tables))
        for path in self.mlflow.artifacts.iterdir():
            shutil.rmtree(path)

    def wipe_record(self) -> None:
        """Lose the promotion record."""
        with self.databases.connect("owner", "warehouse") as connection:
            connection.execute(
                "TRUNCATE control.promotions, control.model_versions, control.receipts"
            )
            connection.execute("DELETE FROM control.pipelines")

    def model_file(self, version: str) -> Path:
        """The stored model.onnx of a version."""
        with self.databases.connect("owner", "warehouse") as connection:
            row = connection.execute(
                "SELECT artifacts FROM control.model_versions WHERE version = %s", (version,)
            ).fetchone()
        return Path(self.mlflow.artifacts / row[0] / "model.onnx")


@pytest.fixture
def shop(mlflow: Any, databases: Any, tmp_path: Path) -> Shop:
    """A registry with two versions, of which the second is the champion."""
    found = Shop(f"shop-{next(_numbers)}", mlflow, databases, tmp_path)
    with databases.connect("owner", "warehouse") as connection:
        connection.execute(
            "INSERT INTO control.pipelines (name, definition, commit, features_digest, applied_by) "
            "VALUES (%s, '{}', 'c', 'd', 'test')",
            (found.name,),
        )
        connection.execute(
            "INSERT INTO control.receipts (id, dataset, receipt) VALUES ('r', 'd', '{}')"
        )
    found.publish(3.0)
    found.publish(5.0)
    return found
