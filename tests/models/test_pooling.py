"""Several photos of one subject: what their sum says, and the temperature that keeps it honest."""

from __future__ import annotations

import numpy as np
import pytest

from models import calibration


def test_the_mean_of_the_logits_is_tempered() -> None:
    assert calibration.pool([[3.0, 0.0], [1.0, 0.0]], 1.0).tolist() == calibration.softmax([2.0, 0.0]).tolist()
    assert calibration.pool([[3.0, 0.0], [1.0, 0.0]], 0.5).tolist() == calibration.softmax([4.0, 0.0]).tolist()


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


def test_photos_that_err_together_are_no_surer_than_one() -> None:
    random = np.random.default_rng(2)
    base = random.normal(scale=2.0, size=(300, 5))
    subject = np.array([random.choice(5, p=row) for row in calibration.softmax(base)])
    groups = [np.arange(3 * place, 3 * place + 3) for place in range(300)]
    same, labels = np.repeat(base, 3, axis=0), np.repeat(subject, 3)
    assert calibration.fit_pooled_temperature(same, labels, groups) == pytest.approx(1.0, rel=0.15)
    # Three independent looks at a subject are worth three times the evidence of their mean.
    looks = np.repeat(base, 3, axis=0) / 3
    assert calibration.fit_pooled_temperature(looks, labels, groups) == pytest.approx(1 / 3, rel=0.15)


def test_without_groups_there_is_nothing_to_fit() -> None:
    with pytest.raises(ValueError, match="nothing held out is there twice"):
        calibration.fit_pooled_temperature([[1.0, 0.0]], [0], [])


def test_a_photo_in_one_framing_has_no_pair() -> None:
    pairs = calibration.pair_framings(list("abca"), ["crop", "crop", "whole", "whole"])
    assert [pair.tolist() for pair in pairs] == [[0, 3]]
