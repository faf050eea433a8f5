"""YAML that people write: read in one way only, or refused with the line."""

from __future__ import annotations

import pytest

from mlplatform.errors import InvalidInput
from mlplatform.strict_yaml import read


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "gates: [1]\nname: a\ngates: [2]",
            "a.yaml, line 3: gates is given twice, first in line 1",
        ),
        ("a:\n- {b: 1, b: 1}", "a.yaml, line 2: b is given twice, first in line 2"),
        (
            "values:\n  - yes\n  - 'no'",
            'line 2: yes may mean true or the text (write true, or "yes" in quotes)',
        ),
        ("values: [Off]", 'Off may mean false or the text (write false, or "Off" in quotes)'),
        ("on: 1", "line 1: on may mean true or the text"),
        ("a: 010", "010 is one number in YAML 1.1 and another or none in YAML 1.2"),
        ("a: 12:30", '(write a plain decimal number, or "12:30" in quotes)'),
        ("a: 0o17", "0o17 is one number in YAML 1.1"),
        ("a: 0b11", "0b11 is one number in YAML 1.1"),
        ("a: 2026-01-02", 'is a date here, not a text (write "2026-01-02" in quotes)'),
        ("min: -.inf", "line 1: -.inf is not a finite number (leave a bound out;"),
        ("a:\n  b: .nan", "line 2: .nan is not a finite number"),
        ("a: 1e999", "1e999 is not a finite number"),
        ("a: [", "a.yaml, line 1: "),
        ("a: 1\n---\nb: 2", "a.yaml, line 2: "),
        ("a: !!python/none x", "a.yaml, line 1: could not determine a constructor"),
    ],
)
def test_what_may_mean_two_things_is_refused_with_its_line(text: str, words: str) -> None:
    """The refusal names the word, the line and what to write instead."""
    with pytest.raises(InvalidInput) as refusal:
        read(text, where="a.yaml")

    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-2", 0.01),
        ("1E3", 1000.0),
        ("1.5e3", 1500.0),
        ("-.5e1", -5.0),
        ("1.0e-4", 0.0001),
        ("1_000", 1000),
        ("0", 0),
        ("0.05", 0.05),
        ("true", True),
        ("False", False),
        ('"no"', "no"),
        ("'010'", "010"),
        ("'.inf'", ".inf"),
        ("e3", "e3"),
        ("0890", "0890"),
        ("north", "north"),
        ("~", None),
    ],
)
def test_what_means_one_thing_is_read_as_that(text: str, value: object) -> None:
    """Numbers of YAML 1.2 are numbers, and quoted words are texts."""
    found = read(f"a: {text}", where="a.yaml").content["a"]

    assert (type(value), value) == (type(found), found)


def test_a_value_is_found_by_its_path() -> None:
    """A part of the path that the file does not have leads to the last part that is there."""
    document = read("a: 1\nb:\n  - c: 1\n    d: 2\n", where="a.yaml")

    assert "a.yaml, line 4" == document.place(("b", 0, "d"))
    assert "a.yaml, line 3" == document.place(("b", 0, "lost"))
    assert "a.yaml, line 2" == document.place(("b", 7))
    assert "a.yaml" == document.place(())
    assert "a.yaml" == read("", where="a.yaml").place(("a",))


def test_anchors_and_merged_keys_stay_possible() -> None:
    """A key beside `<<` replaces the merged one, which is no second one; a cycle ends the check."""
    found = read("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\nc: &c [*c]", where="a.yaml").content

    assert {"x": 3, "y": 2} == found["b"]


def test_a_file_that_was_accepted_before_stays_readable() -> None:
    """Read without the strict rules, what is not sure means what it meant before."""
    text = "a: 1\na: no\nb: 010\nc: 1e-2"

    assert {"a": False, "b": 8, "c": 0.01} == read(text, where="a.yaml", strict=False).content
