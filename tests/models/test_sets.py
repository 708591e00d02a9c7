"""Sets with a stated coverage: hand-made numbers, the promise on drawn photos, and SciPy where it is installed."""

from __future__ import annotations

import numpy as np
import pytest

from models import calibration

PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.5, 0.3, 0.2], [0.2, 0.45, 0.35]])


def test_a_label_that_is_the_best_one_costs_nothing() -> None:
    scores = calibration.label_scores(PROBABILITIES, [0, 2, 1, 1])
    assert scores.tolist() == pytest.approx([0.0, 0.7, 0.7, 0.0])


def test_where_accuracy_exceeds_the_coverage_every_set_is_a_singleton() -> None:
    scores = [0.0] * 9 + [0.8]
    assert calibration.score_quantile(scores, 0.8) == 0.0
    assert calibration.is_singleton(0.0)
    check = calibration.check_coverage(PROBABILITIES, [0, 1, 0, 2], 0.0, 0.7, 10)
    assert (check.found, check.mean_size) == (0.75, 1.0)


def test_a_quantile_above_zero_is_no_singleton() -> None:
    scores = [0.0] * 7 + [0.6, 0.7, 0.8]
    quantile = calibration.score_quantile(scores, 0.8)  # rank ceil(11 * 0.8) = 9
    assert quantile == pytest.approx(0.7)
    assert not calibration.is_singleton(quantile)


def test_the_widest_quantile_holds_for_each_kind_of_photo() -> None:
    scores, kinds = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], ["crop"] * 4 + ["whole"] * 4
    assert calibration.widest_quantile(scores, kinds, 0.8) == 0.8  # of the whole ones, rank ceil(5 * 0.8) = 4
    assert calibration.score_quantile(scores, 0.8) == 0.8
    assert calibration.widest_quantile(scores, kinds, 0.5) == 0.7
    assert calibration.score_quantile(scores, 0.5) == 0.5


def test_sizes_count_the_best_label_of_a_set_that_would_be_empty() -> None:
    check = calibration.check_coverage(PROBABILITIES, [0, 1, 0, 1], 0.5, 0.9, 100)
    assert check.mean_size == 1.0  # 0.7 and 0.6 alone, 0.5 exactly at the quantile, 0.45 by rule
    assert calibration.check_coverage(PROBABILITIES, [0, 1, 0, 1], 0.7, 0.9, 100).mean_size == pytest.approx(1.75)


@pytest.mark.parametrize(
    ("coverage", "fitted", "tested", "interval"),
    [
        (0.5, 1, 2, (0.0, 1.0)),  # Beta(1, 1): each of 0, 1, 2 covered photos has probability 1/3
        (0.5, 3, 1, (0.0, 1.0)),
        (0.9, 5, 100, (1.0, 1.0)),  # too few to fit on: all labels, always
    ],
)
def test_small_intervals_are_those_of_a_pencil(
    coverage: float, fitted: int, tested: int, interval: tuple[float, float]
) -> None:
    assert calibration.coverage_interval(coverage, fitted, tested) == interval


def test_the_beta_binomial_agrees_with_sums_of_products() -> None:
    from models.calibration.sets import _log_beta_binomial

    # Beta(2, 1) has density 2 p, so P(k of 2) = choose(2, k) * integral of 2 p^(k+1) (1-p)^(2-k): 1/6, 1/3, 1/2.
    assert np.exp(_log_beta_binomial(np.arange(3), 2, 2, 1)).tolist() == pytest.approx([1 / 6, 1 / 3, 1 / 2])


def test_scipy_agrees_with_the_interval() -> None:
    stats = pytest.importorskip("scipy.stats", reason="SciPy is the oracle of this test only")
    rank = int(np.ceil(605 * 0.9))
    expected = stats.betabinom(1158, rank, 605 - rank).ppf([0.025, 0.975]) / 1158
    assert calibration.coverage_interval(0.9, 604, 1158) == pytest.approx(tuple(expected))


def test_drawn_photos_are_covered_as_stated_and_inside_the_interval() -> None:
    random = np.random.default_rng(3)
    logits = random.normal(scale=2.0, size=(4000, 8))
    probabilities = calibration.softmax(logits)
    labels = np.array([random.choice(8, p=row) for row in probabilities])
    scores = calibration.label_scores(probabilities[:1000], labels[:1000])
    quantile = calibration.score_quantile(scores, 0.9)
    check = calibration.check_coverage(probabilities[1000:], labels[1000:], quantile, 0.9, 1000)
    assert check.holds
    assert check.interval[0] < 0.9 < check.interval[1]
    assert check.found <= check.interval[1]


def test_sets_that_cover_too_little_are_caught() -> None:
    check = calibration.check_coverage(np.tile([0.6, 0.4], (1000, 1)), np.arange(1000) % 2, 0.3, 0.9, 1000)
    assert check.found == 0.5
    assert not check.holds
