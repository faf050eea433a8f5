"""What `redact` in pipeline.yaml does to values, before anything stores them."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import SecretStr

from mlplatform.contracts.pipeline import Redaction
from mlplatform.errors import InvalidInput
from mlplatform.features.hashes import hash_of, is_hash
from mlplatform.settings import variable

NOT_KEPT = "not kept: the pipeline redacts columns"
"""What is stored in the place of a text in which columns can't be told apart."""


class Redactor:
    """The rules of one pipeline with the key. Immutable; safe to share between threads."""

    def __init__(self, pipeline: str, rules: Mapping[str, Redaction], key: bytes) -> None:
        self.rules = dict(rules)
        self._pipeline = pipeline
        self._key = key

    @property
    def hashed(self) -> frozenset[str]:
        """The fields that are hashed."""
        return frozenset(name for name, how in self.rules.items() if how == "hash")

    @property
    def dropped(self) -> frozenset[str]:
        """The fields that are dropped."""
        return frozenset(self.rules) - self.hashed

    def joined(self, other: Redactor) -> Redactor:
        """What keeps the rules of both; where they differ the value is dropped."""
        rules = {**other.rules, **self.rules}
        drops: dict[str, Redaction] = {
            name: "drop"
            for name in rules
            if "drop" in (self.rules.get(name), other.rules.get(name))
        }
        return Redactor(self._pipeline, {**rules, **drops}, self._key)

    def hash(self, value: Any) -> Any:
        """The hash of a value; see `hash_of`."""
        return hash_of(value, self._pipeline, self._key)

    def digest(self, text: str) -> str:
        """A digest of what was sent, by which it is known again and nobody else can try guesses."""
        message = f"{self._pipeline}\0\0{text}".encode()
        return hmac.digest(self._key, message, "sha256").hex()

    def columns(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
        """Name -> values as they may be stored."""
        return {
            name: self._hashes(values) if name in self.rules else values
            for name, values in columns.items()
            if self.rules.get(name) != "drop"
        }

    def row(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Name -> value as it may be stored."""
        return {name: one[0] for name, one in self.columns(_single(values)).items()}

    def stored_columns(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """The same for what is stored already, perhaps before the rules: hashes stay."""
        return {
            name: self._again(values) if name in self.rules else values
            for name, values in columns.items()
            if self.rules.get(name) != "drop"
        }

    def _hashes(self, values: Sequence[Any]) -> list[Any]:
        known: dict[str, Any] = {}  # most columns repeat their texts
        found = []
        for value in values:
            if not isinstance(value, str):
                found.append(self.hash(value))
                continue
            if value not in known:
                known[value] = self.hash(value)
            found.append(known[value])
        return found

    def _again(self, values: Any) -> Any:
        if not isinstance(values, list):  # nothing that can be laid flat: for people to read
            return NOT_KEPT
        return [value if is_hash(value) else self.hash(value) for value in values]


def redactor(
    pipeline: str, rules: Mapping[str, Redaction], key: SecretStr | None, *, stores: bool = False
) -> Redactor | None:
    """The rules with the key; None where there are none.

    Raises InvalidInput without a key where something is to be hashed, and with `stores` (by the
    data API, which also keeps digests of what was sent) where anything is redacted.
    """
    if not rules:
        return None
    if key is None and (stores or "hash" in rules.values()):
        raise InvalidInput(
            f"'{pipeline}' redacts columns, and this process has no key for that",
            field="redact",
            fix=f"set {variable('redaction', 'key')}, the same for data API, etl and serving",
        )
    return Redactor(pipeline, rules, b"" if key is None else key.get_secret_value().encode())


def _single(values: Mapping[str, Any]) -> dict[str, list[Any]]:
    return {name: [value] for name, value in values.items()}
