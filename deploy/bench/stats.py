"""The few statistics that the benchmark reports: percentiles, geometric means of ratios, bootstrap intervals.

All intervals are percentile bootstrap intervals of 95 % (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
chapter 13) with a fixed seed. What is drawn anew is the interleaved round or window, never the single request: requests
of one window share its disturbances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

DRAWS = 4000
COVERAGE = 0.95
SEED = 20_240_229

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with the bounds of its interval."""

    value: float
    low: float
    high: float


def percentile(values: Sequence[float] | Floats, percent: float) -> float:
    """Linear percentile of `values`, NaN when there are none."""
    return float(np.percentile(values, percent)) if len(values) else float("nan")


def median(values: Sequence[float]) -> float:
    """Middle of `values`, NaN when there are none."""
    return percentile(values, 50.0)


def ratio_of_rounds(rounds: Sequence[Sequence[float]]) -> Interval:
    """Geometric mean of ratios; each round holds its ratios (one per number of connections), rounds are drawn anew."""
    logs = np.asarray([np.mean(np.log(ratios)) for ratios in rounds], np.float64)
    source = np.random.default_rng(SEED)
    means = logs[source.integers(0, len(logs), (DRAWS, len(logs)))].mean(axis=1)
    low, high = _bounds(means)
    return Interval(float(np.exp(logs.mean())), float(np.exp(low)), float(np.exp(high)))


def ratio_of_pooled_percentiles(
    ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]], percent: float
) -> Interval:
    """Ratio of a percentile over pooled windows; `ours` and `theirs` are pairs of interleaved windows of latencies.

    Pairs of windows are drawn anew, and within a drawn window its latencies, so that five windows give more than a
    handful of different draws.
    """
    pairs = [
        (np.asarray(our, np.float64), np.asarray(their, np.float64)) for our, their in zip(ours, theirs, strict=True)
    ]
    source = np.random.default_rng(SEED)
    ratios = np.empty(DRAWS // 4)
    for draw in range(len(ratios)):
        chosen = source.integers(0, len(pairs), len(pairs))
        drawn = [tuple(source.choice(window, len(window)) for window in pairs[index]) for index in chosen]
        above, below = (np.concatenate([pair[side] for pair in drawn]) for side in (0, 1))
        ratios[draw] = percentile(above, percent) / percentile(below, percent)
    value = percentile(np.concatenate([our for our, _ in pairs]), percent) / percentile(
        np.concatenate([their for _, their in pairs]), percent
    )
    low, high = _bounds(ratios)
    return Interval(value, low, high)


def _bounds(draws: Floats) -> tuple[float, float]:
    tail = (1.0 - COVERAGE) / 2.0 * 100.0
    return percentile(draws, tail), percentile(draws, 100.0 - tail)
