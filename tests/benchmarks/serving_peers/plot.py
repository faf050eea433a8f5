"""Requests a second of every server, a panel per model and load."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt

from serving_peers.results import CELLS, Measured, Results, median

_COLORS = {
    "ours": "#0b6e4f",
    "unlogged": "#7fb69e",
    "peer": "#c0562f",
    "tuned": "#c0562f",
    "reference": "#9a9a9a",
}


def plot(results: Results, path: Path) -> None:
    """Write the picture, which has the same bytes for the same results."""
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "serving"
    models, cells = results.models(), [str(cell) for cell in CELLS]
    figure, panels = plt.subplots(
        len(models), len(cells), figsize=(14, 2.9 * len(models)), squeeze=False, sharey=True
    )
    servers = results.servers()[::-1]
    for row, model in zip(panels, models, strict=True):
        for panel, cell in zip(row, cells, strict=True):
            found = {name: best for name in servers if (best := results.best(name, model, cell))}
            rates = [median(one, _rate) for one in found.values()]
            colors = [_COLORS[one[0].kind] for one in found.values()]
            bars = panel.barh(list(found), rates, color=colors)
            panel.bar_label(bars, fmt="{:,.0f}", padding=2, fontsize=7)
            panel.margins(x=0.18)
            panel.set_title(f"{model}, {cell}", fontsize=9)
            panel.tick_params(labelsize=7)
            panel.spines[["top", "right"]].set_visible(False)
    figure.supxlabel("requests a second (rows x connections); each server in its fastest dialect")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def _rate(one: Measured) -> float:
    return one.rate
