"""Model files that never end, take all memory, or are damaged; and the folder around one."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import onnx
import yaml
from onnx import TensorProto, helper

from mlplatform.contracts.model import Output, Signature
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.features.code import load
from mlplatform.registry import manifest

Definition = PipelineDefinition


def regression(name: str = "toys") -> Definition:
    """A pipeline of two numbers and a text."""
    return Definition.parse(
        {
            "name": name,
            "description": "Two numbers and a text.",
            "task": "regression",
            "columns": [
                {"name": "size", "dtype": "float64", "min": 0, "max": 10},
                {"name": "mass", "dtype": "float64", "min": 0, "max": 10, "nullable": True},
                {"name": "colour", "dtype": "string"},
            ],
            "target": {"name": "price", "dtype": "float64"},
            "key": "id",
            "time": "at",
            "tuning": {"metric": "r2"},
            "gates": [{"metric": "r2", "min": 0.0}],
        }
    )


def store(
    folder: Path, data: bytes, definition: Definition, kind: str, *, source: bytes | None = None
) -> str:
    """Write a model folder around these bytes; returns the digest of its manifest."""
    features = load(definition, source, digest=None)
    signature = Signature(
        pipeline=definition.name,
        task="regression",
        inputs=definition.columns,
        key=definition.key,
        time=definition.time,
        features=features.features,
        outputs=(Output(name="prediction", dtype="float64"),),
        classes=None,
        format=kind,
        model_file=f"model.{kind}",
        features_digest=features.digest,
        commit="none",
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / signature.model_file).write_bytes(data)
    (folder / "signature.json").write_text(signature.model_dump_json())
    document = definition.model_dump(mode="json", exclude_none=True)
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(document))
    return manifest.write(folder)


def identity() -> bytes:
    """An ONNX model that answers `size`."""
    node = helper.make_node("Identity", ["size"], ["prediction"])
    return _onnx([node], [])


def endless(feature: str = "size", outputs: tuple[str, ...] = ("prediction",)) -> bytes:
    """An ONNX model whose loop has 2^62 trips."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["goes"]),
            helper.make_node("Identity", ["x"], ["y"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("trip", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.DOUBLE, None),
        ],
        [
            helper.make_tensor_value_info("goes", TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", TensorProto.DOUBLE, None),
        ],
    )
    return _onnx(
        [
            helper.make_node("Loop", ["trips", "always", feature], [outputs[0]], body=body),
            *(helper.make_node("Identity", [outputs[0]], [name]) for name in outputs[1:]),
        ],
        [
            helper.make_tensor("trips", TensorProto.INT64, [], [2**62]),
            helper.make_tensor("always", TensorProto.BOOL, [], [True]),
        ],
        feature,
        outputs,
    )


def greedy(numbers: int = 2**30) -> bytes:
    """An ONNX model that fills eight gigabytes with ones, in a file of some hundred bytes."""
    one = helper.make_tensor("one", TensorProto.DOUBLE, [1], [1.0])
    return _onnx(
        [
            helper.make_node("ConstantOfShape", ["shape"], ["ones"], value=one),
            helper.make_node("ReduceSum", ["ones"], ["sum"], keepdims=1),
            helper.make_node("Mul", ["size", "sum"], ["prediction"]),
        ],
        [helper.make_tensor("shape", TensorProto.INT64, [1], [numbers])],
    )


def bomb(unpacked: int = 1 << 30) -> bytes:
    """A skops file of about a megabyte whose schema unpacks to a gigabyte."""
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("schema.json", "w", force_zip64=True) as file,
    ):
        piece = b" " * (1 << 20)
        for _ in range(unpacked // len(piece)):
            file.write(piece)
        file.write(b"{}")
    return packed.getvalue()


def _onnx(
    nodes: list[onnx.NodeProto],
    constants: list[onnx.TensorProto],
    feature: str = "size",
    outputs: tuple[str, ...] = ("prediction",),
) -> bytes:
    shape = [None, 1]
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info(feature, TensorProto.DOUBLE, shape)],
        [helper.make_tensor_value_info(name, TensorProto.DOUBLE, shape) for name in outputs],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(model.SerializeToString())
