"""Models compiled to ONNX, run by ONNX Runtime. One input tensor of shape (rows, 1) per feature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from mlplatform.contracts.columns import NUMPY, Columns
from mlplatform.contracts.model import Signature
from mlplatform.engine.table import prepare
from mlplatform.errors import IntegrityFailure, RowRefused

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

    def __init__(self, session: onnxruntime.InferenceSession, signature: Signature) -> None:
        self._session = session
        self._features = signature.features
        self._outputs = signature.outputs
        self._tensors = {node.name: _TENSORS[node.type] for node in session.get_inputs()}

    def predict(self, features: Columns) -> Columns:
        """See Engine.predict."""
        table = prepare(features, self._features)
        try:
            # NumPy notices an overflow while it casts, for nothing; looking for it costs more.
            with np.errstate(all="ignore", over="raise"):
                feed = {
                    name: table[name].astype(kind, copy=False).reshape(-1, 1)
                    for name, kind in self._tensors.items()
                }
        except FloatingPointError as error:
            raise self._too_large(table) from error
        answers = self._session.run([output.name for output in self._outputs], feed)
        return {
            output.name: _shaped(np.asarray(answer), NUMPY[output.dtype], output.width)
            for output, answer in zip(self._outputs, answers, strict=True)
        }

    def _too_large(self, table: Columns) -> RowRefused:
        """What to say of the first row that holds a number beyond float32."""
        with np.errstate(all="ignore"):
            found = [
                (int(np.argmax(beyond)), name)
                for name, kind in self._tensors.items()
                if kind is np.float32 and (beyond := np.isinf(table[name].astype(kind))).any()
            ]
        row, name = min(found)
        return RowRefused(
            f"feature {name} is {table[name][row]:.6g}, and the model computes in float32, which "
            f"ends at {np.finfo(np.float32).max:.3g}",
            field=name,
            row=row,
        )


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
    _agree(session, signature)
    return OnnxEngine(session, signature)


def _agree(session: onnxruntime.InferenceSession, signature: Signature) -> None:
    declared = {feature.name for feature in signature.features}
    inputs = {node.name: node.type for node in session.get_inputs()}
    outputs = {node.name for node in session.get_outputs()}
    strange = sorted(set(inputs) - declared) + sorted(
        name for name, kind in inputs.items() if kind not in _TENSORS
    )
    absent = sorted({output.name for output in signature.outputs} - outputs)
    if strange or absent:
        raise IntegrityFailure(
            f"the model and its signature disagree: unknown inputs {strange}, "
            f"missing outputs {absent}",
            field="signature.json",
        )


def _shaped(answer: NDArray[Any], kind: Any, width: int) -> NDArray[Any]:
    typed = answer.astype(kind, copy=False)
    return typed.reshape(len(typed), -1) if width > 1 else typed.reshape(-1)
