"""What a run leaves in MLflow: parameters, metrics, files; and the version, once its gates hold."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from mlplatform.contracts.dataset import Receipt
from mlplatform.contracts.model import Manifest
from mlplatform.errors import ManifestMismatch
from mlplatform.registry import manifest
from mlplatform.registry.publish import MlflowRun, Publisher
from mlplatform.registry.store import ModelStore
from mlplatform.trainer.report.evidence import Evidence, finite
from mlplatform.trainer.report.lineage import description, environment, tags
from mlplatform.trainer.report.render import render
from mlplatform.trainer.steps.tune import Search


def log_data(
    publisher: Publisher, run: MlflowRun, receipt: Receipt, rows: Mapping[str, int]
) -> None:
    """The dataset's receipt and the sizes of its parts."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "receipt.json").write_text(receipt.model_dump_json(indent=1))
        publisher.files(run, Path(folder), "")
    publisher.metrics(run, {f"rows_{part}": count for part, count in rows.items()})
    publisher.metrics(run, {"dataset_lag_bytes": receipt.lag_bytes})


def log_search(publisher: Publisher, run: MlflowRun, search: Search) -> None:
    """The chosen parameters, and one point of the curve per combination tried."""
    publisher.parameters(run, {f"best_{name}": value for name, value in search.best.items()})
    publisher.metrics(run, {"tuning_trials": len(search.trials), "tuning_planned": search.planned})
    for step, trial in enumerate(search.trials):
        publisher.metrics(
            run,
            finite({"tuning_mean": trial.mean, "tuning_trial_seconds": trial.seconds}),
            step=step,
        )


def log_evidence(publisher: Publisher, run: MlflowRun, evidence: Evidence) -> None:
    """Metrics, gate report (HTML for people, JSON for its digest) and the list of libraries, passed or not."""
    publisher.metrics(
        run, finite({f"test_{name}": value for name, value in evidence.metrics.items()})
    )
    publisher.metrics(
        run,
        finite({f"champion_{name}": value for name, value in evidence.champion_metrics.items()}),
    )
    held = sum(verdict.passed for verdict in evidence.verdicts)
    publisher.metrics(run, {"gates_passed": held, "gates_failed": len(evidence.verdicts) - held})
    publisher.tags(
        run, {"gate_digest": evidence.digest(), "gates": "passed" if evidence.passed else "failed"}
    )
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "gates.json").write_bytes(evidence.document())
        (place / "report.html").write_text(render(evidence))
        (place / "environment.txt").write_text(environment())
        publisher.files(run, place, "report")


def register(publisher: Publisher, run: MlflowRun, evidence: Evidence, *, image: str) -> str:
    """Upload the model and make it a version; returns its number."""
    publisher.files(run, evidence.exported.folder, "model")
    definition = evidence.pinned.definition
    return publisher.register(
        definition.name,
        run,
        about=definition.description,
        description=description(evidence),
        tags=tags(evidence, image),
    )


def verify(
    store: ModelStore, artifacts: str, local: Path, manifest_sha256: str, scratch: Path
) -> None:
    """Download the model again and compare every byte with what was judged.

    Raises ManifestMismatch.
    """
    place = scratch / "downloaded"
    store.download(artifacts, place, manifest_sha256)
    _same(manifest.verify(place, manifest_sha256), manifest.build(local))


def _same(downloaded: Manifest, judged: Manifest) -> None:
    if downloaded != judged:
        raise ManifestMismatch(
            "the registry holds other files than those that were judged", field="manifest.json"
        )
