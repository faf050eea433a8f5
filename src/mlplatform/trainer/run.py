"""The whole road of a run: learn, assess, and if all holds register, verify, propose."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from mlplatform.contracts.promotion import Promotion
from mlplatform.errors import Refused
from mlplatform.trainer.assess import assess
from mlplatform.trainer.context import RunContext
from mlplatform.trainer.learn import learn
from mlplatform.trainer.report.evidence import Evidence, finite
from mlplatform.trainer.report.lineage import why
from mlplatform.trainer.report.summary import TrainingSummary
from mlplatform.trainer.steps import publish_report as record


def travel(works: RunContext, pipeline: str, reason: str) -> TrainingSummary:
    """All steps. See `mlplatform.trainer.main.run` for what it raises."""
    evidence = assess(works, learn(works, pipeline), reason)
    with works.journal.step("report"):
        record.log_evidence(works.publisher, works.run, evidence)
    if not evidence.passed:
        raise Refused(
            f"{pipeline} is not proposed: {'; '.join(evidence.complaints)}",
            field="gates",
            fix=f"the report is in MLflow, run {works.run.id}, artifact report/report.html",
        )
    version = _register(works, evidence)
    return _outcome(works, evidence, version, _propose(works, evidence, version))


def _register(works: RunContext, evidence: Evidence) -> str:
    path = f"/v1/models/{quote(evidence.pinned.definition.name)}/versions"
    exported, artifacts = evidence.exported, f"{works.run.artifacts}/model"
    with works.journal.step("register"):
        version = record.register(
            works.publisher, works.run, evidence, image=works.settings.trainer.image
        )
        works.api.post(path, _facts(evidence, version, artifacts))
    with works.journal.step("verify"):
        record.verify(
            works.store, artifacts, exported.folder, exported.manifest_sha256, works.folder
        )
        works.api.post(f"{path}/{version}/verified", {"manifest_sha256": exported.manifest_sha256})
    return version


def _facts(evidence: Evidence, version: str, artifacts: str) -> dict[str, Any]:
    return {
        "version": version,
        "run_id": evidence.run_id,
        "artifacts": artifacts,
        "manifest_sha256": evidence.exported.manifest_sha256,
        "features_digest": evidence.pinned.digest,
        "commit": evidence.pinned.commit,
        "format": evidence.exported.signature.format,
        "receipt_id": evidence.receipt.id,
        "metrics": finite(evidence.metrics),
    }


def _propose(works: RunContext, evidence: Evidence, version: str) -> str:
    """The version's state afterwards: champion where the pipeline approves by itself."""
    with works.journal.step("propose"):
        proof = {
            "why": why(evidence),
            "gate_digest": evidence.digest(),
            "champion": evidence.judged.champion.version,
        }
        path = f"/v1/models/{quote(evidence.pinned.definition.name)}/promotions"
        return Promotion.model_validate(
            works.api.post(path, {"action": "propose", "version": version, **proof})
        ).state


def _outcome(works: RunContext, evidence: Evidence, version: str, state: str) -> TrainingSummary:
    return TrainingSummary(
        pipeline=evidence.pinned.definition.name,
        run_id=works.run.id,
        version=version,
        state=state,
        format=evidence.exported.signature.format,
        rows=evidence.rows,
        parameters=dict(evidence.search.best),
        metrics=finite(evidence.metrics),
        champion=evidence.judged.champion.version,
        champion_metrics=finite(evidence.champion_metrics),
        receipt_id=evidence.receipt.id,
        gate_digest=evidence.digest(),
        manifest_sha256=evidence.exported.manifest_sha256,
        seconds=dict(works.journal.seconds),
    )
