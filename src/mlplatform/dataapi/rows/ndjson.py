"""NDJSON: one JSON object per line.

A line that is none is a record with a reason; the others are not affected.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from mlplatform.contracts.naming import as_declared, fields
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.dataapi.rows.record import Record, row
from mlplatform.strict_json import repeated_keys

_decoder = msgspec.json.Decoder()


def read(body: BinaryIO, definition: PipelineDefinition) -> Iterator[Record]:
    """The records of a body. Empty lines are skipped."""
    number, declared = 0, fields(definition)
    for line in body:
        stripped = line.strip()
        if stripped:
            number += 1
            yield _record(number, stripped, declared)


def _record(number: int, line: bytes, declared: frozenset[str]) -> Record:
    text = line.decode("utf-8", "backslashreplace")
    try:
        document = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Record(number, reason=f"not JSON: {error}", text=text)
    except RecursionError:
        return Record(number, reason="not a row: nested too deeply", text=text)
    if not isinstance(document, dict):
        return Record(number, reason="not a JSON object", text=text)
    if not document.keys() <= declared:
        document = dict(zip(as_declared([*document], declared), document.values(), strict=True))
    record = row(number, document, text)
    # After the row is known to be flat: what is nested deeply can't be read again.
    repeated = [] if record.reason else repeated_keys(line, len(document))
    if repeated:
        return Record(number, reason=str(repeated[0]), column=repeated[0].key, text=text)
    return record
