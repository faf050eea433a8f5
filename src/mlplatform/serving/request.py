"""The stages of one request: route, decoded, pending until stored, prediction, response.

Nothing here knows a transport. HTTP uses these records today; another transport would use the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, Protocol, Self

import msgspec
from numpy.typing import NDArray

from mlplatform.contracts.blocks import BlockLayout
from mlplatform.contracts.request import EncodedRecord
from mlplatform.contracts.request_inputs import columns_form, shortened


class Route(NamedTuple):
    """Where a request goes.

    `version` is the one that the client insists on, `dialect` a name of
    `mlplatform.serving.dialects`. `json_bytes` says how much of the body is JSON, with binary
    tensors behind it; None: all.
    """

    pipeline: str
    version: str | None
    dialect: str
    json_bytes: int | None = None


Block = Sequence[Any] | bytes | NDArray[Any]
"""Columns of one type, all values row by row: a list (None for null), or the bytes of a NumPy array
of that type, or the array, of shape [rows, columns] and contiguous."""


class DecodedRequest(msgspec.Struct, frozen=True):
    """A body after decoding: every value has the type of its column, nothing else has been checked.

    `blocks` are those of `BlockLayout(signature.inputs)`. `body` holds the same inputs, and the key
    and time fields that the client sent, which never reach the model, as they will be stored: one
    of the forms of `mlplatform.contracts.request_inputs`. `output_names` are the outputs to send
    back; None: all. `answer_key` is where the client expects predictions, in a dialect with several
    names for that. `binary_outputs` are to be sent as bytes. `redacted`: nothing of it may be
    logged.
    """

    blocks: Sequence[Block]
    rows: int
    body: bytes
    client_id: str | None = None
    output_names: tuple[str, ...] | None = None
    answer_key: str = "predictions"
    binary_outputs: frozenset[str] = frozenset()
    redacted: bool = False

    @classmethod
    def of_columns(
        cls,
        layout: BlockLayout,
        columns: Sequence[Sequence[Any]],
        rows: int,
        *,
        client_id: str | None = None,
        extras: Mapping[str, Sequence[Any]] | None = None,
        output_names: tuple[str, ...] | None = None,
        binary_outputs: frozenset[str] = frozenset(),
    ) -> Self:
        """A request of columns in the declared order, stored in that form.

        `extras` are the key and time fields.
        """
        inputs = dict(zip(layout.names, columns, strict=True))
        body = columns_form({**inputs, **(extras or {})})
        return cls(
            blocks_of(layout, columns),
            rows,
            body,
            client_id,
            output_names,
            binary_outputs=binary_outputs,
        )

    def shortened(self) -> Self:
        """The same request, to be stored in the form that takes the fewest bytes."""
        shorter = min(self.body, shortened(self.body, self.rows), key=len)
        return msgspec.structs.replace(self, body=shorter)


def blocks_of(layout: BlockLayout, columns: Sequence[Sequence[Any]]) -> list[Block]:
    """The blocks of columns in the declared order."""
    return [
        list(chain.from_iterable(zip(*[columns[place] for place in places], strict=True)))
        for places in layout.positions
    ]


Outputs = Mapping[str, Sequence[Any]]
"""Output name -> one item per row: a class or number, or a list of probabilities."""


class Waiter(Protocol):
    """Who waits for a request: an asyncio.Future, or less. Used on the event loop."""

    def done(self) -> bool:
        """Whether it is known, or nobody waits any more."""
        ...

    def set_result(self, result: None, /) -> None:
        """The request is stored."""
        ...

    def set_exception(self, error: Exception, /) -> None:
        """The client gets this error."""
        ...


class PendingRequest:
    """One accepted request on its way through model and outbox.

    The model sets `outputs`; `done` resolves when the record is durable, or fails with the
    PlatformError that the client gets. Only the event loop touches `done`. `begun` says that the
    model has it: from then on no deadline counts.
    """

    __slots__ = (
        "begun",
        "caller",
        "dialect",
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
        dialect: str,
        received_us: int,
        done: Waiter,
    ) -> None:
        self.request = request
        self.request_id = request_id
        self.pipeline = pipeline
        self.version = version
        self.caller = caller
        self.dialect = dialect
        self.received_us = received_us
        self.done = done
        self.begun = False
        self.outputs: Outputs = {}

    def record(self, *, outbox_id: str, sequence: int) -> EncodedRecord:
        """The record of this request."""
        request = self.request
        return EncodedRecord(
            outbox_id=outbox_id,
            sequence=sequence,
            request_id=self.request_id,
            pipeline=self.pipeline,
            version=self.version,
            caller=self.caller,
            client_id=request.client_id,
            received_us=self.received_us,
            rows=request.rows,
            dialect=self.dialect,
            body=msgspec.Raw(request.body),
            outputs=msgspec.Raw(msgspec.json.encode(self.outputs)),
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


class Prediction(msgspec.Struct, frozen=True):
    """What a dialect needs to write a response."""

    request_id: str
    model: str
    version: str
    request: DecodedRequest
    outputs: Outputs


class Response(msgspec.Struct, frozen=True):
    """A prediction's bytes, the id under which the request is stored, and the model's version.

    `json_bytes` says how much of the body is JSON, with binary tensors behind it; None: all.
    """

    body: bytes
    request_id: str
    version: str
    json_bytes: int | None = None

    @classmethod
    def of(cls, encoded: bytes | tuple[bytes, int], request_id: str, version: str) -> Self:
        """The response of what a dialect has encoded."""
        if isinstance(encoded, bytes):
            return cls(encoded, request_id, version)
        return cls(encoded[0], request_id, version, encoded[1])
