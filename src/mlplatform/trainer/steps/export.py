"""Export the model folder that will serve.

ONNX when it is proven equal to scikit-learn, else skops. A booster leaves as ONNX or not at all:
serving links no such library, and their model files aren't safe to read.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mlplatform.contracts.columns import Columns
from mlplatform.contracts.model import Format, Output, Signature
from mlplatform.engine import known_rows
from mlplatform.engine.boosters.found import boosters, require_dense
from mlplatform.engine.checked import CheckedEngine
from mlplatform.engine.interface import Engine
from mlplatform.engine.onnx_compile import compile_onnx, precisions
from mlplatform.engine.skops import SkopsEngine, frame
from mlplatform.engine.skops_dump import dump_skops
from mlplatform.errors import InvalidInput, PlatformError, Refused, UnfitModel
from mlplatform.registry import manifest
from mlplatform.telemetry import logger
from mlplatform.trainer.guards import known_texts, never_null
from mlplatform.trainer.metrics import Classes
from mlplatform.trainer.parity import Block, Judgement, blocks, compare, differing, scale_of
from mlplatform.trainer.results import Pinned, SplitRows, TrainedModel

Open = Callable[[Path], Engine]
"""The engine of a model folder. Raises UnfitModel, IntegrityFailure."""
Trial = Callable[[TrainedModel], None]
"""Returns when serving will be able to load the model. Raises UnfitModel."""
_log = logger("trainer")


def export(
    estimator: Any,
    pinned: Pinned,
    parts: SplitRows,
    folder: Path,
    trusted: Sequence[str],
    *,
    open_model: Open,
    trial: Trial | None = None,
) -> TrainedModel:
    """Write the model into `folder` and open it again, in the first way that is proven equal.

    It must also pass `trial`. Raises with the reasons of all: Refused where none is proven equal,
    UnfitModel where serving can't load it, IntegrityFailure where skops needs untrusted types.
    """
    _require_onnx(estimator, pinned, parts)
    shop, tried = _workshop(estimator, pinned, parts, folder, open_model), list[str]()
    failure: PlatformError | None = None
    for kind, name, make in _ways(estimator, pinned, trusted):
        try:
            model = shop.write(make(), signature(estimator, pinned, kind), trial)
        except PlatformError as error:
            tried.append(f"{name}: {error.message}")
            # What ONNX can't express is no fault to mend, unlike a row that a model refuses.
            failure = error if kind == "skops" or isinstance(error, UnfitModel) else failure
            continue
        if model.parity.equal:
            _log.info("exported", format=name, difference=model.parity.difference, tried=tried)
            return replace(model, tried=tuple(tried))
        tried.append(f"{name}: {model.parity.complaint}")
    raise _without_export(failure, "; ".join(tried))


def _require_onnx(estimator: Any, pinned: Pinned, parts: SplitRows) -> None:
    """Raises InvalidInput for a booster that can't leave as ONNX, whatever its trees are."""
    if not boosters(estimator):
        return
    if pinned.definition.export.format == "skops":
        raise InvalidInput(
            "a booster is served as ONNX only", field="export.format", fix="take auto or onnx"
        )
    require_dense(estimator, frame(parts.train.features, pinned.features.features).head(5))


def _without_export(failure: PlatformError | None, reasons: str) -> PlatformError:
    if failure is None:
        message = f"no export is equal to the estimator's own predictions: {reasons}"
        return Refused(message, field="export.format")
    failure.message = f"no export can serve: {reasons}"
    return failure


def _workshop(
    estimator: Any, pinned: Pinned, parts: SplitRows, folder: Path, open_model: Open
) -> _Workshop:
    definition, form = pinned.definition, signature(estimator, pinned, "skops")
    reference = SkopsEngine(estimator, form).predict
    train, test, seed = parts.train.features, parts.test.features, definition.split.seed
    fine = bool(boosters(estimator))
    proofs = tuple(blocks(reference, train, test, pinned.features, seed=seed, fine=fine))
    classes = Classes(form.classes, definition) if form.classes is not None else None
    judgement = Judgement.by(definition, parts.test, classes)
    return _Workshop(pinned, folder, open_model, reference, train, proofs, judgement)


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
    allowed, features = pinned.definition.export.format, pinned.features.features
    outputs = [output.name for output in signature(estimator, pinned, "onnx").outputs]
    if allowed in ("auto", "onnx"):
        for precision in precisions(estimator):
            make = partial(compile_onnx, estimator, features, outputs, precision=precision)
            yield "onnx", f"onnx {precision}", make
    if allowed in ("auto", "skops") and not boosters(estimator):
        yield "skops", "skops", partial(dump_skops, estimator, trusted)


@dataclass(frozen=True)
class _Workshop:
    """Writes one model after the other into the same folder, and compares it with scikit-learn."""

    pinned: Pinned
    folder: Path
    open_model: Open
    reference: Callable[[Columns], Columns]
    train: Columns
    proofs: tuple[Block, ...]
    judgement: Judgement

    def write(self, data: bytes, form: Signature, trial: Trial | None) -> TrainedModel:
        """Make the folder anew around these model bytes, load it as serving will, and compare.

        A model that is equal must pass `trial` too.
        """
        self._write_files(data, form)
        manifest.write(self.folder)
        engine = self.open_model(self.folder)
        form = self._guarded(engine, form)
        self._write_signature(form)
        digest = manifest.write(self.folder)  # last: it lists every file that is there
        checked = CheckedEngine(engine, form)
        parity = compare(checked, self.proofs, self.judgement, tolerance=self._tolerance)
        model = TrainedModel(self.folder, form, checked, digest, parity)
        if parity.equal and trial is not None:
            trial(model)
        return model

    def _write_files(self, data: bytes, form: Signature) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        (self.folder / form.model_file).write_bytes(data)
        self._write_signature(form)
        document = self.pinned.definition.model_dump(mode="json", exclude_none=True)
        text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
        (self.folder / "pipeline.yaml").write_text(text)
        if self.pinned.files.cases:
            shutil.copyfile(self.pinned.files.cases, self.folder / "cases.yaml")
        probes = self.pinned.features.probes
        if probes.known:
            known_rows.write(self.folder, probes.rows)

    def _write_signature(self, form: Signature) -> None:
        # Without the fields that have no value, older serving processes can read it as well.
        text = form.model_dump_json(indent=1, exclude_defaults=True)
        (self.folder / "signature.json").write_text(text)

    @property
    def _seed(self) -> int:
        return self.pinned.definition.split.seed

    @property
    def _tolerance(self) -> float:
        return self.pinned.definition.export.tolerance

    def _guarded(self, engine: Engine, form: Signature) -> Signature:
        """The signature, with what serving must refuse for this file."""
        if form.format == "skops":  # scikit-learn itself
            return form
        scale, features = scale_of(self.proofs, self.judgement), self.pinned.features

        def same(expected: Columns, actual: Columns) -> bool:
            return not differing(expected, actual, self._tolerance, scale)[1]

        seed = self._seed
        nulls = never_null(engine, self.reference, features, self.train, same=same, seed=seed)
        texts = known_texts(engine, self.reference, features, self.train)
        return form.model_copy(update={"never_null": nulls, "known_texts": texts})
