"""Models compiled to ONNX, run by ONNX Runtime. See `onnx_feed` for what goes in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from mlplatform.contracts.blocks import BlockLayout
from mlplatform.contracts.columns import NUMPY, Columns
from mlplatform.contracts.model import Signature
from mlplatform.engine.as_written import as_written
from mlplatform.engine.onnx_feed import BlockFeeder, ColumnFeeder, Feeder, input_name
from mlplatform.errors import IntegrityFailure

_TENSORS: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}


class OnnxEngine:
    """One ONNX Runtime session with one thread.

    Concurrency is the caller's, and small batches are slower on more threads.
    """

    def __init__(
        self, session: onnxruntime.InferenceSession, signature: Signature, feed: Feeder
    ) -> None:
        self._session = session
        self._feed = feed
        self._names = [output.name for output in signature.outputs]
        self._outputs = signature.outputs

    def predict(self, features: Columns) -> Columns:
        """See Engine.predict."""
        answers = self._session.run(self._names, self._feed(features))
        return {
            output.name: _shaped(np.asarray(answer), NUMPY[output.dtype], output.width)
            for output, answer in zip(self._outputs, answers, strict=True)
        }


def load(data: bytes, signature: Signature, trusted: Sequence[str]) -> OnnxEngine:
    """The engine of the bytes of a model.onnx.

    `trusted` has no meaning here: ONNX holds no code.
    """
    del trusted
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # see OnnxEngine
    options.inter_op_num_threads = 1
    # Only what is fatal: errors are raised as well, and it would write past our logging, a line for
    # each request that is refused.
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # ONNX Runtime raises half a dozen unrelated classes for a model that it can't run.
        raise IntegrityFailure(
            f"ONNX Runtime can't load the model: {error}", field=signature.model_file
        ) from error
    return OnnxEngine(session, signature, _feeder(session, signature))


def _feeder(session: onnxruntime.InferenceSession, signature: Signature) -> Feeder:
    """By the names of the inputs. Raises IntegrityFailure where they are not the signature's."""
    inputs = {node.name: (node.type, node.shape[-1]) for node in session.get_inputs()}
    features = signature.features
    widths = {input_name(one.dtype): len(one.names) for one in BlockLayout(features).blocks}
    in_blocks = inputs.keys() <= widths.keys()
    expected = widths if in_blocks else dict.fromkeys([one.name for one in features], 1)
    strange = sorted(
        name
        for name, (kind, width) in inputs.items()
        if kind not in _TENSORS or width != expected.get(name)
    )
    outputs = {node.name for node in session.get_outputs()}
    absent = sorted({output.name for output in signature.outputs} - outputs)
    if strange or absent:
        raise IntegrityFailure(
            f"the model and its signature disagree: unknown inputs {strange}, "
            f"missing outputs {absent}",
            field="signature.json",
        )
    kinds = {name: _TENSORS[kind] for name, (kind, _) in inputs.items()}
    return (BlockFeeder if in_blocks else ColumnFeeder)(features, kinds)


def _shaped(answer: NDArray[Any], kind: Any, width: int) -> NDArray[Any]:
    typed = as_written(answer) if kind is np.float64 else answer.astype(kind, copy=False)
    return typed.reshape(len(typed), -1) if width > 1 else typed.reshape(-1)
