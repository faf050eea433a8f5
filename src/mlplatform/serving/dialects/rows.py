"""Plain rows.

A request is {"rows": [{"column": value, …}, …], "id": "…"}, a response {"id", "model", "version",
"predictions", "probabilities"}.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, chain, pairwise, starmap
from typing import Annotated, Any

import msgspec
from msgspec.structs import astuple

from mlplatform.contracts.blocks import BlockLayout
from mlplatform.contracts.columns import Column, DType
from mlplatform.contracts.model import Signature
from mlplatform.errors import InvalidInput
from mlplatform.serving.dialects import diagnose
from mlplatform.serving.dialects.json_types import INT64, json_type
from mlplatform.serving.request import Block, DecodedRequest, Prediction
from mlplatform.strict_json import distinct

_EXTRA: Any = str | INT64 | float | None | msgspec.UnsetType
_PACKED: dict[DType, str] = {"float64": "d", "int64": "q", "bool": "?"}
_WHERE = "rows[{row}].{column}"


class RowsDialect:
    """See Dialect."""

    def __init__(self, signature: Signature) -> None:
        self._columns = signature.inputs
        self._layout = BlockLayout(signature.inputs)
        self._extras = [name for name in (signature.key, signature.time) if name]
        self._decoder = msgspec.json.Decoder(_body(signature.inputs, self._layout, self._extras))
        self._blocks = _block_readers(self._layout)
        self._probabilities = None if signature.classes is None else _row_of(signature)
        self._encode = msgspec.json.Encoder().encode

    def decode(self, body: bytes) -> DecodedRequest:
        """See Dialect.decode."""
        try:
            found = self._decoder.decode(body)
        except diagnose.UNDECODABLE:
            return self._diagnose(body)
        # msgspec accepts both: no rows at all, and an escaped NUL inside of a string.
        if not found.rows or diagnose.has_nul(body):
            return self._diagnose(body)
        table = list(map(astuple, found.rows))
        rows, width, extras = len(table), len(self._columns), len(self._extras)
        keys = 1 + (found.id is not msgspec.UNSET) + rows * (width + extras)
        if extras:
            keys -= sum(row[width:].count(msgspec.UNSET) for row in table)
        # It also accepts a key that is there twice.
        if not distinct(body, keys):
            return self._diagnose(body)
        blocks = [read(table) for read in self._blocks]
        # The body holds only what has been decoded, so it can be stored as it is.
        client_id = None if found.id is msgspec.UNSET else found.id
        return DecodedRequest(blocks, rows, body, client_id)

    def encode(self, prediction: Prediction) -> bytes:
        """See Dialect.encode."""
        client_id, outputs = prediction.request.client_id, prediction.outputs
        probabilities: Any = msgspec.UNSET
        if self._probabilities is not None:
            probabilities = list(starmap(self._probabilities, outputs["probabilities"]))
        return self._encode(
            _Answer(
                prediction.request_id,
                prediction.model,
                prediction.version,
                outputs["prediction"],
                msgspec.UNSET if client_id is None else client_id,
                probabilities,
            )
        )

    def _diagnose(self, body: bytes) -> DecodedRequest:
        document = diagnose.document(body)
        _known(document, ("rows", "id"), "body")
        rows = document.get("rows")
        if not isinstance(rows, list) or not rows:
            raise InvalidInput("must be a list of at least one row", field="rows")
        names = [column.name for column in self._columns]
        for index, row in enumerate(rows):
            _complete(row, names, self._extras, index)
        inputs = {name: [row[name] for row in rows] for name in names}
        columns = diagnose.columns(inputs, self._columns, _WHERE)
        sent = [name for name in self._extras if any(name in row for row in rows)]
        extras = {
            name: diagnose.scalars([row.get(name) for row in rows], name, _WHERE) for name in sent
        }
        client_id = diagnose.client_id(document.get("id"))
        return DecodedRequest.of_columns(
            self._layout, columns, len(rows), client_id=client_id, extras=extras
        )


def _block_readers(layout: BlockLayout) -> list[Callable[[list[tuple[Any, ...]]], Block]]:
    """What makes each block of the rows, in which they lie side by side."""
    ends = list(accumulate(len(block.names) for block in layout.blocks))
    places = [slice(start, end) for start, end in pairwise([0, *ends])]
    return [
        _block_reader(block.dtype, place)
        for block, place in zip(layout.blocks, places, strict=True)
    ]


def _block_reader(dtype: DType, place: slice) -> Callable[[list[tuple[Any, ...]]], Block]:
    def listed(table: list[tuple[Any, ...]]) -> Block:
        return [value for row in table for value in row[place]]

    if dtype == "string":
        return listed
    pack = struct.Struct(f"={place.stop - place.start}{_PACKED[dtype]}").pack

    def packed(table: list[tuple[Any, ...]]) -> Block:
        try:
            return b"".join([pack(*row[place]) for row in table])
        except struct.error:  # a null
            return listed(table)

    return packed


def _body(columns: Sequence[Column], layout: BlockLayout, extras: Sequence[str]) -> Any:
    """The struct of a request. Its rows have their fields block by block.

    Fields are named by position, since a column may be called like a Python keyword.
    """
    fields: list[Any] = [
        (
            f"c{index}",
            json_type(column.dtype, nullable=column.nullable),
            msgspec.field(name=column.name),
        )
        for index, column in ((place, columns[place]) for place in chain(*layout.positions))
    ]
    fields += [
        (f"e{index}", _EXTRA, msgspec.field(name=name, default=msgspec.UNSET))
        for index, name in enumerate(extras)
    ]
    # They refer to nothing, so the garbage collector need not look at them.
    row = msgspec.defstruct("Row", fields, forbid_unknown_fields=True, gc=False)
    text = Annotated[str, msgspec.Meta(max_length=diagnose.CLIENT_ID_CHARACTERS)]
    rows = list[row]  # type: ignore[valid-type]
    document: list[Any] = [
        ("rows", rows),
        ("id", text | msgspec.UnsetType | None, msgspec.UNSET),
    ]
    return msgspec.defstruct("Rows", document, forbid_unknown_fields=True)


class _Answer(msgspec.Struct):
    id: str
    model: str
    version: str
    predictions: Sequence[Any]
    client_id: str | msgspec.UnsetType
    probabilities: Sequence[Any] | msgspec.UnsetType


def _row_of(signature: Signature) -> type:
    """The struct of one row's probabilities: classes are its names in JSON."""
    fields: list[Any] = [
        (f"p{index}", float, msgspec.field(name=_class_name(name)))
        for index, name in enumerate(signature.named_classes)
    ]
    return msgspec.defstruct("Probabilities", fields, gc=False)


def _class_name(name: str | int) -> str:
    """As JSON writes it: true, not True."""
    return str(name).lower() if isinstance(name, bool) else str(name)


def _known(document: dict[str, Any], known: Iterable[str], what: str) -> None:
    unknown = sorted(document.keys() - set(known))
    if unknown:
        raise InvalidInput(f"the {what} has unknown fields: {', '.join(unknown)}", field=unknown[0])


def _complete(row: Any, names: Sequence[str], extras: Sequence[str], index: int) -> None:
    if not isinstance(row, dict):
        raise InvalidInput(
            f"row {index} must be an object of column and value", field=f"rows[{index}]"
        )
    missing = [name for name in names if name not in row]
    if missing:
        raise InvalidInput(
            f"row {index}: missing column {', '.join(missing)}", field=f"rows[{index}].{missing[0]}"
        )
    unknown = sorted(row.keys() - {*names, *extras})
    if unknown:
        raise InvalidInput(
            f"row {index}: unknown column {', '.join(unknown)}",
            field=f"rows[{index}].{unknown[0]}",
            fix=f"columns are {', '.join(names)}",
        )
