"""Bodies that hold one table, under one of several keys: each key has a form of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from mlplatform.contracts.blocks import BlockLayout
from mlplatform.contracts.model import Signature
from mlplatform.errors import InvalidInput
from mlplatform.serving.dialects import diagnose
from mlplatform.serving.dialects.table_forms import JsonTable, TableForms
from mlplatform.serving.dialects.table_reader import TableReader
from mlplatform.serving.request import DecodedRequest
from mlplatform.strict_json import distinct


class Form(NamedTuple):
    """How the table of one key is read.

    `typed` is what a typed decoder makes of it and `certain` the table of that, or None; `read`
    reads any JSON or raises InvalidInput. Without a type there is only slow reading.
    """

    read: Callable[[Any, str], JsonTable]
    typed: Any = None
    certain: Callable[[Any], JsonTable | None] = lambda _: None


class Forms:
    """Every form, for one signature."""

    def __init__(self, signature: Signature) -> None:
        types, reader = TableForms(signature), TableReader(signature)
        record: Any = types.record
        row: Any = types.row
        self.layout = BlockLayout(signature.inputs)
        self.objects = Form(reader.objects)
        self.records = Form(reader.objects, list[record], types.of_rows)
        self.rows = Form(reader.rows, list[row], types.of_rows)
        self.columns = Form(reader.columns, types.columnar, types.of_columns)
        self.rows_or_columns = Form(
            reader.rows_or_columns, list[row] | types.columnar, types.of_rows_or_columns
        )
        self.split = Form(reader.split, types.split, types.of_split)


class FoundTable(NamedTuple):
    """A body's table, the key it came under, and what else is in the body.

    `certain`: the fast way has decoded all of it.
    """

    key: str
    table: JsonTable
    others: Mapping[str, Any]
    certain: bool

    def request(self, layout: BlockLayout, client_id: str | None = None) -> DecodedRequest:
        """The request, stored as columns."""
        columns, rows, extras, _ = self.table
        return DecodedRequest.of_columns(layout, columns, rows, client_id=client_id, extras=extras)


class TableBody:
    """Decodes such bodies. `others` are further keys of the body, with types for fast decoding."""

    def __init__(self, forms: Mapping[str, Form], others: Mapping[str, Any]) -> None:
        self._forms = forms
        self._others = others
        typed = {name: form.typed for name, form in forms.items() if form.typed is not None}
        fields = [
            (name, kind | msgspec.UnsetType, msgspec.UNSET)
            for name, kind in (typed | dict(others)).items()
        ]
        self._decoder = msgspec.json.Decoder(
            msgspec.defstruct("TableDocument", fields, forbid_unknown_fields=True)
        )

    def decode(self, body: bytes) -> FoundTable:
        """What is in a body. Raises InvalidInput that names row and column, or the key."""
        found = self._certain(body)
        return self.diagnose(body) if found is None else found

    def diagnose(self, body: bytes) -> FoundTable:
        """The slow way: the same for every good body, and what is wrong with any other."""
        document = diagnose.document(body)
        diagnose.refuse_unknown(document, (*self._forms, *self._others), "body")
        given = [name for name in self._forms if name in document]
        if len(given) != 1:
            names = ", ".join(self._forms)
            raise InvalidInput(
                f"the body must hold exactly one of {names}", field=given[1] if given else "body"
            )
        others = {name: document[name] for name in self._others if name in document}
        table = self._forms[given[0]].read(document[given[0]], given[0])
        return FoundTable(given[0], table, others, certain=False)

    def _certain(self, body: bytes) -> FoundTable | None:
        try:
            document = msgspec.structs.asdict(self._decoder.decode(body))
        except diagnose.UNDECODABLE:
            return None
        given = {name: value for name, value in document.items() if value is not msgspec.UNSET}
        others = {name: given.pop(name) for name in self._others if name in given}
        if len(given) != 1 or diagnose.has_nul(body):  # msgspec accepts an escaped NUL
            return None
        key, value = given.popitem()
        table = self._forms[key].certain(value)
        # It also accepts a key that is there twice.
        if table is None or not distinct(body, 1 + len(others) + table.keys):
            return None
        return FoundTable(key, table, others, certain=True)
