"""Plots of a gate report, as SVG in a data address: the report needs no other file and no network."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

from mlplatform.contracts.columns import Columns
from mlplatform.trainer.metrics import Classes
from mlplatform.trainer.steps.judge_gates import Comparison

_NEW, _OLD, _EVEN = "#1f6feb", "#8b949e", "#d0d7de"


def plots(judged: Comparison) -> list[tuple[str, str]]:
    """(title, data address) of each plot that this task has."""
    draws = _REGRESSION if judged.classes is None else _CLASSIFICATION
    return [(title, _svg(draw, judged)) for title, draw in draws.items()]


def _svg(draw: Callable[[Any, Comparison], None], judged: Comparison) -> str:
    import matplotlib as mpl  # noqa: PLC0415 - its import makes a folder for its configuration
    from matplotlib.figure import Figure  # noqa: PLC0415

    # A fixed salt and no date, so that equal runs give equal bytes. The context keeps the change
    # from other users of matplotlib.
    with mpl.rc_context({"svg.hashsalt": "mlplatform", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(4.2, 3.4), layout="constrained")
        axes = figure.add_subplot()
        draw(axes, judged)
        axes.grid(visible=True, color="#eaeef2")
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()


def _sides(judged: Comparison) -> list[tuple[str, str, NDArray[Any], Columns, Classes | None]]:
    """(name, colour, labels, answers, classes) of the champion, if it could be asked, and of the new version."""
    champion, found = judged.champion, []
    if champion.answers is not None and champion.positions is not None:
        found.append(
            (
                f"version {champion.version}",
                _OLD,
                judged.labels[champion.positions],
                champion.answers,
                judged.champion_classes,
            )
        )
    return [*found, ("new version", _NEW, judged.labels, judged.answers, judged.classes)]


def _chances(
    answers: Columns, labels: NDArray[Any], classes: Classes | None
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    assert classes is not None
    return np.asarray(labels, dtype=str) == classes.positive, answers["probabilities"][
        :, classes.positive_at
    ]


def _roc(axes: Any, judged: Comparison) -> None:
    for name, colour, labels, answers, classes in _sides(judged):
        truth, chances = _chances(answers, labels, classes)
        if 0 < truth.sum() < len(truth):
            wrong, right, _ = sk.roc_curve(truth, chances)
            axes.plot(wrong, right, color=colour, label=f"{name} (area {sk.auc(wrong, right):.3f})")
    axes.plot([0, 1], [0, 1], color=_EVEN, linestyle="--")
    axes.set(xlabel="false positive rate", ylabel="true positive rate")
    _legend(axes)


def _precision(axes: Any, judged: Comparison) -> None:
    for name, colour, labels, answers, classes in _sides(judged):
        truth, chances = _chances(answers, labels, classes)
        if truth.any():
            precision, recall, _ = sk.precision_recall_curve(truth, chances)
            axes.plot(recall, precision, color=colour, label=name)
    axes.set(xlabel="recall", ylabel="precision", ylim=(0, 1.02))
    _legend(axes)


def _calibration(axes: Any, judged: Comparison) -> None:
    """Ten bins of equal width; a point per bin that has rows."""
    for name, colour, labels, answers, classes in _sides(judged):
        truth, chances = _chances(answers, labels, classes)
        bins = np.minimum((chances * 10).astype(int), 9)
        present = [part for part in range(10) if (bins == part).any()]
        said = [chances[bins == part].mean() for part in present]
        axes.plot(
            said,
            [truth[bins == part].mean() for part in present],
            marker="o",
            color=colour,
            label=name,
        )
    axes.plot([0, 1], [0, 1], color=_EVEN, linestyle="--")
    axes.set(xlabel="predicted probability", ylabel="observed share")
    _legend(axes)


def _predicted(axes: Any, judged: Comparison) -> None:
    for name, colour, labels, answers, _ in _sides(judged):
        axes.scatter(labels, answers["prediction"], s=8, color=colour, alpha=0.6, label=name)
    low, high = float(np.min(judged.labels)), float(np.max(judged.labels))
    axes.plot([low, high], [low, high], color=_EVEN, linestyle="--")
    axes.set(xlabel="true value", ylabel="prediction")
    _legend(axes)


def _residuals(axes: Any, judged: Comparison) -> None:
    for name, colour, labels, answers, _ in _sides(judged):
        axes.hist(labels - answers["prediction"], bins=30, color=colour, alpha=0.6, label=name)
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
