"""A row that the model has no number for: 422 with row and column, for its own caller alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from mlplatform.contracts.columns import Columns
from mlplatform.errors import RowRefused
from mlplatform.serving.batcher import Batcher
from mlplatform.serving.dialects import INFERENCE, ROWS
from mlplatform.serving.meters import Meters
from mlplatform.serving.request import PendingRequest
from mlplatform.web import problem

NULL = (
    "row 0, column bmi: no answer for null: the model gives no number: prediction is nan, "
    "with null (NaN) for feature bmi"
)
Scene = Mapping[str, Callable[..., Any]]


class Root:
    """Predicts the root of the bmi: NaN below 0, and infinite above 100."""

    def predict(self, features: Columns) -> Columns:
        """See Engine.predict."""
        bmi = features["bmi"]
        with np.errstate(all="ignore"):
            return {"prediction": np.where(bmi > 100, np.inf, np.sqrt(bmi))}


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    """The model's thread."""
    with ThreadPoolExecutor(1) as found:
        yield found


def _ask(model: Any, executor: ThreadPoolExecutor, make: Callable[[], list[Any]]) -> list[Any]:
    """Every request of one turn: its predictions, or its error."""

    async def run() -> list[Any]:
        def deliver(requests: Sequence[PendingRequest]) -> None:
            for pending in requests:
                pending.finish()

        meters = Meters("ward", CollectorRegistry())
        batcher = Batcher(
            model, deliver=deliver, executor=executor, meters=meters, max_requests=64, max_rows=1000
        )
        requests = make()
        for pending in requests:
            batcher.submit(pending)
        found = await asyncio.gather(*(each.done for each in requests), return_exceptions=True)
        return [
            error or list(pending.outputs["prediction"])
            for error, pending in zip(found, requests, strict=True)
        ]

    return asyncio.run(run())


@pytest.mark.parametrize("slow", [False, True], ids=["on the loop", "in the thread"])
@pytest.mark.parametrize("multiple", [2, 0], ids=["together", "each alone"])
def test_a_bad_row_of_a_batch_hurts_nobody_else(
    scene: Scene, executor: ThreadPoolExecutor, multiple: int, *, slow: bool
) -> None:
    """Every other caller gets its own numbers, the one to blame its row and column."""
    model = scene["model"](Root())
    model.multiple = multiple
    model.measured(1.0 if slow else 0.0, 0.0)
    numbers = [4.0, -1.0, 9.0, 1e3, None, 16.0]
    found = _ask(model, executor, lambda: [scene["pending"](each) for each in numbers])
    refused = {at: found[at] for at in (1, 3, 4)}

    assert [[2.0], [3.0], [4.0]] == [found[at] for at in (0, 2, 5)]
    assert all(isinstance(error, RowRefused) for error in refused.values())
    assert [
        "row 0, column bmi: no answer for -1.0: the model gives no number: prediction is nan",
        "row 0, column bmi: no answer for 1000.0: the model gives no number: prediction is inf",
        NULL,
    ] == [error.message for error in refused.values()]
    assert [(422, "bmi")] * 3 == [
        (problem.document(error)["status"], error.field) for error in refused.values()
    ]


def test_what_a_model_raises_is_the_fault_of_the_row_that_it_raises_for(
    scene: Scene, executor: ThreadPoolExecutor
) -> None:
    """As scikit-learn does for a category that it doesn't know: no 500."""
    model = scene["model"]()  # refuses negative ages with an error of its own
    found = _ask(model, executor, lambda: [scene["pending"](age=-3), scene["pending"](2.0)])

    assert [4.0] == found[1]
    assert isinstance(found[0], RowRefused)
    assert "row 0, column age: no answer for -3: ValueError: a negative age" == found[0].message


def test_a_model_that_answers_nothing_any_more_is_not_the_row_s_fault(
    scene: Scene, executor: ThreadPoolExecutor
) -> None:
    """That goes to the log, and is a 500."""

    class Broken:
        """Out of order."""

        def predict(self, _: Columns) -> Columns:
            """See Engine.predict."""
            raise RuntimeError("broken")

    (found,) = _ask(scene["model"](Broken()), executor, lambda: [scene["pending"]()])

    assert (500, "the model could not answer: RuntimeError") == (
        problem.document(found)["status"],
        found.message,
    )


@pytest.mark.parametrize("dialect", [ROWS, INFERENCE])
def test_both_dialects_name_the_row_of_their_own_request(
    scene: Scene, executor: ThreadPoolExecutor, dialect: str
) -> None:
    """The third row of a body, whichever way it is written."""
    model = scene["model"](Root())
    body = _body(dialect, [1.0, 4.0, -2.0, 9.0])

    def request() -> list[Any]:
        pending = scene["pending"]()
        pending.request = model.dialects[dialect].decode(body)
        return [scene["pending"](4.0), pending]

    good, bad = _ask(model, executor, request)

    assert [2.0] == good
    assert isinstance(bad, RowRefused)
    assert bad.message.startswith("row 2, column bmi: no answer for -2.0: ")


def _body(dialect: str, numbers: list[float]) -> bytes:
    rows = len(numbers)
    columns = {"age": [1] * rows, "bmi": numbers, "class": ["a"] * rows, "smoker": [True] * rows}
    if dialect == ROWS:
        given = [
            dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
        ]
        return json.dumps({"rows": given}).encode()
    kinds = {"age": "INT64", "bmi": "FP64", "class": "BYTES", "smoker": "BOOL"}
    tensors = [
        {"name": name, "datatype": kinds[name], "shape": [rows], "data": data}
        for name, data in columns.items()
    ]
    return json.dumps({"inputs": tensors}).encode()
