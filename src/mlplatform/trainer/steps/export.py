"""The model folder that will serve: compiled to ONNX when it is proven equal to scikit-learn, else skops."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mlplatform.contracts.columns import Feature
from mlplatform.contracts.model import Format, Output, Signature
from mlplatform.engine.interface import Engine
from mlplatform.engine.load import load
from mlplatform.engine.onnx_compile import Precision, compile_onnx
from mlplatform.engine.skops import SkopsEngine
from mlplatform.engine.skops_dump import dump_skops
from mlplatform.errors import InvalidInput, PlatformError, Refused
from mlplatform.registry import manifest
from mlplatform.telemetry import logger
from mlplatform.trainer.labelled_rows import LabelledRows
from mlplatform.trainer.parity import Block, Parity, blocks, compare
from mlplatform.trainer.steps.pin import Pinned

_PRECISIONS: tuple[Precision, ...] = ("float32", "float64")
_log = logger("trainer")


@dataclass(frozen=True)
class Exported:
    """A model folder, loaded as serving will load it."""

    folder: Path
    signature: Signature
    engine: Engine
    manifest_sha256: str
    parity: Parity
    tried: tuple[str, ...]  # what was not taken, and why


def export(
    estimator: Any,
    pinned: Pinned,
    train: LabelledRows,
    test: LabelledRows,
    folder: Path,
    *,
    trusted: Sequence[str],
) -> Exported:
    """Write the model into `folder` and load it again.

    Raises Refused when `export.format` is onnx and ONNX is not proven equal, IntegrityFailure when
    skops would need untrusted types.
    """
    reference = SkopsEngine(estimator, signature(estimator, pinned, "skops")).predict
    proofs = blocks(
        reference,
        train.features,
        test.features,
        pinned.features.features,
        seed=pinned.definition.split.seed,
    )
    bench, tried = _Bench(pinned, folder, tuple(trusted), tuple(proofs)), list[str]()
    for kind, name, make in _ways(estimator, pinned, trusted):
        try:
            found = bench.write(make(), signature(estimator, pinned, kind))
        except PlatformError as error:
            if kind == "skops":  # the last way: its complaint is what the author needs to know
                raise
            tried.append(f"{name}: {error.message}")
            continue
        if found.parity.equal:
            _log.info(
                "exported",
                format=name,
                difference=found.parity.difference,
                rows=found.parity.rows,
                tried=tried,
            )
            return replace(found, tried=tuple(tried))
        tried.append(f"{name}: {found.parity.complaint}")
    raise Refused(f"no export is equal to scikit-learn: {'; '.join(tried)}", field="export.format")


def signature(estimator: Any, pinned: Pinned, kind: Format) -> Signature:
    """What goes in and comes out of this model."""
    definition = pinned.definition
    classes = _classes(estimator) if definition.task == "classification" else None
    return Signature(
        pipeline=definition.name,
        task=definition.task,
        inputs=definition.columns,
        key=definition.key,
        time=definition.time,
        features=pinned.features.features,
        outputs=_outputs(classes),
        classes=classes,
        format=kind,
        model_file=f"model.{kind}",
        features_digest=pinned.digest,
        commit=pinned.commit,
    )


def _classes(estimator: Any) -> tuple[str, ...] | tuple[int, ...]:
    names = np.asarray(estimator.classes_)
    if not hasattr(estimator, "predict_proba"):
        raise InvalidInput("model.py: a classifier must have predict_proba", field="model.py")
    return (
        tuple(int(name) for name in names)
        if names.dtype.kind in "iub"
        else tuple(str(name) for name in names)
    )


def _outputs(classes: tuple[str, ...] | tuple[int, ...] | None) -> tuple[Output, ...]:
    if classes is None:
        return (Output(name="prediction", dtype="float64"),)
    label = Output(name="prediction", dtype="int64" if isinstance(classes[0], int) else "string")
    return (label, Output(name="probabilities", dtype="float64", width=len(classes)))


def _ways(
    estimator: Any, pinned: Pinned, trusted: Sequence[str]
) -> Iterator[tuple[Format, str, Callable[[], bytes]]]:
    wanted, features = pinned.definition.export.format, pinned.features.features
    outputs = [output.name for output in signature(estimator, pinned, "onnx").outputs]
    if wanted in ("auto", "onnx"):
        for precision in _PRECISIONS:
            yield "onnx", f"onnx {precision}", _compiling(estimator, features, outputs, precision)
    if wanted in ("auto", "skops"):
        yield "skops", "skops", lambda: dump_skops(estimator, trusted)


def _compiling(
    estimator: Any, features: Sequence[Feature], outputs: Sequence[str], precision: Precision
) -> Callable[[], bytes]:
    return lambda: compile_onnx(estimator, features, outputs, precision=precision)


@dataclass(frozen=True)
class _Bench:
    pinned: Pinned
    folder: Path
    trusted: tuple[str, ...]
    proofs: tuple[Block, ...]

    def write(self, data: bytes, form: Signature) -> Exported:
        """Make the folder anew around these model bytes, load it as serving will, and compare."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        (self.folder / form.model_file).write_bytes(data)
        (self.folder / "signature.json").write_text(form.model_dump_json(indent=1))
        document = self.pinned.definition.model_dump(mode="json", exclude_none=True)
        (self.folder / "pipeline.yaml").write_text(
            yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
        )
        if self.pinned.files.cases:
            shutil.copyfile(self.pinned.files.cases, self.folder / "cases.yaml")
        digest = manifest.write(self.folder)
        engine = load(self.folder, form, trusted=self.trusted)
        parity = compare(engine, self.proofs, tolerance=self.pinned.definition.export.tolerance)
        return Exported(
            folder=self.folder,
            signature=form,
            engine=engine,
            manifest_sha256=digest,
            parity=parity,
            tried=(),
        )
