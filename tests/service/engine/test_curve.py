"""The latency curve: which batch pays, and what live traffic may change about it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.engine.curve import LatencyCurve

CPU = {1: 8.5, 2: 17.4, 4: 34.8, 8: 67.2, 16: 150.4}
GPU = {1: 4.0, 2: 4.4, 4: 5.2, 8: 7.6, 16: 14.4}


@pytest.mark.parametrize(
    ("curve_ms", "paying"),
    [
        (CPU, 1),
        (GPU, 8),  # 16 costs 0.9 a photo, 8 costs 0.95: not 10 % better
        ({1: 10.0, 4: 20.0, 16: 20.0}, 16),
        ({1: 10.0, 2: 18.0}, 2),
        ({1: 10.0, 2: 18.1}, 1),
        ({1: 10.0, 2: 20.0, 4: 20.0}, 1),  # the first step must pay already
        ({}, 1),
    ],
)
def test_the_batch_that_pays_is_ten_percent_better_at_each_step(curve_ms: dict[int, float], paying: int) -> None:
    assert LatencyCurve(curve_ms, 16).paying_batch == paying


def test_no_batch_is_larger_than_the_limit() -> None:
    assert LatencyCurve(GPU, 4).paying_batch == 4


@pytest.mark.parametrize(("batch", "expected_ms"), [(1, 10), (3, 25), (4, 30), (8, 60)])
def test_sizes_between_are_interpolated_and_outside_in_proportion(batch: int, expected_ms: float) -> None:
    assert LatencyCurve({1: 10, 2: 20, 4: 30}, 16).predict_ms(batch) == pytest.approx(expected_ms)


def test_a_slower_machine_changes_the_scale_and_not_the_batch() -> None:
    curve = LatencyCurve(CPU, 16)
    curve.observe(1, 17.0)
    assert curve.paying_batch == 1
    assert curve.predict_ms(4) == pytest.approx(69.6)


def test_live_traffic_can_show_that_a_batch_does_not_pay() -> None:
    curve = LatencyCurve(GPU, 16)
    for size, live_ms in ((1, 4.0), (2, 8.0)):
        curve.observe(size, live_ms)
    assert curve.paying_batch == 1


def test_one_odd_call_moves_the_prediction_little() -> None:
    curve = LatencyCurve(CPU, 16)
    curve.observe(1, 10.0)
    curve.observe(1, 110.0)
    assert curve.predict_ms(1) == pytest.approx(20.0)


@settings(deadline=None)
@given(
    st.dictionaries(st.integers(1, 64), st.floats(0.01, 1e4), max_size=6),
    st.lists(st.tuples(st.integers(1, 16), st.floats(0.001, 1e5)), max_size=20),
)
def test_any_curve_and_any_traffic_give_a_usable_batch(prior: dict[int, float], seen: list[tuple[int, float]]) -> None:
    curve = LatencyCurve(prior, 16)
    for batch, elapsed_ms in seen:
        curve.observe(batch, elapsed_ms)
    assert 1 <= curve.paying_batch <= 16
    assert all(curve.predict_ms(batch) > 0 for batch in range(1, 17))
