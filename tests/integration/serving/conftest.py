"""A real serving process over a real outbox and real ONNX models.

One small HTTP server stands in for the data API and MLflow.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import hostile_models
import httpx
import numpy as np
import pandas as pd
import pytest
import yaml
from dulwich import porcelain
from ports import free_ports
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mlplatform import access
from mlplatform.contracts.model import Output, Signature
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.promotion import ModelVersion
from mlplatform.contracts.request import RequestRecord, decode
from mlplatform.engine.onnx_compile import compile_onnx
from mlplatform.errors import Unavailable
from mlplatform.features.code import FeatureSet, load
from mlplatform.outbox import OutboxReader
from mlplatform.registry import manifest

DEADLINE_S = 30.0
CHILD = """
from mlplatform import settings, telemetry
from mlplatform.serving.main import run
loaded = settings.load()
telemetry.configure(loaded.telemetry, process="serving")
run(loaded)
"""
TOKENS = {"client": "token-of-client", "narrow": "token-of-narrow", "reader": "token-of-reader"}


def definition(name: str) -> PipelineDefinition:
    """A pipeline with every type of column, a nullable number, a key and a time."""
    return PipelineDefinition.parse(
        {
            "name": name,
            "description": "A pipeline of the serving tests.",
            "task": "classification",
            "columns": [
                {"name": "age", "dtype": "int64", "min": 0, "max": 120},
                {"name": "bmi", "dtype": "float64", "min": 10, "max": 60},
                {"name": "dose", "dtype": "float64", "min": -1, "max": 1},
                {"name": "class", "dtype": "string", "values": ["a", "b", "c"]},
            ],
            "target": {"name": "sick", "dtype": "int64"},
            "key": "patient",
            "time": "seen_at",
            "tuning": {"metric": "roc_auc"},
            "gates": [{"metric": "roc_auc", "min": 0.5}],
        }
    )


def rows(count: int, *, seed: int = 0) -> list[dict[str, Any]]:
    """Rows that the definition allows."""
    draw = np.random.default_rng(seed)
    return [
        {
            "age": int(draw.integers(0, 120)),
            "bmi": float(draw.normal(27, 5)),
            "dose": float(draw.normal()),
            "class": str(draw.choice(["a", "b", "c"])),
        }
        for _ in range(count)
    ]


def estimator(features: FeatureSet, *, seed: int) -> Any:
    """A small real pipeline, fitted; another seed gives other answers."""
    table = pd.DataFrame(rows(400, seed=seed))
    made = pd.DataFrame(dict(features.apply({name: table[name].to_numpy() for name in table})))
    numbers = [feature.name for feature in features.features if feature.dtype != "string"]
    words = [feature.name for feature in features.features if feature.dtype == "string"]
    columns = ColumnTransformer(
        [("n", StandardScaler(), numbers), ("w", OneHotEncoder(handle_unknown="ignore"), words)]
    )
    target = (
        made[numbers].sum(axis=1) + np.random.default_rng(seed).normal(0, 5, len(made)) > 40 + seed
    ).astype(int)
    return make_pipeline(columns, LogisticRegression()).fit(made, target)


@dataclass
class Platform:
    """Stands in for the data API (promotion record, heartbeats) and for MLflow's artifact proxy.

    `away` answers 503 to everything.
    """

    folder: Path
    champions: dict[str, tuple[int, ModelVersion]] = field(default_factory=dict)
    heartbeats: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    withdrawn: dict[str, dict[str, Any]] = field(default_factory=dict)
    away: bool = False
    server: ThreadingHTTPServer = field(init=False)

    def __post_init__(self) -> None:
        platform = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(*platform.get(self.path))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                platform.heartbeats.append((self.path, body))
                self.answer(503 if platform.away else 200, b"{}")

            def answer(self, code: int, body: bytes) -> None:
                self.send_response(code)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def get(self, path: str) -> tuple[int, bytes]:
        """Code and body of a page."""
        if self.away:
            return 503, b"{}"
        if path.startswith("/v1/models/"):
            record, champion = self.champions.get(path.removeprefix("/v1/models/"), (0, None))
            status = {
                "pipeline": path.split("/")[3],
                "record": record,
                "champion": champion and champion.model_dump(mode="json"),
            }
            status |= {"candidate": None, "previous": None}
            status["withdrawn"] = self.withdrawn.get(status["pipeline"])
            return 200, json.dumps(status).encode()
        file = self.folder / path.removeprefix("/api/2.0/mlflow-artifacts/artifacts/")
        return (200, file.read_bytes()) if file.is_file() else (404, b"{}")

    def publish(
        self,
        pipeline: str,
        version: str,
        *,
        seed: int = 0,
        source: bytes | None = None,
        commit: str = "none",
    ) -> ModelVersion:
        """Train a version and store it; it is not promoted yet."""
        what = definition(pipeline)
        features = load(what, source, digest=None)
        fitted = estimator(features, seed=seed)
        folder = self.folder / pipeline / version / "artifacts" / "model"
        folder.mkdir(parents=True)
        outputs = (
            Output(name="prediction", dtype="int64"),
            Output(name="probabilities", dtype="float64", width=2),
        )
        signature = Signature(
            pipeline=pipeline,
            task="classification",
            inputs=what.columns,
            key=what.key,
            time=what.time,
            features=features.features,
            outputs=outputs,
            classes=(0, 1),
            format="onnx",
            model_file="model.onnx",
            features_digest=features.digest,
            commit=commit,
        )
        model = compile_onnx(
            fitted, features.features, ["prediction", "probabilities"], precision="float32"
        )
        (folder / "model.onnx").write_bytes(model)
        (folder / "signature.json").write_text(signature.model_dump_json())
        (folder / "pipeline.yaml").write_text(
            yaml.safe_dump(what.model_dump(mode="json", exclude_none=True))
        )
        return ModelVersion(
            pipeline=pipeline,
            version=version,
            state="champion",
            run_id="run",
            artifacts=f"{pipeline}/{version}/artifacts/model",
            manifest_sha256=manifest.write(folder),
            features_digest=features.digest,
            commit=commit,
            format="onnx",
            receipt_id="receipt",
            created_at=datetime.now(UTC),
        )

    def promote(self, version: ModelVersion) -> None:
        """Make it the champion."""
        record = self.champions.get(version.pipeline, (0, None))[0] + 1
        self.champions[version.pipeline] = (record, version)

    def store(self, pipeline: str, version: str, data: bytes) -> ModelVersion:
        """Store a version of `hostile_models.regression` around these bytes of an ONNX model."""
        what = hostile_models.regression(pipeline)
        artifacts = f"{pipeline}/{version}/artifacts/model"
        digest = hostile_models.store(self.folder / artifacts, data, what, "onnx")
        return ModelVersion(
            pipeline=pipeline,
            version=version,
            state="champion",
            run_id="run",
            artifacts=artifacts,
            manifest_sha256=digest,
            features_digest=load(what, None, digest=None).digest,
            commit="none",
            format="onnx",
            receipt_id="receipt",
            created_at=datetime.now(UTC),
        )

    def withdraw(self, version: ModelVersion, why: str) -> None:
        """Take the champion away."""
        record = self.champions.pop(version.pipeline)[0] + 1
        self.withdrawn[version.pipeline] = {
            "id": record,
            "pipeline": version.pipeline,
            "version": version.version,
            "action": "withdraw",
            "state": "retired",
            "by": "ann",
            "why": why,
            "at": datetime.now(UTC).isoformat(),
        }

    def close(self) -> None:
        """End it."""
        self.server.shutdown()
        self.server.server_close()


@dataclass
class Child:
    """A serving process."""

    home: Path
    environment: dict[str, str]
    port: int
    process: subprocess.Popen[bytes] = field(init=False)
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"authorization": f"Bearer {TOKENS['client']}"},
            timeout=30,
        )
        self.start()

    def start(self) -> None:
        """Start it, or start it again in the same folder."""
        program = ["-c", CHILD]
        if "MLPLATFORM_SERVING__WORKERS" in self.environment:
            program = ["-m", "mlplatform", "serving"]
        with (self.home / "serving.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *program], env=self.environment, stderr=log, stdout=log
            )

    def until(self, path: str, code: int) -> httpx.Response:
        """Poll a page until it answers with that code."""
        return until(lambda: self.page(path, code), self.log)

    def page(self, path: str, code: int) -> httpx.Response | None:
        """The page, if it answers with that code."""
        try:
            answer = self.http.get(path)
        except httpx.TransportError:
            return None
        return answer if answer.status_code == code else None

    def log(self) -> str:
        """All that it has logged."""
        return (self.home / "serving.log").read_text()

    def predict(self, pipeline: str, asked: list[dict[str, Any]], **more: Any) -> httpx.Response:
        """Send plain rows."""
        return self.http.post(f"/v1/models/{pipeline}/predict", json={"rows": asked} | more)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_S)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait(DEADLINE_S)

    def close(self) -> None:
        """End it, however it is."""
        self.http.close()
        if self.process.poll() is None:
            self.kill()

    def records(self) -> list[RequestRecord]:
        """What the outbox holds; no acknowledgement."""
        reader = OutboxReader.open(self.home / "outbox")
        try:
            return [decode(record.payload) for record in reader.read(1_000_000, 1 << 30)]
        finally:
            reader.close()

    def acknowledge(self) -> None:
        """Play the shipper: acknowledge everything that is there."""
        try:
            reader = OutboxReader.open(self.home / "outbox")
        except Unavailable:
            return
        found = reader.read(1_000_000, 1 << 30)
        if found:
            reader.acknowledge(found[-1].sequence)
        reader.close()


def until(found: Callable[[], Any], details: Callable[[], str] = str) -> Any:
    """Poll until something is found; fail when it takes too long."""
    deadline = time.monotonic() + DEADLINE_S
    while not (result := found()):
        assert time.monotonic() < deadline, f"it did not come true in time\n{details()}"
        time.sleep(0.02)
    return result


def runs(pid: int) -> bool:
    """Whether there is such a process, and no mere zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def repository(folder: Path, features: dict[str, bytes]) -> str:
    """A git repository with these pipelines' features.py; returns the commit."""
    porcelain.init(folder)
    for name, source in features.items():
        home = folder / "pipelines" / name
        home.mkdir(parents=True, exist_ok=True)
        (home / "pipeline.yaml").write_text(
            yaml.safe_dump(definition(name).model_dump(mode="json", exclude_none=True))
        )
        (home / "features.py").write_bytes(source)
        (home / "model.py").write_text("")
    porcelain.add(
        folder,
        [str(path) for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts],
    )
    return porcelain.commit(
        folder, message=b"pipelines", author=b"t <t@t>", committer=b"t <t@t>"
    ).decode()


def tokens_file(folder: Path) -> Path:
    """One caller for all models, one for one model, one without the role."""
    entries = [
        {"name": "client", "roles": ["predict"], "sha256": access.digest(TOKENS["client"])},
        {
            "name": "narrow",
            "roles": ["predict"],
            "pipelines": ["other"],
            "sha256": access.digest(TOKENS["narrow"]),
        },
        {"name": "reader", "roles": ["reader"], "sha256": access.digest(TOKENS["reader"])},
    ]
    path = folder / "tokens.yaml"
    path.write_text(yaml.safe_dump({"tokens": entries}))
    return path


@pytest.fixture(scope="module")
def module_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One stand-in for a module's tests that change nothing."""
    platform = Platform(tmp_path_factory.mktemp("platform"))
    yield platform
    platform.close()


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """A stand-in of the test's own."""
    platform = Platform(tmp_path / "platform")
    yield platform
    platform.close()


Serve = Callable[..., Child]


@pytest.fixture
def serve(tmp_path: Path, platform: Platform, free: Callable[..., int]) -> Iterator[Serve]:
    """Start a serving process for these pipelines, with further settings."""
    children: list[Child] = []

    def start(*pipelines: str, **settings: str) -> Child:
        children.append(child(tmp_path, platform, free(), pipelines, settings))
        return children[-1]

    yield start
    for started in children:
        started.close()


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, module_platform: Platform, free: Callable[..., int]
) -> Iterator[Child]:
    """A serving process with one model, for tests that only ask."""
    module_platform.promote(module_platform.publish("ward", "1"))
    started = child(tmp_path_factory.mktemp("serving"), module_platform, free(), ("ward",), {})
    try:
        started.until("/readyz", 200)
        yield started
    finally:
        started.close()


def child(
    home: Path, platform: Platform, port: int, pipelines: tuple[str, ...], settings: dict[str, str]
) -> Child:
    """Start serving in `home`."""
    values = {
        "SERVING__PORT": str(port),
        "SERVING__MODELS": json.dumps(pipelines),
        "SERVING__CACHE": str(home / "cache"),
        "SERVING__POLL_S": "0.1",
        "OUTBOX__FOLDER": str(home / "outbox"),
        "OUTBOX__SEGMENT_BYTES": str(1 << 20),
        "OUTBOX__CAPACITY_BYTES": str(8 << 20),
        "DATAAPI__URL": platform.url,
        "REGISTRY__URL": platform.url,
        "ACCESS__TOKENS_FILE": str(tokens_file(home)),
        "SOURCE__URL": str(home / "repository"),
        "SOURCE__CACHE": str(home / "source"),
    } | settings
    environment = {"PATH": os.environ["PATH"]} | {
        f"MLPLATFORM_{name}": value for name, value in values.items()
    }
    return Child(home, environment, port)


@pytest.fixture(scope="session")
def free() -> Callable[..., int]:
    """Ports that nobody listens on at the moment: one, or the first of several in a row."""
    return free_ports


@pytest.fixture(scope="session")
def scene() -> Any:
    """The builders above, for test modules (which can't import a conftest)."""
    return sys.modules[__name__]
