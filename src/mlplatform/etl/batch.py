"""One batch: raw requests in, feature rows, labels and bad rows out. No database here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mlplatform.contracts.columns import Columns
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.database.feature_rows import FeatureBatch
from mlplatform.database.labels import Label
from mlplatform.database.quarantine import BadRow
from mlplatform.database.raw_requests import RawRequest
from mlplatform.etl.annotations import Annotations, annotate
from mlplatform.etl.engineering import engineer
from mlplatform.etl.unpack import FlatRows, Only, unpack
from mlplatform.features.checks import check
from mlplatform.features.code import FeatureSet
from mlplatform.features.fault import Fault
from mlplatform.features.parse import to_columns


def process(
    requests: Sequence[RawRequest],
    definition: PipelineDefinition,
    features: FeatureSet,
    *,
    only: Only | None = None,
) -> FeatureBatch:
    """Every row (of `only`): a feature row, or a bad one with all that is wrong.

    Raises FeaturesEnded.
    """
    flat = unpack(requests, definition, only=only)
    raw = {column.name: flat.values[column.name] for column in definition.columns}
    columns, wrong = to_columns(raw, definition.columns)
    notes = annotate(flat, definition)
    faults = _by_row(flat.faults, [*wrong, *notes.faults, *check(columns, definition.columns)])
    # Only clean rows reach the pipeline's code, so that it may rely on its declared columns.
    usable = np.array([row for row in range(len(flat.ids)) if row not in faults], dtype=np.intp)
    clean = {name: array[usable] for name, array in columns.items()}
    made = engineer(features, clean, several=len(requests) > 1)
    for fault in made.faults:
        faults[int(usable[fault.row])] = [fault]
    good = [int(usable[place]) for place in made.good]
    bad = [_bad(flat, row, faults[row]) for row in sorted(faults)]
    return replace(_good(flat, good, notes, made.features, definition), bad=bad)


def _good(
    flat: FlatRows,
    good: Sequence[int],
    notes: Annotations,
    features: Columns,
    definition: PipelineDefinition,
) -> FeatureBatch:
    return FeatureBatch(
        ids=[flat.ids[row] for row in good],
        rows=[flat.rows[row] for row in good],
        times=[notes.times[row] for row in good],
        keys=[notes.keys[row] for row in good],
        features={**features, **_weight(notes, good, definition)},
        labels=[_label(flat, row, notes, definition) for row in good if flat.imported[row]],
    )


def _weight(notes: Annotations, good: Sequence[int], definition: PipelineDefinition) -> Columns:
    """The column of the feature table that is no feature."""
    return {} if definition.weight is None else {definition.weight: notes.weights[list(good)]}


def refused(
    requests: Sequence[RawRequest], definition: PipelineDefinition, reason: str, *, only: Only
) -> list[BadRow]:
    """These rows as bad ones."""
    flat = unpack(requests, definition, only=only)
    return [
        BadRow(flat.ids[row], flat.rows[row], "", reason, flat.payload(row))
        for row in range(len(flat.ids))
    ]


def subset(outcome: FeatureBatch, wanted: set[tuple[str, int]]) -> FeatureBatch:
    """Only these (request_id, row)."""
    keep = [
        place
        for place, item in enumerate(zip(outcome.ids, outcome.rows, strict=True))
        if item in wanted
    ]
    return FeatureBatch(
        ids=[outcome.ids[place] for place in keep],
        rows=[outcome.rows[place] for place in keep],
        times=[outcome.times[place] for place in keep],
        keys=[outcome.keys[place] for place in keep],
        features={
            name: array[np.array(keep, dtype=np.intp)] for name, array in outcome.features.items()
        },
        labels=[label for label in outcome.labels if (label.request_id, label.row) in wanted],
        bad=[row for row in outcome.bad if (row.request_id, row.row) in wanted],
    )


def _by_row(whole: Sequence[Fault], others: Sequence[Fault]) -> dict[int, list[Fault]]:
    """The faults of each row, the first one per column.

    What stands in the place of a bad value may break rules of its own, which is nobody's fault. For
    the same reason a row that could not be laid flat (`whole`) has no others.
    """
    found: dict[int, list[Fault]] = {}
    for fault in whole:
        found.setdefault(fault.row, []).append(fault)
    broken = set(found)
    for fault in others:
        known = found.setdefault(fault.row, [])
        if fault.row not in broken and all(fault.column != other.column for other in known):
            known.append(fault)
    return found


def _bad(flat: FlatRows, row: int, faults: list[Fault]) -> BadRow:
    return BadRow(
        flat.ids[row], flat.rows[row], faults[0].column, _reason(faults), flat.payload(row)
    )


def _reason(faults: list[Fault]) -> str:
    if len(faults) == 1:
        return faults[0].reason
    return "; ".join(
        f"{fault.column}: {fault.reason}" if fault.column else fault.reason for fault in faults
    )


def _label(flat: FlatRows, row: int, notes: Annotations, definition: PipelineDefinition) -> Label:
    value = notes.labels[row]
    if value is None or definition.target.dtype == "string":
        return Label(definition.name, flat.ids[row], flat.rows[row], None, value)
    return Label(definition.name, flat.ids[row], flat.rows[row], float(value), None)
