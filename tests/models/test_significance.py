"""Tests of differences against values worked out elsewhere: exact binomials, a binormal, Holm's own rule."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.metrics import Bools, paired
from models.evaluation.significance import holm, mcnemar, paired_seeds

PHOTOS = [str(number) for number in range(1000)]


def knows(*spans: tuple[int, int]) -> Bools:
    """A run over a thousand photos that is right on those of the spans."""
    right = np.zeros(len(PHOTOS), np.bool_)
    for start, end in spans:
        right[start:end] = True
    return right


#: 30 photos that only the first knows, 15 that only the second knows.
OURS, THEIRS = knows((0, 730)), knows((0, 700), (985, 1000))


def test_a_difference_of_fifteen_in_a_thousand() -> None:
    assert mcnemar(OURS, THEIRS) == pytest.approx(0.0357, abs=5e-5)
    assert mcnemar(THEIRS, OURS) == mcnemar(OURS, THEIRS)
    single = paired(OURS, THEIRS, PHOTOS)
    found, p = paired_seeds(OURS[None], THEIRS[None], PHOTOS)
    assert found.mean == pytest.approx(single.mean) == pytest.approx(0.015)
    assert (found.low, found.high) == pytest.approx((0.002, 0.028), abs=1e-3)
    assert p / 2 == pytest.approx(0.012, abs=4e-3)


def test_runs_that_agree_are_not_told_apart() -> None:
    assert mcnemar(OURS, OURS) == 1.0
    assert paired_seeds(OURS[None], OURS[None], PHOTOS)[1] == 1.0


def test_what_seeds_change_widens_the_interval() -> None:
    steady = np.stack([knows((0, 720))] * 3)
    shaky = np.stack([knows((0, 660)), knows((0, 720)), knows((0, 780))])
    reference = np.stack([knows((0, 700))] * 3)
    firm, _ = paired_seeds(steady, reference, PHOTOS)
    loose, p = paired_seeds(shaky, reference, PHOTOS)
    assert firm.mean == pytest.approx(loose.mean) == pytest.approx(0.02)
    assert loose.high - loose.low > 3 * (firm.high - firm.low)
    assert p > 0.05


def test_several_comparisons_are_corrected_together() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []
