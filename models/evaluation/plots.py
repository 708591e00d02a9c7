"""The two plots of a report as PNG: who is taken for whom, and whether confidence can be believed.

Owns how they look. Drawn without a display.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from models.calibration import Ints
from models.evaluation.metrics import Reliability

_DPI = 110


def plot_confusion(path: Path, matrix: Ints, title: str) -> None:
    """Shares of each true class (row) by answered class (column), dark where many; int [C, C]."""
    figure = Figure(figsize=(8, 7.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(np.sqrt(shares), cmap="magma_r", vmin=0, vmax=1, interpolation="nearest")
    bar = figure.colorbar(image, ax=axes, shrink=0.8, label="share of the class's photos")
    ticks = np.array([0, 0.05, 0.25, 0.5, 1])
    bar.set_ticks(np.sqrt(ticks).tolist(), labels=[f"{tick:.0%}" for tick in ticks])
    axes.set(title=title, xlabel="answered class", ylabel="true class")
    figure.savefig(path, dpi=_DPI)


def plot_reliability(path: Path, before: Reliability, after: Reliability, title: str) -> None:
    """Accuracy by confidence, as trained and with the temperature, over how many answers each bin holds."""
    figure = Figure(figsize=(6, 6.5), layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, height_ratios=(4, 1), sharex=True)
    upper.plot([0, 1], [0, 1], color="0.7", linewidth=1, label="as confident as right")
    _draw_bins(upper, before, "C1", "before calibration")
    _draw_bins(upper, after, "C0", "after calibration")
    upper.set(title=title, ylabel="share that is right", xlim=(0, 1), ylim=(0, 1))
    upper.legend(loc="lower right", frameon=False)
    middles = (after.edges[:-1] + after.edges[1:]) / 2
    lower.bar(middles, after.counts, width=0.9 * (after.edges[1] - after.edges[0]), color="C0")
    lower.set(xlabel="confidence", ylabel="answers")
    figure.savefig(path, dpi=_DPI)


def _draw_bins(axes: Axes, bins: Reliability, colour: str, label: str) -> None:
    filled = bins.counts > 0
    axes.plot(bins.confidence[filled], bins.accuracy[filled], marker="o", markersize=4, color=colour, label=label)
