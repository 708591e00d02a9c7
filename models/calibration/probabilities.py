"""From raw scores to calibrated probabilities, and how far off they are.

Owns the temperature and the figures that judge it. Numpy only, in float64.

Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Numbers = npt.ArrayLike

TEMPERATURE_RANGE = (0.05, 20.0)
ECE_BINS = 15
_GOLDEN = (math.sqrt(5) - 1) / 2
_SEARCH_STEPS = 60


def softmax(logits: Numbers, temperature: float = 1.0) -> Floats:
    """Probabilities over the last axis, of logits [..., C] divided by the temperature."""
    scaled: Floats = np.asarray(logits, np.float64) / temperature
    scaled -= np.maximum.reduce(scaled, -1, keepdims=True)
    np.exp(scaled, out=scaled)
    scaled /= np.add.reduce(scaled, -1, keepdims=True)
    return scaled


def nll(logits: Numbers, labels: Numbers, temperature: float = 1.0) -> float:
    """Mean negative log likelihood of labels [N] under logits [N, C], in nats."""
    scaled = np.asarray(logits, np.float64) / temperature
    scaled -= scaled.max(1, keepdims=True)
    rows = np.arange(len(scaled))
    return float(np.mean(np.log(np.exp(scaled).sum(1)) - scaled[rows, np.asarray(labels, np.int64)]))


def fit_temperature(logits: Numbers, labels: Numbers) -> float:
    """The temperature in `TEMPERATURE_RANGE` with the least `nll`, by golden section over its logarithm.

    In 1 / T the likelihood is log-concave, so there is one minimum (Guo et al., appendix).
    """
    low, high = (math.log(bound) for bound in TEMPERATURE_RANGE)
    return math.exp(least(lambda point: nll(logits, labels, math.exp(point)), low, high, _SEARCH_STEPS))


def least(loss: Callable[[float], float], low: float, high: float, steps: int = 20) -> float:
    """Where a function with one minimum between `low` and `high` has it: the place after so many golden sections."""
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = loss(left), loss(right)
    for _ in range(steps):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = loss(right)
    return (low + high) / 2


def ece(confidence: Numbers, correct: Numbers, bins: int = ECE_BINS) -> float:
    """Expected calibration error over equal-width bins (lo, hi]; both arguments [N], `correct` 0 or 1."""
    sure, right = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, sure, side="left") - 1, 0, bins - 1)
    gap = np.bincount(place, right - sure, minlength=bins)
    return float(np.abs(gap).sum() / len(sure))


def brier(confidence: Numbers, correct: Numbers) -> float:
    """Mean squared distance between confidence [N] and being right [N]."""
    return float(np.mean((np.asarray(confidence, np.float64) - np.asarray(correct, np.float64)) ** 2))
