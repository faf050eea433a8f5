"""Where the key of a row stands: in columns, in a record that became no row, in a line of text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from pydantic import SecretStr

from mlplatform.contracts.naming import as_declared, fields
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.request import decode
from mlplatform.errors import InvalidInput, PlatformError, Refused
from mlplatform.features.key import key_text
from mlplatform.features.redact import redactor

Held = Literal["yes", "no", "perhaps"]
"""`perhaps`: what can't be read holds the key somewhere in its text."""
_WORD = re.compile(r"\w")


@dataclass(frozen=True)
class KeySearch:
    """Finds one key, as `features.key` reads keys.

    `names` are the columns that hold keys: definitions of earlier digests may have had another one.
    `hashed` is what is stored in place of the key where a definition redacts it; empty: none does.
    """

    key: str
    names: frozenset[str]
    declared: frozenset[str]
    hashed: str = ""

    @classmethod
    def of(
        cls,
        given: str,
        definitions: Sequence[PipelineDefinition],
        redaction_key: SecretStr | None = None,
    ) -> KeySearch:
        """The search for a key of a pipeline. Raises InvalidInput, Refused."""
        names = frozenset(each.key for each in definitions if each.key is not None)
        if not names:
            raise Refused(
                "the rows of this pipeline have no key, so nobody's can be told",
                field="pipeline",
                fix="declare `key:` in pipeline.yaml and apply it",
            )
        key, reason = key_text(given)
        if key is None:
            # The value is not to be in a message: messages go into the ledger.
            raise InvalidInput("can't be a key" if reason else "is empty", field="key")
        declared = frozenset[str]().union(*(fields(each) for each in definitions))
        return cls(key, names, declared, _hashed(key, definitions, redaction_key))

    @property
    def keys(self) -> list[str]:
        """The key in each form in which it may be stored."""
        return [self.key, *([self.hashed] if self.hashed else [])]

    @property
    def needles(self) -> list[str]:
        """What the JSON text of a key holds in any case, unless it writes characters as escapes."""
        return [msgspec.json.encode(key).decode()[1:-1] for key in self.keys]

    def rows(self, inputs: str, rows: int) -> list[int]:
        """Rows with the key, of a request's inputs: a JSON object, name -> list."""
        try:
            columns = msgspec.json.decode(inputs)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return []
        return self._in_columns(columns, rows)

    def has(self, row: Any) -> bool:
        """Whether a row (name -> value) has the key."""
        return isinstance(row, Mapping) and any(self._is(row.get(name)) for name in self.names)

    def in_letter(self, payload: bytes) -> Held:
        """Whether a dead letter holds a row with the key."""
        try:
            record = decode(payload)
        except (PlatformError, RecursionError):
            return self._in_text(payload.decode("utf-8", "replace"))
        return "yes" if self._in_columns(record.inputs, record.rows) else "no"

    def in_line(self, line: Any) -> Held:
        """Whether a record of an import, which became no row, has the key."""
        return self._in_text(line) if isinstance(line, str) else "no"

    def _in_text(self, text: str) -> Held:
        try:
            documents = [*_objects(json.loads(text))]
        except (ValueError, RecursionError):
            documents = []
        named = [each for each in documents if self.names & {*self._names(each)}]
        if named:
            return "yes" if any(map(self._in_object, named)) else "no"
        return "perhaps" if self._word_in(text) else "no"

    def _names(self, document: Mapping[str, Any]) -> list[str]:
        return as_declared([*document], self.declared)

    def _in_object(self, document: Mapping[str, Any]) -> bool:
        named = zip(self._names(document), document.values(), strict=True)
        return any(
            any(map(self._is, value)) if isinstance(value, list) else self._is(value)
            for name, value in named
            if name in self.names
        )

    def _in_columns(self, columns: Any, rows: int) -> list[int]:
        if not isinstance(columns, Mapping):
            return []
        found: set[int] = set()
        for name in self.names & columns.keys():
            values = columns[name]
            if isinstance(values, list):
                found |= {row for row, value in enumerate(values[:rows]) if self._is(value)}
        return sorted(found)

    def _is(self, value: Any) -> bool:
        return value is not None and key_text(value)[0] in self.keys

    def _word_in(self, text: str) -> bool:
        """Whether the key stands in the text and is not a part of a longer word."""
        start = text.find(self.key)
        while start >= 0:
            end = start + len(self.key)
            around = text[start - 1 : start] + text[end : end + 1]
            if not _WORD.search(around):
                return True
            start = text.find(self.key, start + 1)
        return False


def _hashed(
    key: str, definitions: Sequence[PipelineDefinition], redaction_key: SecretStr | None
) -> str:
    rules = [each for each in definitions if each.key and each.redact.get(each.key) == "hash"]
    if not rules:
        return ""
    found = redactor(rules[0].name, rules[0].redact, redaction_key)
    return "" if found is None else str(found.hash(key))


def _objects(document: Any) -> Iterator[Mapping[str, Any]]:
    """The objects of a JSON document, the outer ones first."""
    if isinstance(document, dict):
        yield document
        document = list(document.values())
    for each in document if isinstance(document, list) else ():
        yield from _objects(each)
