"""Several photos of one subject: what their sum says, and the temperature that keeps it honest."""

from __future__ import annotations

import numpy as np
import pytest

from models import calibration


def test_two_photos_multiply_their_evidence() -> None:
    once = calibration.softmax([2.0, 0.0])
    twice = calibration.pool([[2.0, 0.0], [2.0, 0.0]], 1.0)
    assert twice[0] / twice[1] == pytest.approx((once[0] / once[1]) ** 2)
    assert calibration.pool([[2.0, 0.0], [2.0, 0.0]], 2.0).tolist() == pytest.approx(once.tolist())


def test_groups_are_of_one_class_and_hold_a_photo_once() -> None:
    labels = [0, 0, 0, 0, 1, 1, 1, 2, 2]
    photos = ["a", "a", "b", "c", "d", "e", "f", "g", "g"]
    groups = calibration.draw_groups(labels, photos, groups=30)
    assert {labels[group[0]] for group in groups} == {0, 1}  # class 2 has one photo only
    for group in groups:
        assert len({labels[place] for place in group}) == 1
        assert len({photos[place] for place in group}) == len(group)
        assert 2 <= len(group) <= 3
    assert {place for group in groups for place in group} == set(range(7))


def test_the_same_seed_draws_the_same_groups() -> None:
    labels, photos = [0] * 8, list("abcdefgh")
    first, again, other = (calibration.draw_groups(labels, photos, seed) for seed in (0, 0, 1))
    assert [group.tolist() for group in first] == [group.tolist() for group in again]
    assert [group.tolist() for group in first] != [group.tolist() for group in other]
    assert max(len(group) for group in first) == 5


def test_photos_that_err_together_need_a_higher_temperature() -> None:
    random = np.random.default_rng(2)
    base = random.normal(scale=2.0, size=(300, 5))
    subject = np.array([random.choice(5, p=row) for row in calibration.softmax(base)])
    logits, labels = np.repeat(base, 3, axis=0), np.repeat(subject, 3)  # three times the same evidence
    groups = [np.arange(3 * place, 3 * place + 3) for place in range(300)]
    assert calibration.fit_pooled_temperature(logits, labels, groups) == pytest.approx(3.0, rel=0.15)


def test_without_groups_there_is_nothing_to_fit() -> None:
    with pytest.raises(ValueError, match="two held-out photos"):
        calibration.fit_pooled_temperature([[1.0, 0.0]], [0], [])
