"""The stages of one request: route, decoded, pending until stored, prediction, response.

Nothing here knows a transport. HTTP uses these records today; another transport would use the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mlplatform.contracts.request import RequestRecord


class Route(NamedTuple):
    """Where a request goes.

    `version` is the one that the client insists on, `dialect` a name of
    `mlplatform.serving.dialects`.
    """

    pipeline: str
    version: str | None
    dialect: str


@dataclass(frozen=True, slots=True)
class DecodedRequest:
    """A body after decoding: every value has the type of its column, nothing else has been checked.

    `columns` follows the signature's inputs, one sequence of `rows` Python values each (None for
    null). `extras` holds the key and time fields that the client sent: they are stored with the
    request and never reach the model. `output_names` are the outputs to send back; None: all.
    """

    columns: Sequence[Sequence[Any]]
    rows: int
    client_id: str | None = None
    extras: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    output_names: tuple[str, ...] | None = None


Outputs = Mapping[str, Sequence[Any]]
"""Output name -> one item per row: a class or number, or a list of probabilities."""


class PendingRequest:
    """One accepted request on its way through model and outbox.

    The model sets `outputs`; `done` resolves when the record is durable, or fails with the
    PlatformError that the client gets. Only the event loop touches `done`.
    """

    __slots__ = (
        "caller",
        "done",
        "outputs",
        "pipeline",
        "received_us",
        "request",
        "request_id",
        "version",
    )

    def __init__(
        self,
        request: DecodedRequest,
        *,
        request_id: str,
        pipeline: str,
        version: str,
        caller: str,
        received_us: int,
        done: asyncio.Future[None],
    ) -> None:
        self.request = request
        self.request_id = request_id
        self.pipeline = pipeline
        self.version = version
        self.caller = caller
        self.received_us = received_us
        self.done = done
        self.outputs: Outputs = {}

    def record(self, names: Sequence[str], *, outbox_id: str, sequence: int) -> RequestRecord:
        """The record of this request; `names` are the signature's input columns."""
        request = self.request
        inputs = dict(zip(names, request.columns, strict=True))
        inputs.update(request.extras)
        return RequestRecord(
            outbox_id=outbox_id,
            sequence=sequence,
            request_id=self.request_id,
            pipeline=self.pipeline,
            version=self.version,
            caller=self.caller,
            client_id=request.client_id,
            received_us=self.received_us,
            rows=request.rows,
            inputs=inputs,  # type: ignore[arg-type]  # tuples are encoded like lists
            outputs=self.outputs,  # type: ignore[arg-type]
        )

    def prediction(self) -> Prediction:
        """What the client gets, once `done` has resolved."""
        return Prediction(self.request_id, self.pipeline, self.version, self.request, self.outputs)

    # A client that has gone has cancelled `done` already, hence the tests in both methods below.

    def fail(self, error: Exception) -> None:
        """Give the client an error, unless it has gone."""
        if not self.done.done():
            self.done.set_exception(error)

    def finish(self) -> None:
        """Let the prediction go, unless the client has gone."""
        if not self.done.done():
            self.done.set_result(None)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a dialect needs to write a response."""

    request_id: str
    model: str
    version: str
    request: DecodedRequest
    outputs: Outputs


@dataclass(frozen=True, slots=True)
class Response:
    """A prediction's bytes, and the id under which the request is stored."""

    body: bytes
    request_id: str
