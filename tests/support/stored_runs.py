"""What a training run leaves in MLflow: a version with its model folder and its gate report."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from mlplatform.contracts.dataset import Receipt
from mlplatform.contracts.pipeline import Gate, Metric
from mlplatform.contracts.promotion import Action, ModelFacts, ModelVersion, Proposal
from mlplatform.registry import manifest
from mlplatform.registry.publish import Publisher
from mlplatform.registry.store import ModelStore


def store_version(url: str, pipeline: str, receipt_id: str) -> dict[str, Any]:
    """A version of two small files; the facts by which a trainer registers it."""
    run = Publisher(url).start(pipeline, name="test", tags={})
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "model.onnx").write_bytes(run.id.encode())
        (Path(folder) / "signature.json").write_text("{}")
        sha256 = manifest.write(Path(folder))
        run.files(Path(folder), "model")
    return {
        "version": run.register(pipeline, about="A model.", description="A version.", tags={}),
        "run_id": run.id,
        "artifacts": run.model_artifacts,
        "manifest_sha256": sha256,
        "features_digest": "d" * 64,
        "commit": "c0ffee",
        "format": "onnx",
        "receipt_id": receipt_id,
        "metrics": {"accuracy": 0.9},
    }


def gate_report(
    pipeline: str,
    facts: dict[str, Any],
    receipt: Receipt,
    metric: Metric = "accuracy",
    /,
    **changes: Any,
) -> dict[str, Any]:
    """The report of a version that passed its only gate: at least 0.5 of `metric`."""
    judged = {
        "metric": metric,
        "condition": "at least 0.5",
        "passed": True,
        "value": 0.9,
        "bound": 0.5,
        "rows": 50,
        "slice": "",
        "note": "",
        "counts": True,
    }
    copied = ("commit", "features_digest", "manifest_sha256")
    return {
        "pipeline": pipeline,
        "run": facts["run_id"],
        **{name: facts[name] for name in copied},
        "receipt": receipt.id,
        "dataset_sha256": receipt.sha256,
        "champion": None,
        "required": [Gate(metric=metric, min=0.5).model_dump(mode="json")],
        "gates": [judged],
        "cases": [],
        "passed": True,
        **changes,
    }


def store_report(url: str, artifacts: str, report: dict[str, Any]) -> str:
    """Put a report beside a model folder; returns its SHA-256."""
    data = json.dumps(report).encode()
    put(url, artifacts.removesuffix("/model") + "/report/gates.json", data)
    return hashlib.sha256(data).hexdigest()


def put(url: str, path: str, data: bytes) -> None:
    """Write one artifact, whatever was there."""
    with tempfile.NamedTemporaryFile() as file, ModelStore(url) as store:
        file.write(data)
        file.flush()
        store.upload(path, Path(file.name))


@dataclass(frozen=True)
class Runs:
    """A training run of each pipeline, with what it stored in MLflow."""

    api: Any  # tests/integration/dataapi/conftest.py
    mlflow: str
    receipts: dict[str, Receipt]  # of an (empty) training dataset per pipeline
    made: dict[tuple[str, str], dict[str, Any]]

    def facts(self, name: str, version: str, **changes: Any) -> dict[str, Any]:
        """What a trainer says of a version; stored in MLflow when it is asked for first."""
        if (name, version) not in self.made:
            stored = store_version(self.mlflow, name, self.receipts[name].id)
            assert version == stored["version"]
            self.made[name, version] = stored
        return {**self.made[name, version], **changes}

    def register(self, name: str, version: str, **changes: Any) -> ModelVersion:
        """Register a version, and no more."""
        facts = ModelFacts(**self.facts(name, version, **changes))
        with self.api.client(f"run of {name}") as client:
            return cast("ModelVersion", client.register(name, facts))

    def verified(self, name: str, *versions: str, **changes: Any) -> None:
        """Register and verify versions."""
        for version in versions:
            sha256 = self.register(name, version, **changes).manifest_sha256
            with self.api.client(f"run of {name}") as client:
                client.mark_verified(name, version, manifest_sha256=sha256)

    def proposal(
        self, name: str, version: str, champion: str | None = None, **changes: Any
    ) -> dict[str, Any]:
        """A proposal whose gate report, with these changes, is in MLflow."""
        with self.api.client(f"run of {name}") as client:
            known = next(each for each in client.versions(name) if each.version == version)
        changes = {"champion": champion, **changes}
        report = gate_report(name, known.model_dump(), self.receipts[name], **changes)
        digest = store_report(self.mlflow, self.made[name, version]["artifacts"], report)
        found = {"action": "propose", "version": version, "why": "test", "gate_digest": digest}
        return found | {"champion": champion}

    def act(
        self, caller: str, name: str, action: Action, version: str | None = None
    ) -> dict[str, Any]:
        """One step; proposals have a gate report against the present champion."""
        with self.api.client(caller) as client:
            if action != "propose" or version is None:
                done = client.decide(name, action, version=version, why="test")
            else:
                champion = client.model_status(name).champion
                body = self.proposal(name, version, champion and champion.version)
                body.pop("action")
                done = client.propose(name, Proposal(**body))
        return cast("dict[str, Any]", done.model_dump(mode="json"))
