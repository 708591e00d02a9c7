"""Figures of a classifier with their uncertainty, from its probabilities and the true classes.

Owns top-k accuracy, means per class, the bins of a reliability plot, and 95 % intervals: Wilson's for a share, and a
bootstrap that resamples photos (all views of a photo together), since views of one photo are not independent. The
calibration error itself stands in `models.calibration`. NumPy only.

Source: Wilson, "Probable inference", JASA 1927.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.calibration import ECE_BINS, Floats, Ints

Bools = npt.NDArray[np.bool_]

RESAMPLES = 10_000
_Z = 1.959964  # the 97.5 % quantile of the normal distribution
RESAMPLES_AT_ONCE = 250


@dataclass(frozen=True, slots=True)
class Share:
    """A share of `count` with its 95 % intervals (low, high)."""

    value: float
    count: int
    wilson: tuple[float, float]
    bootstrap: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with the ends of its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """Per bin of confidence (low, high]: how many answers, their mean confidence and how many were right."""

    edges: Floats
    counts: Ints
    confidence: Floats
    accuracy: Floats


def top_hits(scores: Floats, labels: Ints, k: int) -> Bools:
    """Whether the true class is among the `k` with the highest scores: [n, C], [n] -> bool [n]. Ties go to the lower index."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.asarray((order == labels[:, None]).any(axis=1))


def share(hits: Bools, photos: Sequence[str], seed: int = 0) -> Share:
    """The share of hits with both intervals; `photos` names the photo that each hit belongs to."""
    count = len(hits)
    value = float(np.mean(hits)) if count else 0.0
    return Share(value, count, wilson(int(np.sum(hits)), count), bootstrap(hits, photos, seed))


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    if count == 0:
        return 0.0, 1.0
    p = hits / count
    middle = p + _Z**2 / (2 * count)
    half = _Z * np.sqrt(p * (1 - p) / count + _Z**2 / (4 * count**2))
    scale = 1 + _Z**2 / count
    return float((middle - half) / scale), float((middle + half) / scale)


def bootstrap(values: npt.NDArray[np.generic], photos: Sequence[str], seed: int = 0) -> tuple[float, float]:
    """95 % percentile interval of the mean of `values` [n] over `RESAMPLES` resamples of the photos."""
    if not len(values):
        return 0.0, 1.0
    names, group = np.unique(np.asarray(photos), return_inverse=True)
    sums = np.bincount(group, weights=values.astype(np.float64))
    sizes = np.bincount(group).astype(np.float64)
    rng = np.random.default_rng(seed)
    means = []
    for _ in range(RESAMPLES // RESAMPLES_AT_ONCE):
        drawn = rng.integers(0, len(names), (RESAMPLES_AT_ONCE, len(names)))
        means.append(sums[drawn].sum(1) / sizes[drawn].sum(1))
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    return float(low), float(high)


def paired(
    values: npt.NDArray[np.generic], others: npt.NDArray[np.generic], photos: Sequence[str], seed: int = 0
) -> Interval:
    """The mean of `values` minus `others` [n] on the same photos, with its bootstrap interval."""
    differences = values.astype(np.float64) - others.astype(np.float64)
    low, high = bootstrap(differences, photos, seed)
    return Interval(float(differences.mean()) if len(differences) else 0.0, low, high)


def reliability(confidence: Floats, correct: Bools, bins: int = ECE_BINS) -> Reliability:
    """Sort answers into equal bins of confidence, each open below and closed above."""
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    filled = np.maximum(counts, 1)
    return Reliability(
        edges,
        counts,
        np.bincount(place, weights=confidence, minlength=bins) / filled,
        np.bincount(place, weights=correct.astype(np.float64), minlength=bins) / filled,
    )


def confusion(labels: Ints, picks: Ints, classes: int) -> Ints:
    """How often class `row` was taken for class `column`: int [C, C]."""
    return np.bincount(labels * classes + picks, minlength=classes * classes).reshape(classes, classes)


def mean_per_class(matrix: Ints) -> float:
    """Mean accuracy over the classes that occur, so that few and many photos of a class weigh the same."""
    totals = matrix.sum(axis=1)
    seen = totals > 0
    return float(np.mean(np.diagonal(matrix)[seen] / totals[seen])) if seen.any() else 0.0
