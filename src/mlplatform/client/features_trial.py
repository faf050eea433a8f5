"""features.py tried before it is applied: in a child process, with the modules that serving has."""

from __future__ import annotations

from mlplatform.client.dataapi import DataApi
from mlplatform.client.history import recent_rows
from mlplatform.contracts.apply_rules import check_features
from mlplatform.contracts.columns import Columns, length
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import FeaturesEnded, InvalidInput, TryLater, UnknownName
from mlplatform.features.apart import load_apart
from mlplatform.features.code import FeatureSet
from mlplatform.features.digest import features_digest
from mlplatform.features.fault import shown_row
from mlplatform.features.probe import probes
from mlplatform.source.pipeline_files import PipelineFiles

LIMIT_S = 5.0
"""For the few rows of one call: what etl gives a whole batch by default."""


def try_features(api: DataApi, files: PipelineFiles) -> None:
    """Return when features.py answers generated rows, or rows of the history, and all of those.

    The rows of the history are those that keep the columns' declarations. Raises InvalidInput with
    file, line and row; TryLater when generated rows won't do and no standby gives others.
    """
    definition, source = files.definition, files.features
    history = _History(api, definition)
    if source is None:
        _require_some(definition, history)
        return
    digest = features_digest(definition, source)
    features = load_apart(
        definition, source, digest=digest, limit_s=LIMIT_S, history=history.rows, as_served=True
    )
    check_features(definition, features.features)
    try:
        rows = history.rows()
    except TryLater:
        # Only a second opinion: etl puts rows that features.py refuses into quarantine.
        return
    if rows is not None:
        _require_all(features, rows)


def _require_some(definition: PipelineDefinition, history: _History) -> None:
    """Models will be tried on rows, so there must be some."""
    try:
        tuple(probes(definition.inputs))
    except InvalidInput:
        if history.rows() is None:
            raise


class _History:
    """Read once, and only if it is needed."""

    def __init__(self, api: DataApi, definition: PipelineDefinition) -> None:
        self._api = api
        self._definition = definition
        self._read: tuple[Columns | None] | None = None

    def rows(self) -> Columns | None:
        """Some recent rows; None for a pipeline that has none, or is new."""
        if self._read is None:
            try:
                self._read = (recent_rows(self._api, self._definition),)
            except UnknownName:
                self._read = (None,)
        return self._read[0]


def _require_all(features: FeatureSet, rows: Columns) -> None:
    try:
        features.apply(rows)
    except FeaturesEnded:
        raise
    except InvalidInput:
        for at in range(length(rows)):
            row = {name: values[at : at + 1] for name, values in rows.items()}
            try:
                features.apply(row)
            except InvalidInput as alone:
                raise InvalidInput(
                    f"{alone.message}, for a row of the history: {shown_row(row, 0)}",
                    field=alone.field,
                    fix="let features.py take such rows; or say in pipeline.yaml that they are "
                    "none (`pattern:`, `values:`, `min:`, `max:`), and etl puts them aside",
                ) from alone
        raise
