"""The benchmark's statistics: known answers, and intervals that hold what they should."""

from __future__ import annotations

import math

import numpy as np
import pytest

from deploy.bench.stats import median, percentile, ratio_of_pooled_percentiles, ratio_of_rounds


def test_a_percentile_is_linear_between_its_neighbours() -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0, 5.0], 90) == pytest.approx(4.6)
    assert median([3.0, 1.0, 2.0]) == 2.0


def test_no_values_have_no_percentile() -> None:
    assert math.isnan(percentile([], 50))


def test_the_mean_of_ratios_is_geometric() -> None:
    ratio = ratio_of_rounds([[2.0, 0.5], [4.0, 0.25]])
    assert ratio.value == pytest.approx(1.0)


def test_equal_rounds_leave_no_doubt() -> None:
    ratio = ratio_of_rounds([[0.9, 0.9, 0.9]] * 5)
    assert (ratio.low, ratio.value, ratio.high) == pytest.approx((0.9, 0.9, 0.9))


def test_the_interval_of_a_ratio_holds_the_truth_about_as_often_as_it_says() -> None:
    source = np.random.default_rng(1)
    held = 0
    for _ in range(60):
        rounds = np.exp(source.normal(math.log(0.95), 0.05, (15, 3)))
        ratio = ratio_of_rounds(rounds.tolist())
        held += ratio.low <= 0.95 <= ratio.high
    assert held >= 50


def test_a_slower_server_has_a_ratio_above_one() -> None:
    source = np.random.default_rng(2)
    theirs = [source.exponential(0.010, 1000).tolist() for _ in range(5)]
    ours = [[2.0 * time_s for time_s in window] for window in theirs]
    ratio = ratio_of_pooled_percentiles(ours, theirs, 99)
    assert ratio.value == pytest.approx(2.0)
    assert 1.5 < ratio.low < 2.0 < ratio.high < 2.7


def test_statistics_are_the_same_every_time() -> None:
    rounds = [[0.9, 1.0], [1.1, 0.8], [1.0, 1.2]]
    assert ratio_of_rounds(rounds) == ratio_of_rounds(rounds)
