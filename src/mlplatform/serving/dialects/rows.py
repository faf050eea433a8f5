"""Plain rows.

A request is {"rows": [{"column": value, …}, …], "id": "…"} or {"columns": {"column": [value, …],
…}, "id": "…"}, a response {"id", "model", "version", "predictions", "probabilities"}.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from itertools import accumulate, chain, pairwise, starmap
from typing import Annotated, Any

import msgspec
from msgspec.structs import astuple

from mlplatform.contracts.blocks import BlockLayout
from mlplatform.contracts.columns import DType
from mlplatform.contracts.model import Signature
from mlplatform.serving.dialects import diagnose
from mlplatform.serving.dialects.json_types import beside_types, json_type
from mlplatform.serving.dialects.table_body import Forms, TableBody
from mlplatform.serving.request import Block, DecodedRequest, Prediction, blocks_of
from mlplatform.strict_json import distinct

_PACKED: dict[DType, str] = {"float64": "d", "int64": "q", "bool": "?"}
_CLIENT_ID: Any = Annotated[str, msgspec.Meta(max_length=diagnose.CLIENT_ID_CHARACTERS)] | None


class RowsDialect:
    """See Dialect."""

    def __init__(self, signature: Signature, forms: Forms) -> None:
        self._columns = signature.inputs
        self._layout = BlockLayout(signature.inputs)
        self._extras = signature.beside
        # Rows are decoded below, faster than a body that may also hold columns.
        self._body = TableBody(
            {"rows": forms.objects, "columns": forms.columns}, {"id": _CLIENT_ID}
        )
        self._decoder = msgspec.json.Decoder(_body(signature, self._layout))
        self._blocks = _block_readers(self._layout)
        self._probabilities = None if signature.classes is None else _row_of(signature)
        self._encode = msgspec.json.Encoder().encode

    def decode(self, body: bytes) -> DecodedRequest:
        """See Dialect.decode."""
        try:
            found = self._decoder.decode(body)
        except diagnose.UNDECODABLE:
            return self._slowly(body)
        # msgspec accepts both: no rows at all, and an escaped NUL inside of a string.
        if not found.rows or diagnose.has_nul(body):
            return self._slowly(body)
        table = list(map(astuple, found.rows))
        rows, width, extras = len(table), len(self._columns), len(self._extras)
        keys = 1 + (found.id is not msgspec.UNSET) + rows * (width + extras)
        if extras:
            keys -= sum(row[width:].count(msgspec.UNSET) for row in table)
        # It also accepts a key that is there twice.
        if not distinct(body, keys):
            return self._slowly(body)
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

    def _slowly(self, body: bytes) -> DecodedRequest:
        found = self._body.decode(body)
        client_id = diagnose.client_id(found.others.get("id"))
        if found.certain:  # columns, stored as they are
            blocks = blocks_of(self._layout, found.table.columns)
            return DecodedRequest(blocks, found.table.rows, body, client_id)
        return found.request(self._layout, client_id)


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


def _body(signature: Signature, layout: BlockLayout) -> Any:
    """The struct of a request. Its rows have their fields block by block.

    Fields are named by position, since a column may be called like a Python keyword.
    """
    columns, optional = signature.inputs, beside_types(signature)
    fields: list[Any] = [
        (
            f"c{index}",
            json_type(column.dtype, nullable=column.nullable),
            msgspec.field(name=column.name),
        )
        for index, column in ((place, columns[place]) for place in chain(*layout.positions))
    ]
    fields += [
        (f"e{at}", kind | msgspec.UnsetType, msgspec.field(name=name, default=msgspec.UNSET))
        for at, (name, kind) in enumerate(optional.items())
    ]
    # They refer to nothing, so the garbage collector need not look at them.
    row = msgspec.defstruct("Row", fields, forbid_unknown_fields=True, gc=False)
    document: list[Any] = [
        ("rows", list[row]),  # type: ignore[valid-type]
        ("id", _CLIENT_ID | msgspec.UnsetType, msgspec.UNSET),
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
