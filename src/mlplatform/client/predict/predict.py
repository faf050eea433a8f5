"""Predictions of any number of rows: cut into requests, sent side by side, answered in order.

Serving stores every request that it answers, also when an equal one came before: the id that a
client gives is only kept with it. So a request is sent again in two cases alone, in which serving
has said that nothing of it is stored: 429 (too much at once) and 413 (then in two halves).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlplatform.client.predict.predictions import AnsweredRequest, Predictions
from mlplatform.client.predict.row_errors import in_table
from mlplatform.client.predict.tensors import TensorAnswer, encoded
from mlplatform.client.row_table import RowTable
from mlplatform.client.serving import ServingClient
from mlplatform.contracts.model_metadata import ModelMetadata
from mlplatform.errors import InvalidInput, Overloaded, PlatformError, TooLarge
from mlplatform.retry import retry

REQUEST_ROWS = 2_000
REQUEST_BYTES = 480 * 1024
"""Serving's own limits are 2,000 rows and 512 KiB unless its operator has set others. Lower ones
are found by its refusals."""
SAMPLE_ROWS = 100
"""Rows that are encoded to see how many fit into a request."""
BUSY_S = 60.0
"""How long a request that gets 429 is sent again."""
_LEAST_PAUSE_S = 0.05

Part = tuple[int, TensorAnswer]
"""The place of its first row, and what came for a request."""


@dataclass(frozen=True)
class PredictRequest:
    """What all requests of one call have in common."""

    serving: ServingClient
    model: ModelMetadata
    version: str | None
    client_id: str | None

    @property
    def datatypes(self) -> dict[str, str]:
        """Column -> datatype, as the model takes them."""
        return {each.name: each.datatype for each in self.model.inputs}

    def answer(self, table: RowTable, first: int, end: int) -> list[Part]:
        """The answers to these rows, in as many requests as it takes.

        Raises serving's error, which names the row of the whole table.
        """
        try:
            body = encoded(table.part(first, end), self.datatypes, self.client_id)
            if len(body.content) <= REQUEST_BYTES or end - first == 1:
                found = retry(
                    lambda: self.serving.infer(self.model.name, body, version=self.version),
                    seconds=BUSY_S,
                    least_s=_LEAST_PAUSE_S,
                    of=Overloaded,
                )
                return [(first, found)]
        except TooLarge as error:
            if end - first == 1:
                raise in_table(error, first) from error
        except PlatformError as error:
            raise in_table(error, first) from error
        middle = (first + end) // 2
        return [*self.answer(table, first, middle), *self.answer(table, middle, end)]


def predict(call: PredictRequest, table: RowTable, *, threads: int) -> Predictions:
    """Predictions of all rows, `threads` requests at a time. Blocks.

    When a request fails those that were not sent yet are not sent, and its error is raised; a note
    on it says which rows were answered, and so are stored.
    """
    missing = [name for name in call.datatypes if name not in table.columns]
    if missing:
        raise InvalidInput(
            f"missing column {', '.join(missing)}",
            field=missing[0],
            fix=f"the model's columns are {', '.join(call.datatypes)}",
        )
    with ThreadPoolExecutor(threads, thread_name_prefix="predict") as pool:
        sent = [pool.submit(call.answer, table, *part) for part in _parts(call, table)]
        try:
            wait(sent, return_when=FIRST_EXCEPTION)
        finally:
            for each in sent:
                each.cancel()  # does nothing to those that are done, as usually all are
    parts = _results(sent)
    return _joined(call.model, parts, table.rows)


def _parts(call: PredictRequest, table: RowTable) -> Iterator[tuple[int, int]]:
    """First row and end of each request, as far as it can be known before."""
    sample = min(table.rows, SAMPLE_ROWS)
    body = encoded(table.part(0, sample), call.datatypes, None)
    fitting = REQUEST_BYTES * sample // len(body.content)
    size = max(1, min(REQUEST_ROWS, fitting))
    for first in range(0, table.rows, size):
        yield first, min(first + size, table.rows)


def _results(sent: list[Future[list[Part]]]) -> list[Part]:
    """What came. Raises the first error of them, with a note on what was answered beside it."""
    done = [each for each in sent if not each.cancelled()]
    failed = next((error for each in done if (error := each.exception())), None)
    parts = [part for each in done if not each.exception() for part in each.result()]
    if failed is None:
        return parts
    rows = sum(len(answer.outputs["prediction"]) for _, answer in parts)
    if rows:
        ids = ", ".join(answer.request_id for _, answer in parts[:3])
        failed.add_note(f"{rows:,} other rows were answered, and are stored: requests {ids} …")
    raise failed


def _joined(model: ModelMetadata, parts: list[Part], rows: int) -> Predictions:
    values: list[Any] = []
    for _, answer in parts:
        found = answer.outputs["prediction"]
        values += found.tolist() if isinstance(found, np.ndarray) else found
    chances = [answer.outputs.get("probabilities") for _, answer in parts]
    ends = [first for first, _ in parts[1:]] + [rows]
    return Predictions(
        pipeline=model.name,
        predictions=values,
        probabilities=None if chances[0] is None else np.concatenate([*chances]),
        classes=tuple(model.parameters.get("classes", ())),
        requests=tuple(
            AnsweredRequest(answer.request_id, answer.version, first, end - first)
            for (first, answer), end in zip(parts, ends, strict=True)
        ),
    )
