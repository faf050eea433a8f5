"""Records of an import into a pipeline that redacts, before anything of them is stored.

Only declared fields are kept: a column under a name that is not declared can't be known to be
harmless. Of a record that can't be read nothing is kept but the reason, since its columns can't be
told apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlplatform.contracts.naming import fields
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.dataapi.rows.chunk import Chunk, Records, Rows
from mlplatform.dataapi.rows.record import Record
from mlplatform.errors import InvalidInput
from mlplatform.features.key import key_text
from mlplatform.features.redact import NOT_KEPT, Redactor

_NO_TEXT = "is not a text, and the column is hashed"
_NO_KEY = "can't be a key: text or a whole number"
_UNKNOWN = "a field that is not declared, or is there twice"
_TEXTS = frozenset({str, type(None)})


@dataclass(frozen=True)
class RowRedaction:
    """The rules for one pipeline's records."""

    definition: PipelineDefinition
    redactor: Redactor

    def chunks(self, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        """The same records as they may be stored.

        A header that can't be used is refused without its names, which may be a row's values.
        """
        known = fields(self.definition)
        try:
            yield from map(self._chunk, chunks)
        except InvalidInput as error:
            if error.field in {*known, "body"}:
                raise
            raise InvalidInput(
                "the header has a field that is not declared", field="body", fix=error.fix
            ) from None

    def _chunk(self, chunk: Chunk) -> Chunk:
        if isinstance(chunk, Records):
            return Records([self._record(record) for record in chunk.records])
        assert isinstance(chunk, Rows)
        columns = self._declared(chunk.columns)
        if columns and all(map(self._sound, columns, columns.values())):
            return Rows(chunk.first, self.redactor.columns(columns))
        rows = zip(*chunk.columns.values(), strict=True)
        records = (
            Record(number, dict(zip(chunk.columns, row, strict=True)))
            for number, row in enumerate(rows, start=chunk.first)
        )
        return Records([self._record(record) for record in records])

    def _record(self, record: Record) -> Record:
        if record.reason:
            return self._refused(record)
        values = self._declared(record.values)
        if not values:
            return replace(record, values={}, reason="it has no declared fields", text=NOT_KEPT)
        for name, value in values.items():
            if not self._sound(name, [value]):
                reason = _NO_KEY if name == self.definition.key else _NO_TEXT
                return replace(record, values={}, reason=reason, column=name, text=NOT_KEPT)
        return replace(record, values=self.redactor.row(values), text="")

    def _refused(self, record: Record) -> Record:
        """The record without its text, and without a name that may be a value."""
        if record.column in {"", *fields(self.definition)}:
            return replace(record, text=NOT_KEPT)
        return replace(record, reason=_UNKNOWN, column="", text=NOT_KEPT)

    def _declared(self, values: Mapping[str, Any]) -> dict[str, Any]:
        known = fields(self.definition)
        return {name: value for name, value in values.items() if name in known}

    def _sound(self, name: str, values: Sequence[Any]) -> bool:
        """Whether a hash may take the place of values: it hides what etl would refuse."""
        if name not in self.redactor.hashed:
            return True
        if name == self.definition.key:
            return not any(fault for _, fault in map(key_text, values))
        return _TEXTS.issuperset(map(type, values))
