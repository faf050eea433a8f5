"""Bodies of labels become items: one JSON document, or one JSON object per line."""

from __future__ import annotations

from typing import Any

import msgspec

from mlplatform.dataapi.rows.labels import Unreadable
from mlplatform.errors import InvalidInput
from mlplatform.strict_json import key_count, repeated_keys

_UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class _Items(msgspec.Struct):
    """The labels of a document as they were written."""

    labels: list[msgspec.Raw]


def read_item(line: bytes) -> Any:
    """The item of a line, or Unreadable when it is not JSON or has a key twice."""
    text = line.decode("utf-8", "backslashreplace").strip()
    try:
        item = msgspec.json.decode(line)
        repeated = repeated_keys(line, key_count(item))
    except (*_UNDECODABLE, InvalidInput) as error:
        return Unreadable(f"not JSON: {error}", text)
    return Unreadable(str(repeated[0]), text, field=repeated[0].key) if repeated else item


def read_document(data: bytes, pipeline: str | None) -> tuple[list[Any], str | None]:
    """The items of a document, and the pipeline that is meant where an item names none.

    An item that has a key twice is Unreadable. Raises InvalidInput when the document can't be read
    or has a key twice itself.
    """
    try:
        body = msgspec.json.decode(data)
        repeated = repeated_keys(data, key_count(body))
    except _UNDECODABLE as error:
        raise InvalidInput(f"not JSON: {error}", field="body") from error
    _require_labels(body)
    if repeated and not repeated[0].place:
        raise InvalidInput(str(repeated[0]), field=repeated[0].key)
    named = body.get("pipeline", pipeline)
    if named is not None and not isinstance(named, str):
        raise InvalidInput("not a name", field="pipeline")
    if not repeated:
        return body["labels"], named
    written = msgspec.json.decode(data, type=_Items).labels
    return [read_item(bytes(item)) for item in written], named


def _require_labels(body: Any) -> None:
    if not isinstance(body, dict) or not isinstance(body.get("labels"), list):
        raise InvalidInput(
            "a list of labels is missing",
            field="labels",
            fix='send {"labels": [{"request_id": …, "row": 0, "label": …}]}',
        )
    if unknown := sorted(set(body) - {"labels", "pipeline"}):
        raise InvalidInput("unknown field", field=unknown[0])
