"""What a client of the examples sends."""

from __future__ import annotations

from typing import Any, cast

import pytest

from mlplatform.client.serving import ServingClient
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.predicted_rows import PredictedRows
from mlplatform.local.tour import examples, history, traffic

DEFINITION = PipelineDefinition.parse(
    {
        "name": "churn",
        "description": "Whether a customer leaves.",
        "task": "classification",
        "columns": [{"name": "age", "dtype": "float64"}],
        "target": {"name": "left", "dtype": "bool"},
        "key": "customer",
        "tuning": {"metric": "roc_auc"},
        "gates": [{"metric": "roc_auc", "min": 0.5}],
    }
)
ROWS = [{"age": float(age), "left": age > 3} for age in range(8)]


class Serving:
    """Answers every request, and keeps it."""

    def __init__(self) -> None:
        self.requests: list[list[dict[str, Any]]] = []

    def predict(self, _: str, rows: list[dict[str, Any]]) -> PredictedRows:
        """As ServingClient.predict."""
        self.requests.append(rows)
        number = str(len(self.requests))
        return PredictedRows(id=number, model="churn", version="1", predictions=[True] * len(rows))


@pytest.fixture
def serving() -> Serving:
    """A server in memory."""
    return Serving()


def test_the_target_is_not_sent(serving: Serving) -> None:
    """A request holds what is known at its time; the label comes later."""
    sent = list(traffic.send(cast("ServingClient", serving), DEFINITION, ROWS))

    assert all("left" not in row for rows in serving.requests for row in rows)
    assert [label for each in sent for label in each.labels] == [row["left"] for row in ROWS]


def test_each_row_is_sent_once_in_requests_of_different_sizes(serving: Serving) -> None:
    """Requests of one row and of several take different ways through serving."""
    list(traffic.send(cast("ServingClient", serving), DEFINITION, ROWS))

    assert [row["age"] for rows in serving.requests for row in rows] == [row["age"] for row in ROWS]
    assert {1, 3} == {len(rows) for rows in serving.requests}


def test_every_example_has_rows() -> None:
    """The names that the tour knows are those that rows can be made for."""
    assert list(examples.NAMES) == history.names()
