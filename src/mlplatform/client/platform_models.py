"""The part of the platform's client that is about pipelines and their versions."""

from __future__ import annotations

from mlplatform.client.dataapi import DataApi
from mlplatform.client.versions import waiting_version
from mlplatform.contracts.pipeline_status import AppliedPipeline
from mlplatform.contracts.promotion import ModelStatus, ModelVersion, Promotion


class PlatformModels:
    """Versions, and the decisions about them. See `PlatformClient`.

    `why` is kept in the promotion record for ever.
    """

    def __init__(self, api: DataApi, deciding: DataApi) -> None:
        self._api = api
        self._deciding = deciding

    def pipelines(self) -> list[AppliedPipeline]:
        """The applied pipelines, by name."""
        return self._api.pipelines()

    def status(self, pipeline: str) -> ModelStatus:
        """Which version serves (`champion`) and which one waits (`candidate`)."""
        return self._api.model_status(pipeline)

    def models(self, pipeline: str) -> list[ModelVersion]:
        """All versions, oldest first."""
        return self._api.versions(pipeline)

    def promotions(self, pipeline: str) -> list[Promotion]:
        """The promotion record, latest first."""
        return self._api.promotions(pipeline)

    def approve(self, pipeline: str, version: str | None = None, *, why: str) -> Promotion:
        """Let a candidate serve (no version: the one that waits). Raises Refused."""
        if version is None:
            version = waiting_version(self._api, pipeline, field="version")
        return self._deciding.decide(pipeline, "approve", version=version, why=why)

    def promote(self, pipeline: str, version: str, *, why: str) -> Promotion:
        """Let a version serve that is a candidate, or served before. Raises Refused."""
        return self._deciding.decide(pipeline, "promote", version=version, why=why)

    def reject(self, pipeline: str, version: str, *, why: str) -> Promotion:
        """Say for good that a version must not serve. Raises Refused."""
        return self._deciding.decide(pipeline, "reject", version=version, why=why)

    def rollback(self, pipeline: str, *, why: str) -> Promotion:
        """Bring back the version that served before. Raises Refused."""
        return self._deciding.decide(pipeline, "rollback", why=why)

    def withdraw(self, pipeline: str, *, why: str) -> Promotion:
        """Take the version that serves out of service. Raises Refused."""
        return self._deciding.decide(pipeline, "withdraw", why=why)
