"""Scores of how known a photo looks: values from a pencil, and the choice between them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models import calibration
from models.calibration.unknowns import PLAIN_SCORE


def test_the_energy_is_the_soft_maximum_of_the_logits() -> None:
    assert calibration.energy_scores([0.0, 0.0]) == pytest.approx(math.log(2))
    assert calibration.energy_scores([[0.0, 0.0], [1e4, 0.0]], 2.0).tolist() == pytest.approx([2 * math.log(2), 1e4])


def test_the_height_is_that_above_the_mean_whatever_is_added_to_all() -> None:
    assert calibration.height_scores([[6.0, 0.0, 0.0], [10.0, 4.0, 4.0]]).tolist() == [4.0, 4.0]


def test_class_directions_are_means_of_directions() -> None:
    directions = calibration.class_directions([[2.0, 0.0], [0.0, 5.0], [0.0, 1.0]], [0, 0, 1], 3)
    half = math.sqrt(0.5)
    assert directions.tolist() == [pytest.approx([half, half]), [0.0, 1.0], [0.0, 0.0]]


def test_the_distance_score_is_the_cosine_of_the_nearest_class() -> None:
    directions = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert calibration.distance_scores([[3.0, 4.0], [-1.0, 0.0]], directions).tolist() == pytest.approx([0.8, 0.0])


def test_an_interval_holds_its_auroc_and_narrows_with_photos() -> None:
    random = np.random.default_rng(1)
    known, unknown = random.normal(1.0, size=400), random.normal(size=400)
    many = calibration.auroc_interval(known, unknown, resamples=300)
    few = calibration.auroc_interval(known[:40], unknown[:40], resamples=300)
    assert many.interval[0] < many.value < many.interval[1]
    assert many.value == pytest.approx(0.76, abs=0.03)  # Phi(1 / sqrt 2)
    assert few.interval[1] - few.interval[0] > 2 * (many.interval[1] - many.interval[0])


def test_scores_apart_have_an_auroc_of_one_without_spread() -> None:
    found = calibration.auroc_interval([2.0, 3.0], [0.0, 1.0], resamples=50)
    assert (found.value, found.interval) == (1.0, (1.0, 1.0))


def scores(shift: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.normal(shift, size=300), random.normal(size=300)


def test_a_score_that_is_better_beyond_chance_is_chosen() -> None:
    plain, energy = scores(1.0, 1), scores(3.0, 2)
    choice = calibration.choose_score(
        {PLAIN_SCORE: plain[0], "energy": energy[0]}, {PLAIN_SCORE: plain[1], "energy": energy[1]}
    )
    assert choice.score == "energy"
    assert np.mean(energy[0] < calibration.uncertain_threshold(energy[0])) <= 0.05
    assert choice.tried["energy"].value > choice.tried[PLAIN_SCORE].value


def test_a_score_that_is_no_better_leaves_the_one_before() -> None:
    known, unknown = scores(1.0)
    wobble = np.random.default_rng(5).normal(scale=0.05, size=300)
    choice = calibration.choose_score(
        {PLAIN_SCORE: known, "energy": known + wobble}, {PLAIN_SCORE: unknown, "energy": unknown + wobble}
    )
    assert choice.score == PLAIN_SCORE


def test_of_two_that_are_better_the_simpler_is_chosen_where_chance_may_part_them() -> None:
    plain, (known, unknown) = scores(0.5, 1), scores(2.0, 2)
    wobble = np.random.default_rng(5).normal(scale=0.05, size=300)
    inside = {PLAIN_SCORE: plain[0], "height": known, "distance": known + wobble}
    outside = {PLAIN_SCORE: plain[1], "height": unknown, "distance": unknown + wobble}
    assert calibration.choose_score(inside, outside).score == "height"


def test_the_plain_score_comes_first() -> None:
    with pytest.raises(ValueError, match="max_softmax"):
        calibration.choose_score({"energy": [1.0]}, {"energy": [0.0]})
