"""Export the model folder that will serve.

ONNX when it is proven equal to scikit-learn, else skops. A booster leaves as ONNX or not at all:
serving links no such library, and their model files aren't safe to read.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from mlplatform.contracts.columns import Columns
from mlplatform.contracts.model import Signature
from mlplatform.engine import known_rows
from mlplatform.engine.checked import CheckedEngine
from mlplatform.engine.interface import Engine
from mlplatform.errors import PlatformError, Refused, UnfitModel
from mlplatform.registry import manifest
from mlplatform.telemetry import logger
from mlplatform.trainer.fitted import Exportable, FittedModel, signature
from mlplatform.trainer.guards import known_texts, never_null
from mlplatform.trainer.metrics import Classes
from mlplatform.trainer.outcome import outcome
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
    """Write a fitted estimator into `folder` and open it again. See `export_model`."""
    model = FittedModel(estimator, pinned, trusted)
    model.require_onnx(parts.train)
    return export_model(model, pinned, parts, folder, open_model=open_model, trial=trial)


def export_model(
    source: Exportable,
    pinned: Pinned,
    parts: SplitRows,
    folder: Path,
    *,
    open_model: Open,
    trial: Trial | None = None,
    more: Mapping[str, Columns] = MappingProxyType({}),
    beside: Mapping[str, bytes] = MappingProxyType({}),
) -> TrainedModel:
    """Write the model into `folder` and open it again, in the first way that is proven equal.

    `more` are rows to compare on beyond the usual ones, by what reports call them; `beside` are
    files for the folder. It must also pass `trial`. Raises with the reasons of all: Refused where
    none is proven equal, UnfitModel where serving can't load it, IntegrityFailure where skops needs
    untrusted types.
    """
    definition, classes = pinned.definition, source.classes
    judged = Classes(classes, definition) if classes is not None else None
    judgement = Judgement.by(definition, parts.test, judged)
    proofs, train = _proofs(source, pinned, parts, more), parts.train.features
    shop = _Workshop(pinned, folder, open_model, source.predict, train, proofs, judgement, beside)
    return _first_equal(source, shop, trial)


def _first_equal(source: Exportable, shop: _Workshop, trial: Trial | None) -> TrainedModel:
    tried, failure = list[str](), None
    for kind, name, make in source.ways():
        try:
            model = shop.write(make(), signature(source.classes, shop.pinned, kind), trial)
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


def _proofs(
    source: Exportable, pinned: Pinned, parts: SplitRows, more: Mapping[str, Columns]
) -> tuple[Block, ...]:
    train, test, seed = parts.train.features, parts.test.features, pinned.definition.split.seed
    usual = blocks(source.predict, train, test, pinned.features, seed=seed, fine=source.fine)
    return (*usual, *(Block(n, rows, outcome(source.predict, rows)) for n, rows in more.items()))


def _without_export(failure: PlatformError | None, reasons: str) -> PlatformError:
    if failure is None:
        message = f"no export is equal to the estimator's own predictions: {reasons}"
        return Refused(message, field="export.format")
    failure.message = f"no export can serve: {reasons}"
    return failure


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
    beside: Mapping[str, bytes]

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
        for name, content in self.beside.items():
            (self.folder / name).write_bytes(content)
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
