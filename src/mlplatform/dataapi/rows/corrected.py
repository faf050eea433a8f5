"""A corrected row: which fields it may have, and whether it would pass now.

etl judges it again, with the pipeline's features; here a person learns at once what the contract
says.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from mlplatform.contracts import naming
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.quarantine import CorrectRequest
from mlplatform.dataapi.rows import record
from mlplatform.dataapi.rows.labels import LabelFault, label_value
from mlplatform.database.raw_requests import RawRequest
from mlplatform.errors import InvalidInput
from mlplatform.features.cells import convert
from mlplatform.features.checks import check
from mlplatform.features.fault import Fault
from mlplatform.features.key import key_text
from mlplatform.features.moment import moment
from mlplatform.features.parse import to_columns
from mlplatform.features.weight import weights


def fields(
    definition: PipelineDefinition, request: CorrectRequest, *, imported: bool
) -> dict[str, Any]:
    """The corrected fields with their values. Raises InvalidInput for those that can't be."""
    types = record.cell_types(definition)
    read = {name: convert(text, types.get(name, "string")) for name, text in request.texts.items()}
    if twice := sorted(read.keys() & request.fields.keys()):
        raise InvalidInput("is set twice", field=twice[0])
    found = {**request.fields, **read}
    if not found:
        raise InvalidInput("no field is to be corrected", field="fields", fix="name one")
    _check_names(definition, found.keys(), imported=imported)
    read_row = record.row(1, found, "")
    if read_row.reason:
        raise InvalidInput(read_row.reason, field=read_row.column)
    return found


def _check_names(definition: PipelineDefinition, names: Collection[str], *, imported: bool) -> None:
    known = naming.fields(definition)
    if unknown := sorted(set(names) - known):
        raise InvalidInput(
            f"'{definition.name}' has no field '{unknown[0]}'",
            field=unknown[0],
            fix=f"fields are {', '.join(sorted(known))}",
        )
    if not imported and definition.target.name in names:
        raise InvalidInput(
            "a served request has no target of its own",
            field=definition.target.name,
            fix="send a label: `mlplatform label`",
        )


def stored(request: RawRequest, row: int) -> dict[str, Any]:
    """The row as it came; nothing of a request that is not columns of its number of rows."""
    try:
        inputs = msgspec.json.decode(request.inputs)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return {}
    if not isinstance(inputs, dict) or any(
        not isinstance(values, list) or len(values) != request.rows for values in inputs.values()
    ):
        return {}
    return {name: values[row] for name, values in inputs.items()}


def fault(
    definition: PipelineDefinition, values: Mapping[str, Any], *, imported: bool
) -> Fault | None:
    """The first thing for which etl would refuse a row of these values."""
    for column in definition.inputs:
        if not column.nullable and column.name not in values:
            return Fault(0, column.name, "is missing")
    raw = {column.name: [values.get(column.name)] for column in definition.inputs}
    columns, wrong = to_columns(raw, definition.inputs)
    found = wrong or check(columns, definition.inputs) or _beside(definition, values)
    if not found and imported:
        found = _target(definition, values)
    return found[0] if found else None


def _beside(definition: PipelineDefinition, values: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with key, time and weight."""
    found = []
    if definition.key is not None:
        _, reason = key_text(values.get(definition.key))
        found += [Fault(0, definition.key, reason)] if reason else []
    time = None if definition.time is None else values.get(definition.time)
    if definition.time is not None and time not in (None, ""):
        read = moment(time)
        found += [Fault(0, definition.time, read)] if isinstance(read, str) else []
    if definition.weight is not None:
        found += weights([values.get(definition.weight)], definition.weight)[1]
    return found


def _target(definition: PipelineDefinition, values: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with the label of an imported row, which may lack it."""
    target = definition.target
    if target.lacks(values.get(target.name)):
        return []
    try:
        label_value(values[target.name], target)
    except LabelFault as error:
        return [Fault(0, target.name, error.reason)]
    return []
