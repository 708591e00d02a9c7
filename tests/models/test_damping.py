"""Damping: values from a pencil, the exponent that made the scores, and none where it cannot be told."""

from __future__ import annotations

import numpy as np
import pytest

from models import calibration
from models.calibration import Damping


def drawn(exponent: float, count: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Logits of very different heights, and labels drawn from what they mean once they are damped so far."""
    random = np.random.default_rng(seed)
    logits = random.normal(scale=2.0, size=(count, 6)) * random.lognormal(sigma=0.7, size=(count, 1))
    truth = calibration.softmax(calibration.damp(logits, Damping(exponent, 4.0)))
    return logits, np.array([random.choice(6, p=row) for row in truth])


def test_logits_are_divided_by_a_power_of_their_height() -> None:
    damped = calibration.damp([[8.0, 0.0, 4.0, 4.0], [9.0, 0.0, 0.0, 27.0]], Damping(0.5, 2.0))  # heights 4 and 18
    assert damped.tolist() == [pytest.approx([8 / 2**0.5, 0, 4 / 2**0.5, 4 / 2**0.5]), [3.0, 0.0, 0.0, 9.0]]


def test_logits_of_the_usual_height_stay_as_they_are() -> None:
    assert calibration.damp([3.0, 0.0, 0.0], Damping(0.7, 2.0)).tolist() == [3.0, 0.0, 0.0]


def test_equal_logits_stay_equal() -> None:
    assert calibration.softmax(calibration.damp([[2.0, 2.0]], Damping(0.9, 1.0))).tolist() == [[0.5, 0.5]]


@pytest.mark.parametrize("exponent", [0.3, 0.6])
def test_the_exponent_that_the_labels_were_drawn_with_is_found(exponent: float) -> None:
    found = calibration.fit_damping(*drawn(exponent, 6000))
    assert found is not None
    assert found.exponent == pytest.approx(exponent, abs=0.06)
    assert found.usual == pytest.approx(np.median(calibration.height_scores(drawn(exponent, 6000)[0])), abs=0.01)


def test_what_needs_no_damping_gets_none() -> None:
    assert calibration.fit_damping(*drawn(0.0, 2000)) is None


def test_few_photos_tell_no_exponent() -> None:
    assert calibration.fit_damping(*drawn(0.3, 40)) is None
    assert calibration.fit_damping(np.zeros((40, 6)), np.zeros(40, int)) is None


def test_damping_leaves_the_order_of_heights() -> None:
    logits, _ = drawn(0.0, 50)
    heights = calibration.height_scores(logits)
    damped = calibration.height_scores(calibration.damp(logits, Damping(0.9, 4.0)))
    assert (np.argsort(heights) == np.argsort(damped)).all()
