"""From raw scores to honest answers: temperature, uncertainty, sets with a coverage, certainty summed over levels.

Fitting takes held-out scores and gives the numbers of a manifest's `calibration`; applying them is here too, so that
evaluation and serving are one code. The figures that judge calibration stand beside. Numpy only, in float64.

Sources: temperature, Guo et al., ICML 2017; split conformal sets, Vovk et al., and Sadinle et al., JASA 2019, for the
score 1 - p(label); AUROC as the probability of a right order, Hanley and McNeil, Radiology 1982.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Numbers = npt.ArrayLike

TEMPERATURE_RANGE = (0.05, 20.0)
ECE_BINS = 15
FLAGGED_LIMIT = 0.05
_GOLDEN = (math.sqrt(5) - 1) / 2
_SEARCH_STEPS = 60


def softmax(logits: Numbers, temperature: float = 1.0) -> Floats:
    """Probabilities over the last axis, of logits [..., C] divided by the temperature."""
    scaled = np.asarray(logits, np.float64) / temperature
    scaled -= scaled.max(-1, keepdims=True)
    np.exp(scaled, out=scaled)
    scaled /= scaled.sum(-1, keepdims=True)
    return np.asarray(scaled, np.float64)


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
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = (nll(logits, labels, math.exp(point)) for point in (left, right))
    for _ in range(_SEARCH_STEPS):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = nll(logits, labels, math.exp(left))
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = nll(logits, labels, math.exp(right))
    return math.exp((low + high) / 2)


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


def auroc(positive: Numbers, negative: Numbers) -> float:
    """The probability that a positive's score is above a negative's, equal ones counting half."""
    high, low = np.asarray(positive, np.float64), np.sort(np.asarray(negative, np.float64))
    below = np.searchsorted(low, high, side="left")
    below_or_equal = np.searchsorted(low, high, side="right")
    return float((below + below_or_equal).sum() / (2 * len(high) * len(low)))


def uncertain_threshold(confidence: Numbers, flagged_limit: float = FLAGGED_LIMIT) -> float:
    """The highest threshold such that at most this share of known subjects [N] has a confidence below it."""
    ordered = np.sort(np.asarray(confidence, np.float64))
    return float(ordered[math.floor(flagged_limit * len(ordered) + 1e-9)])


def conformal_quantile(label_probability: Numbers, coverage: float) -> float:
    """The quantile of the score 1 - p(label) whose sets hold the label with at least this coverage.

    `label_probability` [N] are the calibrated probabilities of the true labels of held-out photos. The rank is
    corrected for their number, ceil((N + 1) coverage); with too few of them it is 1, the set of all labels.
    """
    scores = np.sort(1 - np.asarray(label_probability, np.float64))
    rank = math.ceil((len(scores) + 1) * coverage - 1e-9)
    return float(scores[rank - 1]) if rank <= len(scores) else 1.0


def conformal_set(probabilities: Floats, quantile: float) -> Ints:
    """Classes with 1 - p <= quantile, most probable first; the best one always, so that no set is empty."""
    order = np.argsort(-probabilities, kind="stable")
    return order[: max(1, int(np.count_nonzero(1 - probabilities <= quantile)))]


@dataclass(frozen=True, slots=True)
class Roll:
    """A level's value and the probability of all classes that have it."""

    level: str
    label: str
    probability: float


class Levels:
    """The classes of a bundle grouped by level, from coarse to fine.

    A group is the path from the coarsest level down, because a value alone may mean two things (two makes have a
    Sprinter). Its name is the value where that is enough, else the values of the path; a group of the finest level
    that is one class bears the class's label.
    """

    def __init__(self, names: Sequence[str], paths: Sequence[Sequence[str]], labels: Sequence[str]) -> None:
        """`paths` [C] holds one value per level of `names`, `labels` [C] what a person calls the class."""
        self._names = tuple(names)
        self._groups: list[Ints] = []
        self._labels: list[list[str]] = []
        for depth in range(1, len(names) + 1):
            keys = [tuple(path[:depth]) for path in paths]
            index = {key: number for number, key in enumerate(dict.fromkeys(keys))}
            self._groups.append(np.array([index[key] for key in keys], np.int64))
            self._labels.append(_group_labels(index, keys, labels if depth == len(names) else None))

    def roll_up(self, probabilities: Floats, certainty: float) -> Roll | None:
        """The finest level whose best group is at least this certain, or None where even the coarsest is not."""
        for name, groups, labels in zip(
            reversed(self._names), reversed(self._groups), reversed(self._labels), strict=True
        ):
            sums = np.bincount(groups, probabilities)
            best = int(sums.argmax())
            if sums[best] >= certainty:
                return Roll(name, labels[best], float(sums[best]))
        return None


def _group_labels(
    index: dict[tuple[str, ...], int], keys: Sequence[tuple[str, ...]], labels: Sequence[str] | None
) -> list[str]:
    """Name the groups; `labels` are the classes' own, where a group may be a single class."""
    bearers = Counter(key[-1] for key in index)
    names = [key[-1] if bearers[key[-1]] == 1 else " ".join(key) for key in index]
    if labels is not None:
        sizes = Counter(keys)
        for key, label in zip(keys, labels, strict=True):
            if sizes[key] == 1:
                names[index[key]] = label
    return names
