"""Where the key of a person is found, and where it is another's."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.request import RequestRecord, encode
from mlplatform.dataapi.key_search import KeySearch
from mlplatform.errors import InvalidInput, Refused
from mlplatform.features.redact import Redactor

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


def definition(**changes: Any) -> PipelineDefinition:
    """A pipeline whose rows have a key."""
    document: dict[str, Any] = {
        "name": "loans",
        "description": "Whether a loan will be paid back.",
        "task": "classification",
        "columns": [{"name": "income", "dtype": "float64"}],
        "target": {"name": "paid", "dtype": "string", "values": ["no", "yes"]},
        "key": "customer_id",
        "tuning": {"metric": "accuracy"},
        "gates": [{"metric": "accuracy", "min": 0.5}],
    }
    return PipelineDefinition.parse(document | changes)


def search(key: str, *definitions: PipelineDefinition) -> KeySearch:
    """The search for a key."""
    return KeySearch.of(key, definitions or [definition()])


def letter(**changes: Any) -> bytes:
    """A record that could not become a row."""
    values: dict[str, Any] = {
        "outbox_id": "o",
        "sequence": 1,
        "request_id": "r",
        "pipeline": "loans",
        "version": "1",
        "caller": "c",
        "received_us": 0,
        "rows": 2,
        "inputs": {"income": [77, 1], "customer_id": ["a", "b"]},
    }
    return encode(RequestRecord(**(values | changes)))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["77", "x", "77"], [0, 2]),
        ([77, 77.0, "77.0", 7.7e1, "077", 770, None, True, [77]], [0, 1, 2, 3]),
        ("77", []),
    ],
)
def test_rows_are_found_by_their_key(values: Any, expected: list[int]) -> None:
    """As etl reads it: a number may be written in several ways; other columns don't count."""
    inputs = {"income": [77] * 9, "customer_id": values}

    assert expected == search("77").rows(json.dumps(inputs), 9)


@pytest.mark.parametrize("text", ["", "[1]", "{", '"77"', "{}", "[" * 5_000])
def test_what_holds_no_columns_holds_no_key(text: str) -> None:
    """It is not read as anything."""
    assert [] == search("77").rows(text, 1)


@given(TEXTS)
def test_the_text_of_the_inputs_holds_what_is_searched_for(key: str) -> None:
    """Or a backslash: the database finds every request in which the key may stand."""
    found = search(key)
    for text in (
        msgspec.json.encode({"customer_id": [key]}).decode(),
        json.dumps({"customer_id": [key]}),
    ):
        assert [0] == found.rows(text, 1)
        assert found.needles[0] in text or "\\" in text


@given(st.integers(-(2**52), 2**52))
def test_a_number_is_found_in_every_way_to_write_it(key: int) -> None:
    """Whole, as a float, as a text."""
    found = search(str(key))
    for value in (key, float(key), str(key)):
        text = msgspec.json.encode({"customer_id": [value]}).decode()
        assert [0] == found.rows(text, 1)
        assert found.needles[0] in text


def test_an_earlier_key_column_counts() -> None:
    """Requests of that time have it."""
    found = search("a", definition(), definition(key="loan"), definition(key=None))

    assert [0, 1] == found.rows('{"loan": ["a", "b"], "customer_id": ["b", "a"]}', 2)
    assert found.has({"loan": "a"})
    assert not found.has({"income": "a"})
    assert not found.has("a")


def test_a_pipeline_without_a_key_is_refused() -> None:
    """Nobody's rows can be told."""
    with pytest.raises(Refused, match="no key"):
        search("a", definition(key=None))


def test_what_can_not_be_a_key_is_refused_without_being_named() -> None:
    """Messages go into the ledger."""
    with pytest.raises(InvalidInput) as found:
        search("secret\0name")

    assert "secret" not in str(found.value)


def test_a_dead_letter_is_read_as_far_as_it_can_be() -> None:
    """Its columns, its rows, its tensors; what is no record but shows the key column."""
    data = base64.b64encode(np.array([5, 6]).tobytes()).decode()
    tensors = {"tensors": [{"names": ["customer_id"], "dtype": "int64", "data": data}]}
    whole = json.loads(letter())
    record = {**whole, "format": 2, "body": tensors}
    broken = {**whole, "rows": 7}

    assert ["yes", "no", "no"] == [search(key).in_letter(letter()) for key in ("b", "c", "77")]
    assert ["yes", "no"] == [
        search(key).in_letter(json.dumps(record).encode()) for key in ("6", "7")
    ]
    assert ["yes", "no"] == [
        search(key).in_letter(json.dumps(broken).encode()) for key in ("b", "77")
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"customer_id": "a-1", "income": [1]}', "yes"),
        ('{"Customer ID": "a-1", "income": [1]}', "yes"),
        ('{"customer_id": "a-2", "income": "a-1"}', "no"),
        ("a-1,5,6,7", "perhaps"),
        ("ba-1,5", "no"),
        ("5,a-11 a-1", "perhaps"),
        ('["a-1"]', "perhaps"),
        ('{"income": "a-1"}', "perhaps"),
        ("", "no"),
        (None, "no"),
    ],
)
def test_a_line_of_an_import_is_read_as_far_as_it_can_be(line: Any, expected: str) -> None:
    """Of what can't be read it is only said that the key stands in it."""
    assert expected == search("a-1").in_line(line)


def test_a_redacted_key_is_found_as_it_came_and_as_it_is_stored() -> None:
    """Some rows are older than the rule; all belong to the person."""
    rules = definition(redact={"customer_id": "hash"})
    found = KeySearch.of("77", [rules, definition()], SecretStr("k" * 32))
    stored = Redactor("loans", rules.redact, b"k" * 32).hash("77")

    assert ["77", stored] == found.needles
    assert [0, 2] == found.rows(json.dumps({"customer_id": [77, "78", stored]}), 3)
    assert ["77"] == KeySearch.of("77", [definition()], SecretStr("k" * 32)).needles
