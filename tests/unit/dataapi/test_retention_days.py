"""How many days hold: what a pipeline says, within what the platform allows."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.removed import Removed
from mlplatform.contracts.retention_days import PIPELINE_KINDS, SHARED_KINDS, RetentionDays
from mlplatform.dataapi import retention_days
from mlplatform.errors import InvalidInput
from mlplatform.settings import RetentionSettings

DEFINITION: dict[str, Any] = {
    "name": "a-b",
    "description": "Nothing but a test of days.",
    "task": "regression",
    "columns": [{"name": "x", "dtype": "float64"}],
    "target": {"name": "y", "dtype": "float64"},
    "tuning": {"metric": "mae"},
    "gates": [{"metric": "mae", "max": 1}],
}


def test_every_kind_has_days_and_settings() -> None:
    """A pipeline can name exactly the kinds of pipelines, the settings name all."""
    assert set(PIPELINE_KINDS) == set(RetentionDays.model_fields)
    assert {*PIPELINE_KINDS, *SHARED_KINDS} == set(RetentionSettings.model_fields)


@pytest.mark.parametrize(("days", "allowed"), [(29, False), (30, True), (90, True), (91, False)])
def test_days_are_within_floor_and_ceiling(days: int, allowed: bool) -> None:
    """Both ends may be said; beyond them the field, the bounds and a way out are named."""
    settings = RetentionSettings(requests="30 60 90")
    definition = PipelineDefinition.parse({**DEFINITION, "retention": {"requests": days}})
    if allowed:
        retention_days.check(definition, settings)
        return
    with pytest.raises(InvalidInput, match="from 30 to 90 days") as caught:
        retention_days.check(definition, settings)

    assert "retention.requests" == caught.value.field


@pytest.mark.parametrize("text", ["90 60 30", "30 20 90", "30", "0 1 2", "a b c", "1 2 3 4"])
def test_settings_that_mean_nothing_are_refused(text: str) -> None:
    """Three whole numbers that don't fall, or none."""
    with pytest.raises(ValidationError):
        RetentionSettings(requests=text)


def test_what_several_calls_removed_adds_up() -> None:
    """Numbers are sums; what is kept and whether there is more is the last call's."""
    first = Removed(
        kind="requests", pipeline=None, items=2, rows=4, size=9, names=["a"], more=True,
        by_pipeline={"a-b": 2},
    )  # fmt: skip
    last = Removed(
        kind="requests", pipeline=None, items=1, rows=1, size=1, by_pipeline={"a-b": 1, "c-d": 3},
        kept={"x": 1},
    )  # fmt: skip
    total = first.plus(last)

    assert (3, 5, 10, ["a"], False) == (
        total.items, total.rows, total.size, total.names, total.more,
    )  # fmt: skip
    assert ({"a-b": 3, "c-d": 3}, {"x": 1}) == (total.by_pipeline, total.kept)
