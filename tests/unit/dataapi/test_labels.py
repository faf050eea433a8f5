"""One label as it was sent: what becomes of every kind of item, without a database."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlplatform.access import Caller, Role
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.dataapi.rows.labels import LabelCheck, LabelFault, Unreadable
from mlplatform.database.labels import Label
from mlplatform.database.raw_requests import Owner

ID = "01985d2e-7c4a-7b11-9c62-0d6f5a0c1e11"
OTHER = "01985d2e-7c4a-7b11-9c62-0d6f5a0c1e12"
CALLER = Caller(name="clinic", roles=(Role.WRITER,), pipelines=("flowers",), sha256="0" * 64)
DEFINITION = PipelineDefinition.parse(
    {
        "name": "flowers",
        "description": "Size of a flower.",
        "task": "regression",
        "columns": [{"name": "a", "dtype": "float64", "unit": "cm"}],
        "target": {"name": "y", "dtype": "float64", "unit": "cm"},
        "tuning": {"metric": "r2"},
        "gates": [{"metric": "r2", "min": 0}],
    }
)
CHECK = LabelCheck(
    caller=CALLER,
    definitions={"flowers": DEFINITION},
    owners={ID: Owner("flowers", 2), OTHER: Owner("trees", 1)},
    given=None,
)


@pytest.mark.parametrize("row", [0, 1])
def test_a_stored_request_says_whose_label_it_is(row: int) -> None:
    """Its pipeline need not be named; ids in capitals are the same ids."""
    label = CHECK.label({"request_id": ID.upper(), "row": row, "label": 3})

    assert Label("flowers", ID, row, 3.0, None) == label


@pytest.mark.parametrize(
    ("item", "field"),
    [
        (Unreadable("not JSON", "{"), ""),
        ("text", ""),
        ({"request_id": ID, "label": 1, "weight": 2}, "weight"),
        ({"request_id": "1", "label": 1}, "request_id"),
        ({"request_id": OTHER, "row": 99, "label": 1}, "request_id"),
        ({"request_id": ID, "row": 2, "label": 1}, "row"),
        ({"request_id": ID, "row": True, "label": 1}, "row"),
        ({"request_id": ID, "label": 1, "pipeline": "trees"}, "pipeline"),
        ({"request_id": ID.replace("11", "13"), "label": 1}, "pipeline"),
        ({"request_id": ID}, "label"),
        ({"request_id": ID, "label": "3"}, "label"),
        ({"request_id": ID, "label": float("inf")}, "label"),
    ],
)
def test_what_is_not_a_label_names_its_field(item: Any, field: str) -> None:
    """Nothing else is said of a request that the caller may not label."""
    with pytest.raises(LabelFault) as caught:
        CHECK.label(item)

    assert field == caught.value.field


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["request_id", "row", "label", "pipeline", "x"]), inner, max_size=4
            )
        ),
        max_leaves=8,
    )
)
def test_any_json_is_a_label_or_is_kept_with_a_reason(item: Any) -> None:
    """Whatever is sent; only entries that the caller may write carry a pipeline's name."""
    try:
        CHECK.label(item)
    except LabelFault as fault:
        refusal = CHECK.refusal(item, fault)

        assert refusal.pipeline in ("", "flowers")
        assert refusal.reason.startswith("label refused: ")
