"""Validation of the dataset: all complaints at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlplatform.contracts.pipeline_status import FeaturesProgress
from mlplatform.errors import InvalidInput
from mlplatform.trainer.steps.validate import validate


def _validate(table: Any, pinned: Any, *, featured: int = 200, quarantined: int = 0) -> None:
    progress = FeaturesProgress(
        digest=pinned.digest,
        ready=True,
        waiting_requests=0,
        featured=featured,
        quarantined=quarantined,
        failure=None,
        mark=1,
    )
    validate(table, pinned, progress)


def test_a_good_dataset_passes(table, pinned) -> None:
    """Enough rows of both classes, no nulls, nothing in quarantine: nothing is raised."""
    assert _validate(table(), pinned()) is None


def test_all_complaints_come_at_once(table, pinned) -> None:
    """Few rows, a large quarantine, nulls, a missing class and more: one message names all."""
    rows = table(30)
    rows.features["age"][:20] = np.nan
    rows.request_ids[1] = rows.request_ids[0]
    rows.labels[:] = "no"
    rows.labels[0] = "maybe"
    with pytest.raises(InvalidInput) as refused:
        _validate(rows, pinned(), featured=30, quarantined=20)

    for part in (
        "30 labelled rows",
        "20 of 50 rows",
        "50% of age",
        "'yes' has 0 rows",
        "outside target.values: maybe",
        "occurs twice",
    ):
        assert part in str(refused.value)


def test_an_empty_dataset_is_refused_by_its_size(table, pinned) -> None:
    """An empty dataset is refused by its size, not by an accident further on."""
    with pytest.raises(InvalidInput, match="0 labelled rows"):
        _validate(table(0), pinned())


def test_weights_that_are_all_0_stop_the_run(table, pinned) -> None:
    """Nothing could be learned from such rows; one that counts is enough."""
    rows = table()
    weights = np.zeros(len(rows))
    with pytest.raises(InvalidInput, match="counts is 0 in all rows"):
        _validate(replace(rows, weights=weights), pinned(weight="counts"))

    weights[0] = 0.5
    assert _validate(replace(rows, weights=weights), pinned(weight="counts")) is None
