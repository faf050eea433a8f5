"""cases.yaml: what may be said, and how the numbers are judged."""

from __future__ import annotations

import math
from typing import Any

import pytest

from mlplatform.contracts.cases import CaseFile
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import InvalidInput


def _definition(task: str = "classification") -> PipelineDefinition:
    metric = "roc_auc" if task == "classification" else "r2"
    target = (
        {"name": "paid", "dtype": "string", "values": ["no", "yes"]}
        if task == "classification"
        else {"name": "sum", "dtype": "float64"}
    )
    return PipelineDefinition.parse(
        {
            "name": "loans",
            "description": "Whether a loan will be paid back.",
            "task": task,
            "columns": [
                {"name": "income", "dtype": "float64"},
                {"name": "city", "dtype": "string"},
            ],
            "target": target,
            "tuning": {"metric": metric},
            "gates": [{"metric": metric, "min": 0.5}],
        }
    )


def _parse(*, task: str = "classification", **case: Any) -> CaseFile:
    document = {
        "rows": {"usual": {"income": 3, "city": "Bonn"}},
        "cases": [{"name": "a case", "row": "usual"} | case],
    }
    return CaseFile.parse(document, _definition(task))


@pytest.mark.parametrize(
    ("case", "changes"),
    [
        ({"kind": "exact", "expect": "yes", "with": {"income": 9}}, [{"income": 9}]),
        ({"kind": "bounds", "of": "yes", "min": 0.5}, [{}]),
        (
            {
                "kind": "monotone",
                "of": "yes",
                "column": "income",
                "values": [1, 2],
                "direction": "up",
            },
            [{"income": 1}, {"income": 2}],
        ),
        (
            {
                "kind": "invariant",
                "of": "yes",
                "variants": [{"city": "Ulm"}],
                "with": {"income": 1},
            },
            [{"income": 1}, {"income": 1, "city": "Ulm"}],
        ),
    ],
)
def test_a_case_gives_the_rows_it_needs(
    case: dict[str, Any], changes: list[dict[str, Any]]
) -> None:
    """Whole raw rows, in the order in which the verdict wants their numbers."""
    file = _parse(**case)

    assert [{"income": 3, "city": "Bonn"} | change for change in changes] == file.inputs(
        file.cases[0]
    )
    assert file.cases[0].wants == case.get("of")


@pytest.mark.parametrize(
    ("case", "values", "verdict"),
    [
        ({"kind": "exact", "expect": "yes"}, ["yes"], None),
        ({"kind": "exact", "expect": "yes"}, ["no"], "expected yes, found no"),
        ({"kind": "bounds", "of": "yes", "min": 0.2, "max": 0.4}, [0.2], None),
        ({"kind": "bounds", "of": "yes", "max": 0.4}, [0.41], "0.41 is not in [-inf, 0.4]"),
        ({"kind": "bounds", "of": "yes", "min": 0.2}, [math.nan], "nan is not in [0.2, inf]"),
        ({"kind": "monotone", "direction": "up"}, [1, 1, 2], None),
        ({"kind": "monotone", "direction": "up", "tolerance": 0.5}, [1, 0.5, 2], None),
        (
            {"kind": "monotone", "direction": "up"},
            [1, 2, 1.5],
            "income from 2 to 3 moves it from 2 to 1.5, not up",
        ),
        (
            {"kind": "monotone", "direction": "down"},
            [1, 2, 3],
            "income from 1 to 2 moves it from 1 to 2, not down",
        ),
        (
            {"kind": "monotone", "direction": "down"},
            [1, math.nan, 0],
            "income from 1 to 2 moves it from 1 to nan, not down",
        ),
        ({"kind": "invariant"}, [0.5, 0.5, 0.5], None),
        ({"kind": "invariant", "tolerance": 0.1}, [0.5, 0.55, 0.45], None),
        ({"kind": "invariant"}, [0.5, 0.5, 0.6], "{'city': 'Ulm'} moves it from 0.5 to 0.6"),
        (
            {"kind": "invariant"},
            [math.nan, math.nan, math.nan],
            "{'city': 'Köln'} moves it from nan to nan",
        ),
    ],
)
def test_numbers_are_judged(case: dict[str, Any], values: list[Any], verdict: str | None) -> None:
    """What holds has no verdict; what does not says what was found; a NaN never holds."""
    extra: dict[str, Any] = {
        "monotone": {"of": "yes", "column": "income", "values": [1, 2, 3]},
        "invariant": {"of": "yes", "variants": [{"city": "Köln"}, {"city": "Ulm"}]},
    }.get(case["kind"], {})

    assert _parse(**case, **extra).cases[0].verdict(values) == verdict


def test_a_number_is_exact_within_its_tolerance() -> None:
    """Regressions compare numbers."""
    case = _parse(task="regression", kind="exact", expect=10, tolerance=0.5).cases[0]

    assert (None, "expected 10, found 10.6") == (case.verdict([10.5]), case.verdict([10.6]))


def test_large_classes_are_exact_by_every_digit() -> None:
    """Two classes whose numbers a float can't tell apart are two classes."""
    case = _parse(task="regression", kind="exact", expect=2**53 + 1).cases[0]

    assert f"expected {2**53 + 1}, found {2**53}" == case.verdict([2**53])
    assert None is case.verdict([2**53 + 1])


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ({"kind": "exact"}, "cases.0.exact.expect: Field required"),
        ({"kind": "nonsense"}, "cases.0"),
        ({"kind": "exact", "expect": "yes", "colour": 1}, "cases.0.exact.colour"),
        ({"kind": "exact", "expect": "yes", "row": "other"}, "no row 'other' under rows"),
        ({"kind": "exact", "expect": "yes", "with": {"age": 1}}, "missing or unknown column age"),
        ({"kind": "bounds", "of": "yes"}, "give min, max or both"),
        ({"kind": "bounds", "min": 1}, "of: name the class whose probability is meant"),
        ({"kind": "bounds", "min": 1, "of": "perhaps"}, "'perhaps' is not one of no, yes"),
        (
            {"kind": "bounds", "min": 1, "of": "yes", "task": "regression"},
            "of: only cases on probabilities have it",
        ),
        (
            {"kind": "monotone", "of": "yes", "column": "income", "values": [1], "direction": "up"},
            "cases.0.monotone.values",
        ),
        (
            {"kind": "monotone", "of": "yes", "column": "age", "values": [1, 2], "direction": "up"},
            "missing or unknown column age",
        ),
        (
            {"kind": "invariant", "of": "yes", "variants": [{"age": 1}]},
            "missing or unknown column age",
        ),
    ],
)
def test_a_case_that_makes_no_sense_is_refused(case: dict[str, Any], words: str) -> None:
    """The refusal names the case or the key."""
    with pytest.raises(InvalidInput) as refusal:
        _parse(**case)

    assert words in str(refusal.value)
