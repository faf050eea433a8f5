"""Values before they are stored: hashed, dropped, or left as they are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from mlplatform.contracts.columns import Column
from mlplatform.errors import InvalidInput
from mlplatform.features.hashes import is_hash
from mlplatform.features.history import clean_rows
from mlplatform.features.redact import NOT_KEPT, Redactor, redactor

KEY = SecretStr("k" * 32)
RULES = Redactor("ward", {"ssn": "hash", "note": "drop"}, b"k" * 32)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


def test_a_hash_is_a_mark_and_128_bits_of_an_hmac() -> None:
    """A fixed example: whoever has the key can compute it with any library."""
    assert "hash:d1ff6f41e21f17aa0577c4c994cf1fb3" == RULES.hash("078-05-1120")


@given(SCALARS, SCALARS)
def test_hashes_are_equal_where_values_are(one: Any, other: Any) -> None:
    """The type counts as a key's does: 1 and true differ, 1 and "1.0" are one."""
    hashes = RULES.hash(one), RULES.hash(other)

    assert all(map(is_hash, hashes)) or one != one or other != other  # noqa: PLR0124  (NaN)
    if type(one) is type(other) and one == one and other == other:  # noqa: PLR0124
        assert one != other or hashes[0] == hashes[1]


def test_a_column_of_several_types_is_hashed_value_by_value() -> None:
    """In Python 1 == True == 1.0; none of them may get the hash of another."""
    values = [True, 1, "1", 1.0, "True"]
    expected = [RULES.hash(value) for value in values]

    assert expected == RULES.columns({"ssn": values})["ssn"]
    assert expected[1] == expected[2] == expected[3] != expected[0]


def test_pipelines_and_keys_have_hashes_of_their_own() -> None:
    """So rows of two pipelines can't be joined by them, and a new key begins anew."""
    others = Redactor("lab", RULES.rules, b"k" * 32), Redactor("ward", RULES.rules, b"x" * 32)

    assert 3 == len({rules.hash("078-05-1120") for rules in (RULES, *others)})


def test_what_is_not_there_stays_so() -> None:
    """Null and the empty text have no hash: they would be the commonest one."""
    assert [None, ""] == RULES.columns({"ssn": [None, ""]})["ssn"]


def test_a_row_loses_what_is_dropped_and_keeps_the_rest() -> None:
    """Fields without a rule are not touched."""
    row = RULES.row({"ssn": "078-05-1120", "note": "calls at night", "age": 7})

    assert {"ssn": RULES.hash("078-05-1120"), "age": 7} == row


@given(st.lists(SCALARS))
def test_what_is_hashed_already_is_not_hashed_again(values: list[Any]) -> None:
    """For etl, which meets rows from before and after a rule."""
    known = [value for value in values if value == value]  # noqa: PLR0124  (NaN)
    once = RULES.stored_columns({"ssn": known})

    assert once == RULES.stored_columns(once)


def test_stored_values_that_are_no_list_are_not_kept() -> None:
    """Such a request goes to quarantine, whose entry holds what came."""
    assert {"ssn": NOT_KEPT} == RULES.stored_columns({"ssn": "078-05-1120", "note": "at night"})


def test_two_rules_are_kept_together() -> None:
    """That of the version that serves and that of the applied definition: dropping wins."""
    other = Redactor("ward", {"ssn": "drop", "mail": "hash"}, b"k" * 32)

    assert {"ssn": "drop", "note": "drop", "mail": "hash"} == RULES.joined(other).rules
    assert RULES.joined(other).rules == other.joined(RULES).rules


def test_hashing_needs_a_key() -> None:
    """The error says which setting; without rules none is needed."""
    assert redactor("ward", {}, None) is None
    assert redactor("ward", {"note": "drop"}, None) is not None
    for rules, stores in (({"ssn": "hash"}, False), ({"note": "drop"}, True)):
        with pytest.raises(InvalidInput, match="MLPLATFORM_REDACTION__KEY"):
            redactor("ward", rules, None, stores=stores)  # type: ignore[arg-type]


def test_rows_from_before_the_rule_are_no_examples() -> None:
    """What features.py is tried on may end up in a model's folder, and in messages."""
    columns = [Column(name="ssn", dtype="string")]
    stored = [json.dumps({"ssn": ["078-05-1120"]}), json.dumps({"ssn": [RULES.hash("1")]})]
    found = clean_rows(stored, columns, {"ssn": "hash"})

    assert found is not None
    assert [RULES.hash("1")] == found["ssn"].tolist()
