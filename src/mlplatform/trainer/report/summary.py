"""How a run ended, for whoever started it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class TrainingSummary:
    """A version that was proposed."""

    pipeline: str
    run_id: str
    version: str
    state: str  # of the version after the proposal: candidate, or champion where the pipeline approves by itself
    format: str
    rows: Mapping[str, int]
    parameters: Mapping[str, object]
    metrics: Mapping[str, float]
    champion: str | None  # version it was compared with
    champion_metrics: Mapping[str, float]
    receipt_id: str
    gate_digest: str
    manifest_sha256: str
    seconds: Mapping[str, float] = field(default_factory=dict)  # per step

    def summary(self) -> str:
        """A few lines for a person."""
        figures = ", ".join(f"{name} {value:.4g}" for name, value in self.metrics.items())
        size = f"{self.rows['train']} rows for training, {self.rows['test']} held out"
        lines = [
            f"{self.pipeline} version {self.version} is {self.state} ({self.format}, {size})",
            f"  {figures}",
        ]
        if self.champion_metrics:
            against = ", ".join(
                f"{name} {value:.4g}" for name, value in self.champion_metrics.items()
            )
            lines.append(f"  version {self.champion} on the same rows: {against}")
        slowest = sorted(self.seconds.items(), key=lambda item: -item[1])[:3]
        lines.append(
            f"  {sum(self.seconds.values()):.1f} s, most of it {', '.join(f'{name} {value:.1f} s' for name, value in slowest)}"
        )
        return "\n".join(lines)
