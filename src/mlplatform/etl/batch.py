"""One batch: raw requests in, feature rows, labels and bad rows out. No database here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.columns import Columns
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.database.feature_rows import FeatureBatch
from mlplatform.database.imported_labels import ImportedLabels
from mlplatform.database.quarantine import BadRow
from mlplatform.database.raw_requests import RawRequest
from mlplatform.etl.annotations import Annotations, annotate
from mlplatform.etl.engineering import engineer
from mlplatform.etl.unpack import FlatRows, Only, unpack
from mlplatform.features.checks import check
from mlplatform.features.code import FeatureSet
from mlplatform.features.fault import Fault
from mlplatform.features.parse import to_columns

T = TypeVar("T")


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
    raw = {column.name: flat.values[column.name] for column in definition.inputs}
    columns, wrong = to_columns(raw, definition.inputs)
    notes = annotate(flat, definition)
    faults = _by_row(flat.faults, [*wrong, *notes.faults, *check(columns, definition.inputs)])
    # Only clean rows reach the pipeline's code, so that it may rely on its declared columns.
    usable = np.delete(np.arange(len(flat.ids)), list(faults))
    clean = {name: array[usable] for name, array in columns.items()} if faults else columns
    made = engineer(features, clean, several=len(requests) > 1)
    for fault in made.faults:
        faults[int(usable[fault.row])] = [fault]
    good = usable[made.good]
    bad = [_bad(flat, row, faults[row]) for row in sorted(faults)]
    return replace(_good(flat, good, notes, made.features, definition), bad=bad)


def _good(
    flat: FlatRows,
    good: NDArray[np.intp],
    notes: Annotations,
    features: Columns,
    definition: PipelineDefinition,
) -> FeatureBatch:
    weight = {} if definition.weight is None else {definition.weight: notes.weights[good]}
    imported = good[np.array(flat.imported, dtype=np.bool_)[good]]
    return FeatureBatch(
        ids=_some(flat.ids, good),
        rows=_some(flat.rows, good),
        times=notes.times[good],
        keys=_some(notes.keys, good),
        features={**features, **weight},  # the column of the feature table that is no feature
        labels=ImportedLabels(
            _some(flat.ids, imported),
            _some(flat.rows, imported),
            notes.numbers[imported],
            notes.texts[imported],
        ),
    )


def _some(values: list[T], places: NDArray[np.intp]) -> list[T]:
    """The items at these places, which are in order."""
    if len(places) == len(values):
        return values
    return [values[place] for place in places.tolist()]


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

    def places(ids: list[str], rows: list[int]) -> list[int]:
        return [place for place, item in enumerate(zip(ids, rows, strict=True)) if item in wanted]

    labels = outcome.labels
    keep = np.array(places(outcome.ids, outcome.rows), dtype=np.intp)
    return FeatureBatch(
        ids=_some(outcome.ids, keep),
        rows=_some(outcome.rows, keep),
        times=outcome.times[keep],
        keys=_some(outcome.keys, keep),
        features={name: array[keep] for name, array in outcome.features.items()},
        labels=labels.some(places(labels.ids, labels.rows)),
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
