"""The features digests that etl works on, with their code.

Code comes from git at the recorded commit and must have the recorded digest. What can't be loaded
is written to `control.feature_sets.failure` for people and tried again later; the other digests go
on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from pydantic import SecretStr

from mlplatform.contracts.apply_rules import check_features
from mlplatform.contracts.columns import Columns
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.database import feature_sets, raw_requests
from mlplatform.database.feature_sets import RecordedSet
from mlplatform.database.pools import PrimaryPool
from mlplatform.errors import PlatformError, Refused, Unavailable
from mlplatform.features import code
from mlplatform.features.apart import load_apart
from mlplatform.features.code import FeatureSet
from mlplatform.features.history import REQUESTS, clean_rows
from mlplatform.features.redact import Redactor, redactor
from mlplatform.settings import SourceSettings
from mlplatform.source.checkout import checkout
from mlplatform.telemetry import counter, logger
from mlplatform.watchdog import allowing, turned

CLONE_S = 900.0
"""A first clone of a large repository over a slow line; one that stalls ends after 30 s."""


@dataclass(frozen=True)
class Ready:
    """A digest that can be worked on."""

    pipeline: str
    digest: str
    definition: PipelineDefinition
    features: FeatureSet
    table: str
    redactor: Redactor | None = None


class Catalogue:
    """The digests, loaded once and kept: a digest is the same code whatever commit it came from."""

    def __init__(
        self,
        raw: PrimaryPool,
        warehouse: PrimaryPool,
        source: SourceSettings,
        *,
        retry_s: float,
        features_s: float = 5.0,
        redaction_key: SecretStr | None = None,
        more_raw: Sequence[PrimaryPool] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._raws = (raw, *more_raw)
        self._warehouse = warehouse
        self._source = source
        self._retry_s = retry_s
        self._features_s = features_s
        self._redaction_key = redaction_key
        self._clock = clock
        self._loaded: dict[tuple[str, str], tuple[PipelineDefinition, FeatureSet, str]] = {}
        # digest -> (commit that failed, when to try again)
        self._resting: dict[tuple[str, str], tuple[str, float]] = {}
        self._log = logger("etl")

    def refresh(self) -> list[Ready]:
        """All digests that can be worked on, current ones first.

        Raises Unavailable when the warehouse is away.
        """
        with self._warehouse.transaction() as connection:
            recorded = feature_sets.in_use(connection)
        used = {(item.pipeline, item.digest) for item in recorded}
        self._loaded = {key: kept for key, kept in self._loaded.items() if key in used}
        ready = []
        for item in recorded:
            turned()
            key = (item.pipeline, item.digest)
            if key in self._loaded or (not self._rests(item) and self._load(item)):
                definition, features, table = self._loaded[key]
                found = self._redactor(definition)
                ready.append(Ready(*key, definition, features, table, found))
        return ready

    def guarded(self, item: Ready, work: Callable[..., int], *arguments: object) -> int:
        """What `work` returns. A digest whose table can't be written is put aside: 0."""
        turned()
        try:
            return work(*arguments)
        except Refused as error:
            self._loaded.pop((item.pipeline, item.digest), None)
            self._put_aside(item.pipeline, item.digest, "", error)
            return 0

    def _features(
        self, definition: PipelineDefinition, source: bytes | None, digest: str
    ) -> FeatureSet:
        if source is None:
            return code.load(definition, None, digest=digest)
        return load_apart(
            definition,
            source,
            digest=digest,
            limit_s=self._features_s,
            history=partial(self._history, definition),
        )

    def _history(self, definition: PipelineDefinition) -> Columns | None:
        latest: list[str] = []
        away: list[Unavailable] = []
        for pool in self._raws:
            try:
                with pool.transaction() as raw:
                    latest += raw_requests.latest(raw, definition.name, most=REQUESTS - len(latest))
            except Unavailable as error:  # rows of the others do as well
                away.append(error)
        if len(away) == len(self._raws):
            raise away[0]
        return clean_rows(latest, definition.inputs, definition.redact)

    def _redactor(self, definition: PipelineDefinition) -> Redactor | None:
        return redactor(definition.name, definition.redact, self._redaction_key)

    def _source_of(self, item: RecordedSet) -> bytes | None:
        with allowing(CLONE_S):
            return checkout(self._source, ref=item.commit).features(item.pipeline)

    def _rests(self, item: RecordedSet) -> bool:
        commit, until = self._resting.get((item.pipeline, item.digest), ("", 0.0))
        # A newer commit is tried at once: somebody may just have mended it.
        return self._clock() < until and commit in ("", item.commit)

    def _load(self, item: RecordedSet) -> bool:
        try:
            definition = PipelineDefinition.parse(
                item.definition, where=f"definition of {item.pipeline}"
            )
            self._redactor(definition)
            source = self._source_of(item)
            features = self._features(definition, source, item.digest)
            if item.table_name is None:  # a table from before this rule goes on
                check_features(definition, features.features)
            with self._warehouse.transaction() as connection:
                table = feature_sets.make_table(
                    connection, item, features.features, definition.weight
                )
                feature_sets.set_failure(connection, item.pipeline, item.digest, None)
        except PlatformError as error:
            self._put_aside(item.pipeline, item.digest, item.commit, error)
            return False
        self._loaded[item.pipeline, item.digest] = (definition, features, table)
        self._resting.pop((item.pipeline, item.digest), None)
        self._log.info(
            "features loaded",
            pipeline=item.pipeline,
            digest=item.digest[:12],
            commit=item.commit,
            table=table,
        )
        return True

    def _put_aside(self, pipeline: str, digest: str, commit: str, error: PlatformError) -> None:
        self._resting[pipeline, digest] = (commit, self._clock() + self._retry_s)
        counter("etl_failures_total").labels(pipeline).inc()
        self._log.error(
            "features can't be worked on",
            pipeline=pipeline,
            digest=digest[:12],
            error=str(error),
            seconds=self._retry_s,
        )
        if isinstance(error, Unavailable):
            return  # a server is away: there is nothing to mend in the pipeline
        with self._warehouse.transaction() as connection:
            feature_sets.set_failure(connection, pipeline, digest, str(error))
