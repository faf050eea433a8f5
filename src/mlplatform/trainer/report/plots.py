"""Plots of a gate report, as SVG in data addresses.

So the report needs no other file and no network.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

from mlplatform.trainer.metrics import Classes
from mlplatform.trainer.results import Comparison, Evaluation

_NEW, _OLD, _EVEN = "#1f6feb", "#8b949e", "#d0d7de"


def plots(comparison: Comparison) -> list[tuple[str, str]]:
    """(title, data address) of each plot that this task has."""
    draws = _REGRESSION if comparison.new.classes is None else _CLASSIFICATION
    return [(title, _svg(draw, comparison)) for title, draw in draws.items()]


def _svg(draw: Callable[[Any, Comparison], None], comparison: Comparison) -> str:
    import matplotlib as mpl  # noqa: PLC0415 - its import makes a folder for its configuration
    from matplotlib.figure import Figure  # noqa: PLC0415

    # A fixed salt and no date, so that equal runs give equal bytes. The context keeps the change
    # from other users of matplotlib.
    with mpl.rc_context({"svg.hashsalt": "mlplatform", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(4.2, 3.4), layout="constrained")
        axes = figure.add_subplot()
        draw(axes, comparison)
        axes.grid(visible=True, color="#eaeef2")
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()


@dataclass(frozen=True)
class _Side:
    """One of the two versions in a plot."""

    name: str
    colour: str
    labels: NDArray[Any]
    evaluation: Evaluation

    @property
    def predicted(self) -> NDArray[Any]:
        """What a regression predicts."""
        return self.evaluation.predictions["prediction"]

    @property
    def truth(self) -> NDArray[np.bool_]:
        """Which rows are of the positive class."""
        return np.asarray(np.asarray(self.labels, dtype=str) == self._classes.positive)

    @property
    def chances(self) -> NDArray[np.float64]:
        """Probability of the positive class."""
        return self.evaluation.predictions["probabilities"][:, self._classes.positive_at]

    @property
    def _classes(self) -> Classes:
        assert self.evaluation.classes is not None
        return self.evaluation.classes


def _sides(comparison: Comparison) -> list[_Side]:
    """The champion, if it was evaluated, and the new version."""
    champion, labels = comparison.champion, comparison.labels
    new = _Side("new version", _NEW, labels, comparison.new)
    if champion.evaluation is None:
        return [new]
    name, known = f"version {champion.version}", labels[champion.positions]
    return [_Side(name, _OLD, known, champion.evaluation), new]


def _roc(axes: Any, comparison: Comparison) -> None:
    for side in _sides(comparison):
        truth = side.truth
        if 0 < truth.sum() < len(truth):
            wrong, right, _ = sk.roc_curve(truth, side.chances)
            name = f"{side.name} (area {sk.auc(wrong, right):.3f})"
            axes.plot(wrong, right, color=side.colour, label=name)
    axes.plot([0, 1], [0, 1], color=_EVEN, linestyle="--")
    axes.set(xlabel="false positive rate", ylabel="true positive rate")
    _legend(axes)


def _precision(axes: Any, comparison: Comparison) -> None:
    for side in _sides(comparison):
        if side.truth.any():
            precision, recall, _ = sk.precision_recall_curve(side.truth, side.chances)
            axes.plot(recall, precision, color=side.colour, label=side.name)
    axes.set(xlabel="recall", ylabel="precision", ylim=(0, 1.02))
    _legend(axes)


def _calibration(axes: Any, comparison: Comparison) -> None:
    """Ten bins of equal width; a point per bin that has rows."""
    for side in _sides(comparison):
        truth, chances = side.truth, side.chances
        bins = np.minimum((chances * 10).astype(int), 9)
        present = [part for part in range(10) if (bins == part).any()]
        predicted = [chances[bins == part].mean() for part in present]
        observed = [truth[bins == part].mean() for part in present]
        axes.plot(predicted, observed, marker="o", color=side.colour, label=side.name)
    axes.plot([0, 1], [0, 1], color=_EVEN, linestyle="--")
    axes.set(xlabel="predicted probability", ylabel="observed share")
    _legend(axes)


def _predicted(axes: Any, comparison: Comparison) -> None:
    for side in _sides(comparison):
        axes.scatter(
            side.labels, side.predicted, s=8, color=side.colour, alpha=0.6, label=side.name
        )
    low, high = float(np.min(comparison.labels)), float(np.max(comparison.labels))
    axes.plot([low, high], [low, high], color=_EVEN, linestyle="--")
    axes.set(xlabel="true value", ylabel="prediction")
    _legend(axes)


def _residuals(axes: Any, comparison: Comparison) -> None:
    for side in _sides(comparison):
        gaps = side.labels - side.predicted
        axes.hist(gaps, bins=30, color=side.colour, alpha=0.6, label=side.name)
    axes.set(xlabel="true value minus prediction", ylabel="rows")
    _legend(axes)


def _legend(axes: Any) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8)


_CLASSIFICATION: dict[str, Callable[[Any, Comparison], None]] = {
    "ROC": _roc,
    "Precision and recall": _precision,
    "Calibration": _calibration,
}
_REGRESSION: dict[str, Callable[[Any, Comparison], None]] = {
    "Predicted and true": _predicted,
    "Residuals": _residuals,
}
