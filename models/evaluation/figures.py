"""The figures of one part of a data set, and how they are shown.

Owns which figures there are; their mathematics is in `models.evaluation.metrics` and `models.calibration`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from models.calibration import Floats, Ints, ece, softmax
from models.evaluation.metrics import Share, confusion, mean_per_class, share, top_hits

_SMALLEST = 1e-30


@dataclass(frozen=True, slots=True)
class Figures:
    """How good a model is on one part: shares with intervals, and calibration error before and after the temperature."""

    part: str
    count: int
    top1: Share
    top5: Share
    mean_class: float
    ece_raw: float
    ece: float


HEADER = ("part", "photos", "top-1", "95 % interval", "top-5", "mean per class", "ECE raw", "ECE calibrated")


def figures(part: str, probabilities: Floats, labels: Ints, photos: Sequence[str], temperature: float) -> Figures:
    """Judge calibrated probabilities [n, C] of a part against its labels [n]; the temperature is undone for `ece_raw`."""
    picks = probabilities.argmax(axis=1)
    correct = picks == labels
    raw = softmax(np.log(np.maximum(probabilities, _SMALLEST)) * temperature)
    return Figures(
        part=part,
        count=len(labels),
        top1=share(top_hits(probabilities, labels, 1), photos),
        top5=share(top_hits(probabilities, labels, 5), photos),
        mean_class=mean_per_class(confusion(labels, picks, probabilities.shape[1])),
        ece_raw=ece(raw.max(axis=1), correct),
        ece=ece(probabilities.max(axis=1), correct),
    )


def cells(row: Figures) -> tuple[str, ...]:
    """A row of the table under `HEADER`; shares in per cent, the interval by bootstrap over photos."""
    low, high = row.top1.bootstrap
    return (
        row.part,
        f"{row.count:,}",
        f"{100 * row.top1.value:.2f}",
        f"{100 * low:.2f} - {100 * high:.2f}",
        f"{100 * row.top5.value:.2f}",
        f"{100 * row.mean_class:.2f}",
        f"{row.ece_raw:.3f}",
        f"{row.ece:.3f}",
    )


def markdown(rows: Iterable[Figures]) -> str:
    """The table as Markdown."""
    lines = ["| " + " | ".join(HEADER) + " |", "|---|" + "---:|" * (len(HEADER) - 1)]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def metrics(rows: Iterable[Figures]) -> dict[str, float]:
    """Flat names and values for a manifest: `test crop/top1`, its interval's ends, and the others."""
    found: dict[str, float] = {}
    for row in rows:
        low, high = row.top1.bootstrap
        values = {
            "photos": float(row.count),
            "top1": row.top1.value,
            "top1_low": low,
            "top1_high": high,
            "top5": row.top5.value,
            "mean_class": row.mean_class,
            "ece": row.ece,
        }
        found |= {f"{row.part}/{name}": round(value, 4) for name, value in values.items()}
    return found
