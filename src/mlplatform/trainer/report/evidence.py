"""All that a run found out, and the gate document whose digest the promotion record keeps."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mlplatform.contracts.dataset import Receipt
from mlplatform.trainer.metrics import Classes, of_task, score
from mlplatform.trainer.slices import slices
from mlplatform.trainer.steps.compare import Champion
from mlplatform.trainer.steps.export import Exported
from mlplatform.trainer.steps.judge_gates import Comparison, Verdict, describe
from mlplatform.trainer.steps.pin import Pinned
from mlplatform.trainer.steps.run_cases import CaseResult
from mlplatform.trainer.steps.tune import Search


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
    receipt: Receipt
    run_id: str
    reason: str
    rows: Mapping[str, int]  # train, test
    search: Search
    exported: Exported
    judged: Comparison
    metrics: Mapping[str, float]
    champion_metrics: Mapping[str, float]  # empty when there is none to compare with
    verdicts: tuple[Verdict, ...]
    cases: tuple[CaseResult, ...]

    @property
    def passed(self) -> bool:
        """True when every gate and every case holds."""
        return all(verdict.passed for verdict in self.verdicts) and all(
            case.passed for case in self.cases
        )

    @property
    def complaints(self) -> list[str]:
        """One line for each gate and case that does not hold."""
        gates = [describe(verdict) for verdict in self.verdicts if not verdict.passed]
        return gates + [
            f"case '{case.name}': {case.complaint}" for case in self.cases if not case.passed
        ]

    def document(self) -> bytes:
        """gates.json: what was judged and how it ended, as canonical JSON."""
        body = {
            "pipeline": self.pinned.definition.name,
            "commit": self.pinned.commit,
            "features_digest": self.pinned.digest,
            "manifest_sha256": self.exported.manifest_sha256,
            "receipt": self.receipt.id,
            "dataset_sha256": self.receipt.sha256,
            "rows": dict(self.rows),
            "metrics": finite(self.metrics),
            "champion": self.judged.champion.version,
            "champion_metrics": finite(self.champion_metrics),
            "gates": [asdict(verdict) for verdict in self.verdicts],
            "cases": [asdict(case) for case in self.cases],
            "parity": asdict(self.exported.parity),
            "passed": self.passed,
        }
        return json.dumps(body, indent=1, sort_keys=True, allow_nan=False).encode()

    def digest(self) -> str:
        """SHA-256 of gates.json: the gate digest of the promotion record."""
        return hashlib.sha256(self.document()).hexdigest()

    def slice_rows(self) -> list[SliceRow]:
        """Metrics per slice: of every gate's column, and of string and bool features with few values."""
        names = {gate.slice for gate in self.pinned.definition.gates if gate.slice}
        names |= {
            feature.name
            for feature in self.pinned.features.features
            if feature.dtype in ("string", "bool")
        }
        parts = [part for name in sorted(names) for part in slices(name, self.judged.columns[name])]
        return [
            SliceRow(part.name, len(part.positions), self._scores(part.positions)) for part in parts
        ]

    def _scores(self, positions: Any) -> dict[str, float]:
        answers = {name: values[positions] for name, values in self.judged.answers.items()}
        labels = self.judged.labels[positions]
        return {
            name: score(name, labels, answers, self.judged.classes)
            for name in of_task(self.pinned.definition)
        }


def champion_scores(
    pinned: Pinned, labels: Any, champion: Champion, classes: Classes | None
) -> dict[str, float]:
    """All metrics of the champion on the test rows that it could answer; empty when it answered none."""
    if champion.answers is None or champion.positions is None:
        return {}
    truth = labels[champion.positions]
    return {
        name: score(name, truth, champion.answers, classes) for name in of_task(pinned.definition)
    }


def finite(values: Mapping[str, float]) -> dict[str, float]:
    """Without the metrics that are not defined: neither JSON nor Postgres takes NaN."""
    return {name: float(value) for name, value in values.items() if math.isfinite(value)}
