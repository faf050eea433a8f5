"""A version in memory, ready to serve: features code, engine and dialects of one model folder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.blocks import BlockLayout, TypeBlock
from mlplatform.contracts.columns import NUMPY, Columns
from mlplatform.contracts.model import Signature
from mlplatform.contracts.promotion import ModelVersion
from mlplatform.engine.blame import blame
from mlplatform.engine.interface import Engine
from mlplatform.engine.predictor import Predictor
from mlplatform.features.code import FeatureSet
from mlplatform.features.redact import Redactor
from mlplatform.serving.dialects import compile_all
from mlplatform.serving.request import Block, DecodedRequest, Outputs

SLOW_S = 0.001
"""A model call that is expected to take longer runs in a thread. Handing over costs about 0.1 ms,
so below this it would cost more than it saves; above it, other requests on the event loop would be
delayed noticeably."""
SHARED = 8
"""A batch whose rows cost this many times a call's fixed cost is closed: sharing would save a tenth
at most, and every request in it would wait for all the others, while separate calls overlap with
the disk."""


class LoadedModel:
    """Once it serves only `distrust` changes it; safe to share between threads.

    Rows are given to the engine in multiples of `multiple`, the last one repeated: matrix kernels
    compute a single row in another order than several, with another rounding, and a prediction must
    not depend on which requests arrived in the same moment. Where no padding helps, `multiple` is 0
    and every request gets a call of its own. `mlplatform.engine.trial` finds the number.
    """

    def __init__(
        self,
        facts: ModelVersion,
        signature: Signature,
        features: FeatureSet,
        engine: Engine,
        redactor: Redactor | None = None,
    ) -> None:
        """`redactor`: how the columns were redacted on which it was trained; None: not at all."""
        self.facts = facts
        self.signature = signature
        self.features = features
        self.version = facts.version
        self.layout = BlockLayout(signature.inputs)
        self.dialects = compile_all(signature)
        self.multiple = 2
        self.redactor = redactor
        self._predictor = Predictor(signature, features, engine)
        self._call_s, self._row_s = 0.0, 0.0

    def measured(self, call_s: float, row_s: float) -> None:
        """What a call costs: a fixed part and a part per row (seconds)."""
        self._call_s, self._row_s = call_s, row_s

    def distrust(self) -> None:
        """Expect every call to be slow, so that none runs on the event loop any more.

        For features.py that has run into its time limit: it may do so again.
        """
        self._call_s = math.inf

    def expected_s(self, requests: int, rows: int) -> float:
        """How long a batch should take."""
        return self._call_s * (1 if self.multiple else requests) + self._row_s * rows

    def padding(self, rows: int) -> int:
        """Rows to append to `rows` so that the sum is a multiple of `multiple`."""
        return -rows % self.multiple if self.multiple else 0

    def worth_joining(self, rows: int) -> bool:
        """Whether a batch of `rows` still gains from another request.

        It does while the fixed cost of a call is a noticeable part of the batch's cost.
        """
        return self._row_s * rows <= self._call_s * SHARED

    def answer(self, requests: Sequence[DecodedRequest]) -> list[Outputs]:
        """The outputs of every request, by one call of the model unless `multiple` is 0.

        Raises whatever the model raises.
        """
        if self.multiple or len(requests) == 1:
            return self._answer_together(requests)
        return [self._answer_together([request])[0] for request in requests]

    def predict(self, table: Columns, rows: int) -> Columns:
        """Outputs of raw columns: features, then engine.

        Raises PlatformError when the model does not give a row for each row.
        """
        return self._predictor.predict(table, rows)

    def blame(self, request: DecodedRequest, error: Exception) -> Exception | None:
        """The error for a request that failed on its own. See `mlplatform.engine.blame`."""
        sound = {name: values[:1] for name, values in self.features.probes.rows.items()}
        return blame(self.predict, self._table([request], 0), error, sound)

    def _answer_together(self, requests: Sequence[DecodedRequest]) -> list[Outputs]:
        rows = sum(request.rows for request in requests)
        padding = self.padding(rows)
        table = self._table(requests, padding)
        outputs = {
            name: values.tolist() for name, values in self.predict(table, rows + padding).items()
        }
        cut: list[Outputs] = []
        start = 0
        for request in requests:
            end = start + request.rows
            cut.append({name: values[start:end] for name, values in outputs.items()})
            start = end
        return cut

    def _table(self, requests: Sequence[DecodedRequest], padding: int) -> Columns:
        """The raw columns of all requests, one below the other, and the padding."""
        blocks = [
            _joined([request.blocks[index] for request in requests], block, padding)
            for index, block in enumerate(self.layout.blocks)
        ]
        return self.layout.table(blocks)


def _joined(parts: Sequence[Block], block: TypeBlock, padding: int) -> NDArray[Any]:
    """One block of all requests, with its last row repeated `padding` times."""
    width, kind = len(block.names), NUMPY[block.dtype]
    if block.dtype == "string":
        values = list(chain.from_iterable(parts))
        values += values[-width:] * padding
        return np.array(values, kind).reshape(-1, width)
    # Memory is joined some times faster than lists are turned into arrays.
    data = bytearray().join(
        [
            part if isinstance(part, bytes) else np.ascontiguousarray(part, kind).data
            for part in parts
        ]
    )
    if padding:
        data += data[-width * np.dtype(kind).itemsize :] * padding
    return np.frombuffer(data, kind).reshape(-1, width)
