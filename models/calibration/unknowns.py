"""How known a photo looks to a model: scores, the threshold of `uncertain`, and which score tells unknown subjects best.

In every score higher means more known. What is compared stands in a bundle's manifest; the class directions of the
distance need a file of their own.

Sources: highest probability, Hendrycks and Gimpel, ICLR 2017; energy, Liu et al., NeurIPS 2020; highest logit, Hendrycks et
al., ICML 2022, here above the mean of all, for what is added to every logit tells nothing; distance to class means in feature
space, after Lee et al., NeurIPS 2018, here on directions; AUROC as the probability of a right order, Hanley and McNeil,
Radiology 1982.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from models.calibration.probabilities import Floats, Numbers, softmax

FLAGGED_LIMIT = 0.05
RESAMPLES = 1_000
#: The simplest score: it needs nothing but probabilities.
PLAIN_SCORE = "max_softmax"
#: Unit rows [C, D] of a bundle, the mean feature direction of each class: what the score `distance` compares with.
DIRECTIONS_NAME = "directions.npy"
_ROUNDING = 1e-9


def energy_scores(logits: Numbers, temperature: float = 1.0) -> Floats:
    """The negative free energy T log sum exp(logit / T) over the last axis of logits [..., C]."""
    scaled = np.asarray(logits, np.float64) / temperature
    most = scaled.max(-1, keepdims=True)
    sums = np.log(np.exp(scaled - most).sum(-1)) + most[..., 0]
    return np.asarray(temperature * sums, np.float64)


def height_scores(logits: Numbers) -> Floats:
    """How far the highest of logits [..., C] lies above their mean."""
    values = np.asarray(logits, np.float64)
    return np.asarray(values.max(-1) - values.mean(-1), np.float64)


#: The scores that need nothing but logits [..., C] and a temperature, by their manifest names and the simplest first. The height
#: comes before the energy, which moves with what is added to every logit and tells nothing.
LOGIT_SCORES: Mapping[str, Callable[[Numbers, float], Floats]] = {
    PLAIN_SCORE: lambda logits, temperature: np.asarray(softmax(logits, temperature).max(-1), np.float64),
    "height": lambda logits, _: height_scores(logits),
    "energy": energy_scores,
}


def class_directions(features: Numbers, labels: Numbers, classes: int) -> Floats:
    """The mean direction of each class's features [N, D]: unit rows [C, D]; zero for a class without photos."""
    rows = _directions(np.asarray(features, np.float64))
    sums = np.zeros((classes, rows.shape[1]))
    np.add.at(sums, np.asarray(labels, np.int64), rows)
    return _directions(sums)


def distance_scores(features: Numbers, directions: Floats) -> Floats:
    """The cosine of features [..., D] with the nearest of the classes' directions [C, D]: 1 is at it, -1 opposite."""
    return np.asarray((_directions(np.asarray(features, np.float64)) @ directions.T).max(-1), np.float64)


def _directions(rows: Floats) -> Floats:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12), np.float64)


def uncertain_threshold(scores: Numbers, flagged_limit: float = FLAGGED_LIMIT) -> float:
    """The highest threshold such that at most this share of known subjects [N] has a score below it."""
    ordered = np.sort(np.asarray(scores, np.float64))
    return float(ordered[math.floor(flagged_limit * len(ordered) + _ROUNDING)])


def auroc(positive: Numbers, negative: Numbers) -> float:
    """The probability that a positive's score is above a negative's, equal ones counting half."""
    high, low = np.asarray(positive, np.float64), np.sort(np.asarray(negative, np.float64))
    below = np.searchsorted(low, high, side="left")
    below_or_equal = np.searchsorted(low, high, side="right")
    return float((below + below_or_equal).sum() / (2 * len(high) * len(low)))


@dataclass(frozen=True, slots=True)
class Auroc:
    """An AUROC with its 95 % bootstrap interval."""

    value: float
    interval: tuple[float, float]


def auroc_interval(known: Numbers, unknown: Numbers, seed: int = 0, resamples: int = RESAMPLES) -> Auroc:
    """How well scores tell known [N] from unknown [M], both resampled."""
    (values,) = _resampled([known], [unknown], seed, resamples)
    low, high = np.quantile(values, [0.025, 0.975])
    return Auroc(auroc(known, unknown), (float(low), float(high)))


@dataclass(frozen=True, slots=True)
class ScoreChoice:
    """The chosen score, and the AUROC of every score that was tried."""

    score: str
    tried: dict[str, Auroc]


def choose_score(known: Mapping[str, Numbers], unknown: Mapping[str, Numbers], seed: int = 0) -> ScoreChoice:
    """The first score that no other beats beyond chance at telling validation photos apart: name the simplest first.

    Both mappings hold, for each score, its values for the same photos in the same order. A score is beaten where the
    95 % interval of the paired difference of AUROCs excludes 0.

    Raises:
        ValueError: the first score is not `max_softmax`.
    """
    if next(iter(known), None) != PLAIN_SCORE:
        raise ValueError(f"{PLAIN_SCORE!r} is the simplest score and comes first")
    names = list(known)
    samples = _resampled([known[name] for name in names], [unknown[name] for name in names], seed, RESAMPLES)
    tried = {}
    for name, values in zip(names, samples, strict=True):
        low, high = np.quantile(values, [0.025, 0.975])
        tried[name] = Auroc(auroc(known[name], unknown[name]), (float(low), float(high)))
    rows = dict(zip(names, samples, strict=True))
    best = next(one for one in names if not any(np.quantile(rows[other] - rows[one], 0.025) > 0 for other in names))
    return ScoreChoice(best, tried)


def _resampled(known: list[Numbers], unknown: list[Numbers], seed: int, resamples: int) -> list[Floats]:
    """AUROCs of several scores over the same resamples of known and of unknown photos: one row a score."""
    inside, outside = np.asarray(known, np.float64), np.asarray(unknown, np.float64)
    rng = np.random.default_rng(seed)
    values = np.empty((len(inside), resamples))
    for place in range(resamples):
        drawn = rng.integers(0, inside.shape[1], inside.shape[1])
        others = rng.integers(0, outside.shape[1], outside.shape[1])
        values[:, place] = [auroc(a[drawn], b[others]) for a, b in zip(inside, outside, strict=True)]
    return list(values)
