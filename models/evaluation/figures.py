"""The figures of one part of a data set, and how they are shown.

Owns which figures there are; their mathematics is in `models.evaluation.metrics` and `models.calibration`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from models.calibration import Floats, Ints, ece, softmax
from models.evaluation.items import Part, groups_of
from models.evaluation.metrics import Share, confusion, mean_per_class, share, top_hits


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


@dataclass(frozen=True, slots=True)
class Scored:
    """A part with what a model made of it: logits [n, C], and labels [n] by index."""

    part: Part
    logits: Floats
    labels: Ints


HEADER = ("part", "photos", "top-1", "95 % interval", "top-5", "mean per class", "ECE raw", "ECE calibrated")


def judge(scored: Scored, dataset: str, temperature: float) -> list[Figures]:
    """The figures of a part, then those of its groups; nothing for a part without photos."""
    if not len(scored.labels):
        return []
    photos = [item.photo for item in scored.part.items]
    rows = [_figures(scored.part.name, scored.logits, scored.labels, photos, temperature)]
    for name, chosen in groups_of(dataset, scored.part):
        inside = np.flatnonzero(chosen)
        group = [photos[index] for index in inside]
        rows.append(_figures(name, scored.logits[inside], scored.labels[inside], group, temperature))
    return rows


def _figures(part: str, logits: Floats, labels: Ints, photos: Sequence[str], temperature: float) -> Figures:
    raw, calibrated = softmax(logits), softmax(logits, temperature)
    picks = logits.argmax(axis=1)
    return Figures(
        part=part,
        count=len(labels),
        top1=share(top_hits(logits, labels, 1), photos),
        top5=share(top_hits(logits, labels, 5), photos),
        mean_class=mean_per_class(confusion(labels, picks, logits.shape[1])),
        ece_raw=ece(raw.max(axis=1), picks == labels),
        ece=ece(calibrated.max(axis=1), picks == labels),
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
    """The table of the rows."""
    return table([HEADER, *(cells(row) for row in rows)])


def table(lines: Sequence[Sequence[str]]) -> str:
    """Lines as Markdown, the first as the header, columns aligned so that they read well in a terminal too."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    rule = [f"{'':-<{widths[0]}}", *(f"{'':-<{width - 1}}:" for width in widths[1:])]
    padded = [[line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in [padded[0], rule, *padded[1:]])


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
