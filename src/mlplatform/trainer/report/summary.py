"""How a run ended, for whoever started it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlplatform.trainer.metrics import finite
from mlplatform.trainer.report.evidence import Evidence


@dataclass(frozen=True)
class TrainingSummary:
    """A version that was proposed."""

    pipeline: str
    run_id: str
    version: str
    state: str  # after the proposal: candidate, or champion where the pipeline approves by itself
    format: str
    rows: Mapping[str, int]
    metrics: Mapping[str, float]
    champion: str | None  # version it was compared with
    champion_metrics: Mapping[str, float]
    gate_digest: str
    manifest_sha256: str
    seconds: Mapping[str, float]  # per step
    imported: str = ""  # where from, if it was not trained here

    def text(self) -> str:
        """A few lines for a person."""
        size = f"{self.rows['train']} rows for training, {self.rows['test']} held out"
        if self.imported:
            size = f"judged on {self.rows['test']} held-out rows, imported from {self.imported}"
        lines = [
            f"{self.pipeline} version {self.version} is {self.state} ({self.format}, {size})",
            f"  {_figures(self.metrics)}",
        ]
        if self.champion_metrics:
            figures = _figures(self.champion_metrics)
            lines.append(f"  version {self.champion} on the same rows: {figures}")
        slowest = sorted(self.seconds.items(), key=lambda item: -item[1])[:3]
        most = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in slowest)
        lines.append(f"  {sum(self.seconds.values()):.1f} s, most of it {most}")
        return "\n".join(lines)


def summarise(
    evidence: Evidence, version: str, state: str, seconds: Mapping[str, float]
) -> TrainingSummary:
    """The summary of a proposed version."""
    return TrainingSummary(
        pipeline=evidence.pinned.definition.name,
        run_id=evidence.run_id,
        version=version,
        state=state,
        format=evidence.model.signature.format,
        rows=evidence.parts.sizes,
        metrics=finite(evidence.metrics),
        champion=evidence.champion.version,
        champion_metrics=finite(evidence.champion.metrics),
        gate_digest=evidence.digest(),
        manifest_sha256=evidence.model.manifest_sha256,
        seconds=dict(seconds),
        imported="" if evidence.imported is None else evidence.imported.origin,
    )


def _figures(metrics: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
