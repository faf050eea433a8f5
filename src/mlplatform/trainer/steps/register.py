"""Register the model: upload its files, and make them a version in MLflow and at the data API."""

from __future__ import annotations

from mlplatform.client.dataapi import DataApi
from mlplatform.contracts.promotion import ModelFacts, ModelVersion
from mlplatform.registry.publish import MlflowRun
from mlplatform.trainer.metrics import finite
from mlplatform.trainer.report.evidence import Evidence
from mlplatform.trainer.report.lineage import description, tags


def register(api: DataApi, record: MlflowRun, evidence: Evidence, *, image: str) -> ModelVersion:
    """The new version. Files come first: a version that the data API knows always has them."""
    definition = evidence.pinned.definition
    record.files(evidence.model.folder, "model")
    number = record.register(
        definition.name,
        about=definition.description,
        description=description(evidence),
        tags=tags(evidence, image),
        above=_highest(api, definition.name),
    )
    facts = ModelFacts(
        version=number,
        run_id=record.id,
        artifacts=record.model_artifacts,
        manifest_sha256=evidence.model.manifest_sha256,
        features_digest=evidence.pinned.digest,
        commit=evidence.pinned.commit,
        format=evidence.model.signature.format,
        receipt_id=evidence.receipt.id,
        metrics=finite(evidence.metrics),
    )
    return api.register(definition.name, facts)


def _highest(api: DataApi, pipeline: str) -> int:
    return max((int(each.version) for each in api.versions(pipeline)), default=0)
