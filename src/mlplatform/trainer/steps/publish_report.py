"""Publish what a run found: metrics, the gate report, and the list of libraries."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mlplatform.registry.publish import MlflowRun
from mlplatform.trainer.metrics import finite
from mlplatform.trainer.report.evidence import Evidence
from mlplatform.trainer.report.lineage import environment
from mlplatform.trainer.report.render import render


def publish_report(record: MlflowRun, evidence: Evidence) -> None:
    """Whether the gates hold or not: gates.json is for its digest, report.html for people."""
    metrics, champion = evidence.metrics, evidence.champion.metrics
    record.metrics(finite({f"test_{name}": value for name, value in metrics.items()}))
    record.metrics(finite({f"champion_{name}": value for name, value in champion.items()}))
    held = sum(verdict.passed for verdict in evidence.verdicts)
    record.metrics({"gates_passed": held, "gates_failed": len(evidence.verdicts) - held})
    ended = "passed" if evidence.passed else "failed"
    record.tags({"gate_digest": evidence.digest(), "gates": ended})
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "gates.json").write_bytes(evidence.document())
        (Path(folder) / "report.html").write_text(render(evidence))
        (Path(folder) / "environment.txt").write_text(environment())
        record.files(Path(folder), "report")
