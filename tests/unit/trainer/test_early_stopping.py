"""Which training rows decide when a booster stops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlplatform.errors import InvalidInput
from mlplatform.trainer.early_stopping import EarlyStopped, require_booster
from mlplatform.trainer.steps.split import deciding_rows, hold_out

EARLY = {"early_stopping": {"share": 0.3}}


def test_rows_of_one_key_decide_together(definition: Any, table: Any) -> None:
    """About the share of them decides, and a key never stands on both sides."""
    rows = table(2000)
    rows.keys[:] = [f"person {at // 4}" for at in range(2000)]

    decides = deciding_rows(rows, definition(**EARLY))

    assert 0.25 < decides.mean() < 0.35
    assert set() == set(rows.keys[decides]) & set(rows.keys[~decides])


def test_the_draw_is_another_than_that_of_the_split(definition: Any, table: Any) -> None:
    """Training rows have all missed the test side: by the same draw none would decide."""
    whole = definition(**EARLY)
    train, _ = hold_out(table(2000), whole)

    assert 0.25 < deciding_rows(train, whole).mean() < 0.35


def test_by_time_the_latest_rows_decide(definition: Any, table: Any) -> None:
    """Nothing is drawn then: the frame's last rows are meant."""
    assert deciding_rows(table(50), definition(split={"by": "time"}, **EARLY)) is None

    stopped = EarlyStopped(LinearRegression(), rounds=5, share=0.3, decides=None)

    frame = pd.DataFrame({"age": range(10)})
    assert [7, 8, 9] == np.flatnonzero(stopped._deciding(frame)).tolist()


@pytest.mark.parametrize(
    ("estimator", "decides", "labels", "complaint"),
    [
        (LinearRegression(), [False] * 4, [1, 2, 3, 4], "0 of 4 training rows"),
        (LinearRegression(), [True] * 4, [1, 2, 3, 4], "4 of 4 training rows"),
        (LogisticRegression(), [False, False, True, True], list("aabb"), "all .* of class b"),
    ],
)
def test_a_part_that_can_not_decide_is_refused(
    estimator: Any, decides: list[bool], labels: list[Any], complaint: str
) -> None:
    """No rows, all of them, or a class that is nowhere else."""
    stopped = EarlyStopped(estimator, rounds=5, share=0.5, decides=np.array(decides))

    with pytest.raises(InvalidInput, match=complaint) as refused:
        stopped.fit(pd.DataFrame({"age": range(4)}), np.array(labels))

    assert "early_stopping.share" == refused.value.field


def test_an_estimator_without_a_booster_is_refused() -> None:
    """Alone and last in a Pipeline; the message names what works."""
    for estimator in (
        LogisticRegression(),
        make_pipeline(StandardScaler(), LogisticRegression()),
    ):
        with pytest.raises(InvalidInput, match="LogisticRegression does not stop early") as refused:
            require_booster(estimator)

        assert "XGBoost, LightGBM and CatBoost" in refused.value.fix
