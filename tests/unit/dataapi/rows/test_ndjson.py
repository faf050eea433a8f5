"""Lines of JSON become records."""

from __future__ import annotations

import io

import pytest

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.dataapi.rows import ndjson

DEFINITION = PipelineDefinition.parse(
    {
        "name": "flowers",
        "description": "Size of a flower.",
        "task": "regression",
        "columns": [{"name": "a", "dtype": "string", "nullable": True}],
        "target": {"name": "y", "dtype": "float64"},
        "tuning": {"metric": "r2"},
        "gates": [{"metric": "r2", "min": 0}],
    }
)


@pytest.mark.parametrize(
    "line",
    [
        '{"a": 1, "a": 2}',
        '{"a":1,"b":"12:30","a":1}',
        '{"a": "x:y", "\\u0061": null}',
        '{"a": 1, "b": "\\u003a", "a": ":"}',
        '{"a": 1' + "0" * 5_000 + '.5e-5000, "b": ":", "a": 1}',
        '{"a": {"b": 1}, "a": 1}',
    ],
)
def test_a_key_that_is_there_twice_is_refused(line: str) -> None:
    """Neither value is believed; the record says which key it is, and keeps the line."""
    (record,) = ndjson.read(io.BytesIO(line.encode()), DEFINITION)

    assert ("the key 'a' is there twice", "a", line, "") == (
        record.reason,
        record.column,
        record.text,
        record.inputs,
    )


@pytest.mark.parametrize("line", ['{"a":1,"b":"12:30"}', '{"a:b":":::"}', '{"a":"{\\"a\\":1}"}'])
def test_colons_in_texts_are_no_keys(line: str) -> None:
    """Times and other texts with colons are taken."""
    (record,) = ndjson.read(io.BytesIO(line.encode()), DEFINITION)

    assert "" == record.reason
