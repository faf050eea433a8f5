"""All that a run found out, and the gate document whose digest the promotion record keeps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.dataset import Receipt
from mlplatform.contracts.foreign_model import ImportedModel
from mlplatform.contracts.run import RunVerdict
from mlplatform.contracts.run_report import MOST_VERDICTS
from mlplatform.errors import NotGoodEnough
from mlplatform.trainer.metrics import finite, measure, of_task
from mlplatform.trainer.results import (
    CaseResult,
    Champion,
    Comparison,
    Parts,
    Pinned,
    Search,
    TrainedModel,
    Verdict,
)
from mlplatform.trainer.slices import slices

MOST_LINE = 1_000
"""Characters of a gate or case in the run's record; the report has all of it."""


@dataclass(frozen=True)
class SliceRow:
    """Metrics of the new version on one part of the test rows."""

    name: str
    rows: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Evidence:
    """One judged model, not yet registered."""

    pinned: Pinned
    parts: Parts
    search: Search
    model: TrainedModel
    comparison: Comparison
    verdicts: Sequence[Verdict]
    cases: Sequence[CaseResult]
    run_id: str  # MLflow's
    reason: str  # why the run was started; may be empty
    imported: ImportedModel | None = None  # where its file comes from, if it was not trained here

    @property
    def receipt(self) -> Receipt:
        """Where the training data come from."""
        return self.parts.receipt

    @property
    def metrics(self) -> Mapping[str, float]:
        """The new version on the test rows."""
        return self.comparison.new.metrics

    @property
    def champion(self) -> Champion:
        """The version that the new one was compared with."""
        return self.comparison.champion

    @property
    def passed(self) -> bool:
        """True when every gate and every case holds."""
        return not self.complaints

    @property
    def complaints(self) -> list[str]:
        """One line for each gate and case that does not hold."""
        gates = [verdict.describe() for verdict in self.verdicts if not verdict.passed]
        return gates + [
            f"case '{case.name}': {case.complaint}" for case in self.cases if not case.passed
        ]

    @property
    def lines(self) -> list[RunVerdict]:
        """Every gate and case in a line, for the run's record."""
        found = [(gate.describe(), gate.passed) for gate in self.verdicts]
        for case in self.cases:
            complaint = f": {case.complaint}" if case.complaint else ""
            found.append((f"case '{case.name}'{complaint}", case.passed))
        # A complaint has words of the author's code, of any length.
        return [
            RunVerdict(text=text.replace("\0", "")[:MOST_LINE], passed=passed)
            for text, passed in found[:MOST_VERDICTS]
        ]

    def require_passed(self) -> None:
        """Raise NotGoodEnough that names every gate and case that does not hold."""
        if not self.passed:
            raise NotGoodEnough(
                f"{self.pinned.definition.name} is not proposed: {'; '.join(self.complaints)}",
                field="gates",
                fix=f"the report is in MLflow, run {self.run_id}, artifact report/report.html",
            )

    def document(self) -> bytes:
        """gates.json: what was judged and how it ended, as canonical JSON."""
        body: dict[str, Any] = {
            "pipeline": self.pinned.definition.name,
            "run": self.run_id,
            "commit": self.pinned.commit,
            "features_digest": self.pinned.digest,
            "manifest_sha256": self.model.manifest_sha256,
            "receipt": self.receipt.id,
            "dataset_sha256": self.receipt.sha256,
            "rows": self.parts.sizes,
            "seen_rows": asdict(self.parts.seen),
            "metrics": finite(self.metrics),
            "champion": self.champion.version,
            "champion_metrics": finite(self.champion.metrics),
            "required": [gate.model_dump(mode="json") for gate in self.pinned.definition.gates],
            "gates": [asdict(verdict) for verdict in self.verdicts],
            "cases": [asdict(case) for case in self.cases],
            "parity": asdict(self.model.parity),
            "passed": self.passed,
        }
        if self.imported is not None:
            body["imported"] = self.imported.model_dump(mode="json")
        return json.dumps(body, indent=1, sort_keys=True, allow_nan=False).encode()

    def digest(self) -> str:
        """SHA-256 of gates.json: the gate digest of the promotion record."""
        return hashlib.sha256(self.document()).hexdigest()

    def slice_rows(self) -> list[SliceRow]:
        """Metrics per slice: of every gate's column, and of string and bool features."""
        columns, features = self.comparison.columns, self.pinned.features.features
        names = {gate.slice for gate in self.pinned.definition.gates if gate.slice}
        names |= {item.name for item in features if item.dtype in ("string", "bool")}
        parts = [part for name in sorted(names) for part in slices(name, columns[name])]
        return [
            SliceRow(part.name, len(part.positions), self._measured(part.positions))
            for part in parts
        ]

    def _measured(self, positions: NDArray[np.int64]) -> Mapping[str, float]:
        new, labels = self.comparison.new, self.comparison.labels[positions]
        predictions: dict[str, Any] = {
            name: values[positions] for name, values in new.predictions.items()
        }
        return dict(
            measure(labels, predictions, new.classes, of_task(self.pinned.definition)).items()
        )
