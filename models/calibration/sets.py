"""Sets of labels that hold the truth with a stated coverage, at each level, and whether test photos agree.

A set holds every label with 1 - p(label) up to a quantile, and always the best one, so that no set is empty. Where the
best label alone holds the truth often enough the quantile is 0 and every set is that one label: a singleton.

Sources: split conformal sets, Vovk et al., 2005, and Sadinle et al., JASA 2019, for the score 1 - p(label); the spread of
their coverage over test sets, Angelopoulos and Bates, "A gentle introduction to conformal prediction", 2021, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.calibration.probabilities import Floats, Ints, Numbers

_ROUNDING = 1e-9  # (N + 1) coverage is a whole number now and then, and floats miss it
_INTERVAL = 0.95


def label_scores(probabilities: Numbers, labels: Numbers) -> Floats:
    """Nonconformity [N] of the true labels [N]: 1 - p(label), and 0 where the label is the best one.

    The zero belongs to sets that always hold the best label: with it a label is in its set exactly if its score is at
    most the quantile, so the coverage is the stated one and not more.
    """
    table, truth = np.asarray(probabilities, np.float64), np.asarray(labels, np.int64)
    scores = 1 - table[np.arange(len(truth)), truth]
    return np.where(table.argmax(1) == truth, 0.0, scores)


def score_quantile(scores: Numbers, coverage: float) -> float:
    """The quantile of held-out scores [N] that holds a new photo's with at least this coverage.

    The rank is corrected for their number, ceil((N + 1) coverage); with too few of them it is 1, the set of all labels.
    """
    ordered = np.sort(np.asarray(scores, np.float64))
    rank = _rank(len(ordered), coverage)
    return float(ordered[rank - 1]) if rank <= len(ordered) else 1.0


def widest_quantile(scores: Numbers, kinds: Sequence[str], coverage: float) -> float:
    """The largest of the quantiles fitted on each kind of held-out photo alone, such as crops and whole photos.

    A request does not say of which kind its photo is; so the coverage holds for each of them, not only for their mix.
    """
    table, names = np.asarray(scores, np.float64), np.asarray(kinds)
    return max(score_quantile(table[names == name], coverage) for name in np.unique(names))


def conformal_quantile(label_probability: Numbers, coverage: float) -> float:
    """As `score_quantile`, of the plain score 1 - p(label), given the true labels' probabilities [N]."""
    return score_quantile(1 - np.asarray(label_probability, np.float64), coverage)


def conformal_set(probabilities: Floats, quantile: float, order: Ints | None = None) -> Ints:
    """Classes with 1 - p <= quantile, most probable first; the best one always, so that no set is empty.

    `order` is what `ranked` gives, where that is known already.
    """
    order = ranked(probabilities) if order is None else order
    return order[: max(1, int(np.count_nonzero(1 - probabilities <= quantile)))]


def ranked(probabilities: Floats) -> Ints:
    """Classes from the most probable down; of equal ones the first."""
    return (-probabilities).argsort(kind="stable")


def is_singleton(quantile: float) -> bool:
    """Whether every set is the best label alone: its accuracy on held-out photos exceeds the stated coverage."""
    return quantile <= 0


@dataclass(frozen=True, slots=True)
class CoverageCheck:
    """The coverage of sets on test photos beside the interval in which 95 % of test sets of that size lie."""

    stated: float
    found: float
    mean_size: float
    interval: tuple[float, float]

    @property
    def holds(self) -> bool:
        """Whether the found coverage is not below the interval."""
        return self.found >= self.interval[0]


def check_coverage(
    probabilities: Numbers, labels: Numbers, quantile: float, coverage: float, fitted: int
) -> CoverageCheck:
    """Count how often sets by `quantile` hold the labels [N] of test photos, probabilities [N, C].

    `fitted` is the number of photos that the quantile was fitted on.
    """
    table = np.asarray(probabilities, np.float64)
    is_held = label_scores(table, labels) <= quantile
    sizes = np.maximum(1, np.count_nonzero(1 - table <= quantile, axis=1))
    interval = coverage_interval(coverage, fitted, len(table))
    return CoverageCheck(coverage, float(is_held.mean()), float(sizes.mean()), interval)


def coverage_interval(coverage: float, fitted: int, tested: int) -> tuple[float, float]:
    """The middle 95 % of the coverage that is found on `tested` photos after fitting on `fitted` ones.

    With rank k = ceil((n + 1) coverage) the share of all photos that the sets cover follows Beta(k, n + 1 - k), and so
    the number of covered test photos is beta-binomial. Equal scores only raise the coverage.
    """
    rank = _rank(fitted, coverage)
    if rank > fitted:
        return 1.0, 1.0
    counts = np.arange(tested + 1)
    cumulative = np.cumsum(np.exp(_log_beta_binomial(counts, tested, rank, fitted + 1 - rank)))
    tail = (1 - _INTERVAL) / 2
    low, high = np.searchsorted(cumulative, [tail, 1 - tail])
    return float(low / tested), float(min(high, tested) / tested)


def _rank(count: int, coverage: float) -> int:
    return math.ceil((count + 1) * coverage - _ROUNDING)


def _log_beta_binomial(counts: Ints, trials: int, alpha: int, beta: int) -> Floats:
    """Logarithms of the probability of each count, by the beta-binomial distribution with whole parameters."""
    logs = _log_factorials(trials + alpha + beta)
    choose = logs[trials] - logs[counts] - logs[trials - counts]
    above = logs[counts + alpha - 1] + logs[trials - counts + beta - 1] - logs[trials + alpha + beta - 1]
    below = logs[alpha - 1] + logs[beta - 1] - logs[alpha + beta - 1]
    return np.asarray(choose + above - below, np.float64)


def _log_factorials(most: int) -> Floats:
    """Logarithms of 0!, 1!, ... `most`!."""
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, most + 1)))])
