"""What the platform promises, each with its proof.

A proof returns what it saw, in words, and raises PlatformError when the promise is broken.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlplatform.cli.connection import Platform
from mlplatform.client.dataapi import DataApi
from mlplatform.client.pipelines import sample_row
from mlplatform.contracts.dataset import DatasetQuery
from mlplatform.contracts.predicted_rows import PredictedRows
from mlplatform.contracts.promotion import ModelVersion
from mlplatform.errors import (
    Forbidden,
    InvalidInput,
    PlatformError,
    Refused,
    TryLater,
    Unauthenticated,
    Unavailable,
)
from mlplatform.registry.store import ModelStore
from mlplatform.retry import retry

POLL_S = 0.5


class PlatformPromises:
    """The promises that hold whatever is applied."""

    def __init__(self, platform: Platform, api: DataApi) -> None:
        self._platform = platform
        self._api = api
        self.applied: list[str] = []  # the pipelines that were found

    def ready(self) -> str:
        """The data API is ready, and datasets can be read."""
        degraded = self._api.ready()
        if degraded:
            raise PlatformError("; ".join(f"{what}: {why}" for what, why in degraded.items()))
        return "ready"

    def callers_need_a_token(self) -> str:
        """A caller without a token is refused."""
        try:
            with DataApi(self._platform.settings.dataapi.url, None) as anonymous:
                anonymous.datasets()
        except Unauthenticated as error:
            return str(error)
        raise PlatformError("the data API let a caller in who has no token")

    def pipelines_are_applied(self) -> str:
        """There are pipelines, or none yet."""
        self.applied = [pipeline.name for pipeline in self._api.pipelines()]
        return ", ".join(self.applied) or "none yet"

    def nothing_is_missing(self) -> str:
        """No accepted request is missing."""
        outboxes = self._api.balance().outboxes
        for outbox in outboxes:
            if outbox.missing:
                raise PlatformError(f"outbox {outbox.outbox_id} misses {outbox.missing}")
            if not outbox.whole:
                raise PlatformError(
                    f"outbox {outbox.outbox_id} gave numbers twice: {outbox.used_twice}"
                )
        accepted = sum(outbox.accepted for outbox in outboxes)
        stored = sum(outbox.stored for outbox in outboxes)
        return f"{accepted} accepted, {stored} stored, the rest on its way, none missing"


class ModelPromises:
    """The promises about a model of which a version serves. To be proven in this order."""

    def __init__(
        self, platform: Platform, api: DataApi, champion: ModelVersion, timeout_s: float
    ) -> None:
        self._platform = platform
        self._api = api
        self._name = champion.pipeline
        self._champion = champion
        self._timeout_s = timeout_s
        self._since = datetime.now(UTC)
        self._request_id = ""

    def answers(self) -> str:
        """It answers a row that keeps its contract."""
        row = sample_row(self._api.pipeline(self._name).parsed())
        answer = self._predict(row)
        self._request_id = answer.id
        return f"version {answer.version} predicts {answer.predictions[0]}"

    def bad_rows_are_refused(self) -> str:
        """It refuses a row that breaks its contract."""
        try:
            self._predict({"no_such_column": 1})
        except InvalidInput as error:
            return str(error)
        raise PlatformError("serving answered a row that has none of the columns")

    def the_request_is_stored(self) -> str:
        """The request that was answered is in the data, read from a standby."""
        if not self._request_id:
            raise PlatformError("there was no answer to search for")
        try:
            return retry(self._receipt, seconds=self._timeout_s, least_s=POLL_S)
        except TryLater as error:
            waited = f"within {self._timeout_s:g} s"
            raise PlatformError(
                f"request {self._request_id} was not found {waited}: {error}"
            ) from error

    def callers_cant_decide(self) -> str:
        """A caller without the right can't decide what serves."""
        version = self._champion.version
        try:
            self._api.decide(self._name, "promote", version=version, why="mlplatform check")
        except Forbidden as error:
            return str(error)
        except Refused:
            return "not tried: this token may (it already serves, so nothing has changed)"
        raise PlatformError("the version was promoted by a caller that should not have the right")

    def the_model_is_intact(self) -> str:
        """The stored files are those of the version that was promoted."""
        champion, registry = self._champion, self._platform.settings.registry
        with (
            tempfile.TemporaryDirectory() as folder,
            ModelStore(registry.url, credentials=registry.credentials) as store,
        ):
            model = Path(folder) / "model"
            store.download(champion.artifacts, model, champion.manifest_sha256)
            files = sum(1 for _ in model.iterdir())
        manifest = champion.manifest_sha256[:12]
        return f"version {champion.version}: {files} files, manifest {manifest}"

    def _predict(self, row: dict[str, Any]) -> PredictedRows:
        with self._platform.serving() as serving:
            return serving.predict(self._name, [row], client_id="mlplatform-check")

    def _receipt(self) -> str:
        query = DatasetQuery(since=self._since)
        found = self._api.dataset_rows(f"{self._name}.requests", query)
        if self._request_id not in {row["request_id"] for row in found.rows}:
            raise Unavailable("it is not there", retry_after_s=POLL_S)
        receipt = self._api.receipt(found.receipt_id)
        return f"{receipt.rows} row(s) from the {receipt.server_role} at {receipt.lsn}"
