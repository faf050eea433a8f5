"""Pipelines: applied definitions and etl's progress with their features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import SecretStr

from mlplatform.access import Caller
from mlplatform.contracts.apply_rules import check_definition, check_features, check_library
from mlplatform.contracts.columns import Feature
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.pipeline_status import AppliedPipeline, ApplyRequest, FeaturesProgress
from mlplatform.dataapi import retention_days, rights
from mlplatform.dataapi.audit import AuditLog
from mlplatform.database import (
    feature_sets,
    marks,
    pipelines,
    progress,
    quarantine,
    raw_requests,
)
from mlplatform.database.pools import PrimaryPool
from mlplatform.errors import InvalidInput
from mlplatform.features.redact import redactor
from mlplatform.settings import RetentionSettings

MAY_VIEW = rights.VIEW_PIPELINE.roles
"""Definitions, states and progress are for everybody who works with the data API, which clients of
serving do not."""


class Pipelines:
    """Handler of pipelines. Safe to share between threads."""

    def __init__(
        self,
        raws: Mapping[str, PrimaryPool],
        warehouse: PrimaryPool,
        audit: AuditLog,
        retention: RetentionSettings,
        redaction_key: SecretStr | None = None,
    ) -> None:
        self._raws = raws
        self._warehouse = warehouse
        self._audit = audit
        self._retention = retention
        self._redaction_key = redaction_key

    def apply(self, caller: Caller, name: str, request: ApplyRequest) -> AppliedPipeline:
        """Record a definition. etl makes the features of a new digest from then on."""
        with self._audit.change(caller, "apply", name, roles=rights.APPLY.roles, pipeline=name) as (
            entry,
            connection,
        ):
            definition = PipelineDefinition.parse(request.definition, where="definition")
            if definition.name != name:
                raise InvalidInput(
                    f"the definition is of '{definition.name}'", field="definition.name"
                )
            check_definition(definition, where="definition")
            check_library(definition)
            retention_days.check(definition, self._retention)
            redactor(name, definition.redact, self._redaction_key, stores=True)  # refused without
            commit, digest = request.commit, request.features_digest
            entry.detail = {"commit": commit, "features_digest": digest}
            pipelines.apply(
                connection, definition, commit=commit, digest=digest, caller=caller.name
            )
            # Of a digest that etl knows already: the target may have a new name.
            known = feature_sets.find(connection, name, digest).features or ()
            check_features(definition, [Feature.model_validate(item) for item in known])
            return pipelines.find(connection, name)

    def find(self, caller: Caller, name: str) -> AppliedPipeline:
        """One pipeline."""
        with (
            self._audit.viewing(caller, name, roles=MAY_VIEW, pipeline=name),
            self._warehouse.transaction() as connection,
        ):
            return pipelines.find(connection, name)

    def all(self, caller: Caller) -> Sequence[AppliedPipeline]:
        """The pipelines that the caller may touch."""
        with (
            self._audit.viewing(caller, "pipelines", roles=MAY_VIEW, pipeline=None),
            self._warehouse.transaction() as connection,
        ):
            return [
                item
                for item in pipelines.all_applied(connection)
                if caller.may(MAY_VIEW, item.name)
            ]

    def features(
        self, caller: Caller, name: str, digest: str, *, stored_before: datetime | None
    ) -> FeaturesProgress:
        """How far etl is with a features digest.

        Ready: it has passed every request stored at or before `stored_before` (None: by now). Under
        steady traffic a request always waits, so a caller names the moment that it needs. A dataset
        read as of `mark` holds all that etl has passed, on however late a standby.
        """
        with self._audit.viewing(caller, name, roles=MAY_VIEW, pipeline=name):
            # The progress first: what etl passes in between only makes `waiting` smaller.
            with self._warehouse.transaction() as connection:
                known = feature_sets.find(connection, name, digest)
                passed = progress.of_digest(connection, name, digest)
                dropped = quarantine.count_dropped(connection, name, digest)
                # After the progress: what is committed in between only makes the mark newer.
                mark = marks.closed(connection)
            waiting = 0
            for shard, pool in self._raws.items():
                own = [cursor for cursor in passed if cursor.shard == shard]
                with pool.transaction() as raw:
                    waiting += raw_requests.count_waiting(
                        raw, name, own, stored_before=stored_before
                    )
        return FeaturesProgress(
            digest=digest,
            ready=waiting == 0 and known.table_name is not None and known.failure is None,
            waiting_requests=waiting,
            featured=sum(item.featured for item in passed),
            quarantined=sum(item.quarantined for item in passed),
            dropped=dropped,
            failure=known.failure,
            mark=mark,
        )
