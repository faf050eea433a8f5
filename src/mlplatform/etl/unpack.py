"""Columnar requests to one flat table of rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.database.raw_requests import RawRequest
from mlplatform.features.fault import Fault

Only = Mapping[str, Collection[int]]
"""request_id -> some of its rows."""
MISSING = "is missing"
_LONGEST_PAYLOAD = 10_000


@dataclass
class FlatRows:
    """Rows of many requests, one list item each.

    `values` holds the declared columns, target, key, time and weight; None where a row has none.
    """

    ids: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    received: list[datetime] = field(default_factory=list)
    imported: list[bool] = field(default_factory=list)
    values: dict[str, list[Any]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    _inputs: list[Any] = field(default_factory=list)
    _corrected: dict[int, Mapping[str, Any]] = field(default_factory=dict)

    def payload(self, index: int) -> dict[str, Any]:
        """The row as it came, with its corrections, for people."""
        inputs, row = self._inputs[index], self.rows[index]
        corrected = self._corrected.get(index, {})
        if not isinstance(inputs, dict):
            text = inputs[:_LONGEST_PAYLOAD] if isinstance(inputs, str) else inputs
            return {"inputs": text, **corrected}
        came = {
            name: values[row] if isinstance(values, list) and row < len(values) else values
            for name, values in inputs.items()
        }
        return {**came, **corrected}


def unpack(
    requests: Sequence[RawRequest], definition: PipelineDefinition, *, only: Only | None = None
) -> FlatRows:
    """All rows of the requests that were not forgotten, in order, or those of `only`.

    Fields that the definition does not know are left out: raw rows hold what was sent under older
    definitions too. A nullable column that a request lacks is null (it may be older than the
    column). What can't be laid flat is a fault of each of its rows, but of those that a correction
    makes whole.
    """
    flat = FlatRows(values={name: [] for name in _fields(definition)})
    required = {column.name for column in definition.inputs if not column.nullable}
    for request in requests:
        inputs = _decoded(request.inputs)
        broken = _broken(inputs, request.rows)
        whole = {} if broken else inputs
        reasons = broken or [(name, MISSING) for name in sorted(required - whole.keys())]
        rows = _chosen(request, only)
        count = request.rows if rows is None else len(rows)
        for name, values in flat.values.items():
            found = whole.get(name)
            picked = found if found is None or rows is None else [found[row] for row in rows]
            values.extend([None] * count if picked is None else picked)
        _identify(flat, request, inputs, range(count) if rows is None else rows)
        places = range(len(flat.ids) - count, len(flat.ids))
        if request.corrections:
            _correct(flat, request.corrections, places)
        for place in places if reasons else ():
            left = _left(reasons, flat._corrected.get(place, {}), required)  # noqa: SLF001
            flat.faults.extend(Fault(place, *reason) for reason in left)
    return flat


def _chosen(request: RawRequest, only: Only | None) -> list[int] | None:
    """Which rows of a request; None for all of them."""
    if only is None and not request.forgotten:
        return None
    rows = range(request.rows) if only is None else only.get(request.request_id, ())
    return sorted(set(rows).difference(request.forgotten))


def _correct(
    flat: FlatRows, corrections: Mapping[int, Mapping[str, Any]], places: Sequence[int]
) -> None:
    """Lay corrected fields over the rows at these places."""
    for place in places:
        fields = corrections.get(flat.rows[place])
        if fields is not None:
            flat._corrected[place] = fields  # noqa: SLF001  (its own builder)
            for name in flat.values.keys() & fields.keys():
                flat.values[name][place] = fields[name]


def _left(
    reasons: Sequence[tuple[str, str]], fields: Mapping[str, Any], required: set[str]
) -> list[tuple[str, str]]:
    """What still keeps a row from being laid flat; one with all required fields stands alone."""
    if fields and required <= fields.keys():
        return []
    return [(name, why) for name, why in reasons if why != MISSING or name not in fields]


def _identify(flat: FlatRows, request: RawRequest, inputs: Any, rows: Sequence[int]) -> None:
    flat.ids.extend([request.request_id] * len(rows))
    flat.rows.extend(rows)
    flat.received.extend([request.received_at] * len(rows))
    flat.imported.extend([request.source == "import"] * len(rows))
    flat._inputs.extend([inputs] * len(rows))  # noqa: SLF001  (its own builder)


def _fields(definition: PipelineDefinition) -> list[str]:
    extra = (definition.target.name, definition.key, definition.time, definition.weight)
    return [
        *(column.name for column in definition.inputs),
        *(name for name in extra if name is not None),
    ]


def _decoded(text: str) -> Any:
    """The document, or its text when it can't be decoded."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return text


def _broken(inputs: Any, rows: int) -> list[tuple[str, str]]:
    """(column, reason) of what keeps a whole request from being laid flat; at most one."""
    if not isinstance(inputs, dict):
        return [("", "the inputs are not a JSON object of columns")]
    lists = inputs.values()
    if set(map(type, lists)) <= {list} and set(map(len, lists)) <= {rows}:
        return []
    for name, values in inputs.items():
        if not isinstance(values, list) or len(values) != rows:
            found = (
                f"{len(values)} values"
                if isinstance(values, list)
                else f"a {type(values).__name__}"
            )
            return [(name, f"has {found}, and the request has {rows} rows")]
    return []
