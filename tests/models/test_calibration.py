"""Calibration against known answers, its own promises and scikit-learn where that is installed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import calibration
from models.calibration import Levels, Roll


def seeded_logits(count: int = 400, classes: int = 6, sharpness: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose softmax is the truth that the labels were drawn from, then sharpened."""
    random = np.random.default_rng(7)
    logits = random.normal(scale=2.0, size=(count, classes))
    truth = calibration.softmax(logits)
    labels = np.array([random.choice(classes, p=row) for row in truth])
    return logits * sharpness, labels


def test_softmax_sums_to_one_and_survives_large_logits() -> None:
    probabilities = calibration.softmax([[1e4, 0.0, -1e4], [0.0, 0.0, 0.0]], temperature=2.0)
    assert np.allclose(probabilities.sum(1), 1)
    assert np.allclose(probabilities[1], 1 / 3)


@pytest.mark.parametrize("sharpness", [0.25, 1.0, 4.0])
def test_temperature_undoes_the_sharpening_of_true_scores(sharpness: float) -> None:
    logits, labels = seeded_logits(4000, sharpness=sharpness)
    assert calibration.fit_temperature(logits, labels) == pytest.approx(sharpness, rel=0.1)


def test_temperature_is_the_least_nll_of_a_fine_grid() -> None:
    logits, labels = seeded_logits(sharpness=3.0)
    grid = np.exp(np.linspace(*np.log(calibration.TEMPERATURE_RANGE), 4001))
    best = min(grid, key=lambda point: calibration.nll(logits, labels, float(point)))
    assert calibration.fit_temperature(logits, labels) == pytest.approx(best, rel=2e-3)


def test_check_7_3_of_ece_and_brier() -> None:
    confidence, correct = [0.95, 0.85, 0.65, 0.3, 0.2], [1, 0, 1, 0, 0]
    assert calibration.ece(confidence, correct, bins=5) == pytest.approx(0.33)
    assert calibration.brier(confidence, correct) == pytest.approx(0.1955)


def test_ece_bins_are_closed_above() -> None:
    assert calibration.ece([0.2, 0.4], [1, 0], bins=5) == pytest.approx((0.8 + 0.4) / 2)
    assert calibration.ece([0.21, 0.4], [1, 0], bins=5) == pytest.approx(abs(0.79 - 0.4) / 2)


def test_check_7_4_of_auroc() -> None:
    assert calibration.auroc([0.9, 0.6, 0.6], [0.6, 0.2]) == pytest.approx(0.8333333, abs=1e-7)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=30),
    st.lists(st.integers(0, 9), min_size=1, max_size=30),
)
def test_auroc_is_the_share_of_pairs_in_order(positive: list[int], negative: list[int]) -> None:
    pairs = [(p > n) + 0.5 * (p == n) for p in positive for n in negative]
    assert calibration.auroc(positive, negative) == pytest.approx(np.mean(pairs))


def test_scikit_learn_agrees() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is the oracle of this test only")
    logits, labels = seeded_logits()
    assert calibration.nll(logits, labels) == pytest.approx(metrics.log_loss(labels, calibration.softmax(logits)))
    scores, truth = logits[:, 0], labels == 0
    assert calibration.auroc(scores[truth], scores[~truth]) == pytest.approx(metrics.roc_auc_score(truth, scores))


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=200), st.floats(0, 0.5))
def test_uncertain_threshold_flags_no_more_than_asked(confidence: list[float], limit: float) -> None:
    threshold = calibration.uncertain_threshold(confidence, limit)
    assert np.mean(np.array(confidence) < threshold) <= limit + 1e-9


def test_uncertain_threshold_uses_what_it_may() -> None:
    confidence = np.arange(100) / 100
    assert calibration.uncertain_threshold(confidence) == pytest.approx(0.05)


def test_conformal_rank_is_corrected_for_few_photos() -> None:
    probability = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
    assert calibration.conformal_quantile(probability, 0.8) == pytest.approx(0.8)
    assert calibration.conformal_quantile(probability, 0.95) == 1.0


def test_conformal_sets_hold_the_label_as_often_as_stated() -> None:
    logits, labels = seeded_logits(6000)
    probabilities = calibration.softmax(logits)
    fit, test = slice(0, 3000), slice(3000, 6000)
    rows = np.arange(3000)
    quantile = calibration.conformal_quantile(probabilities[fit][rows, labels[fit]], 0.9)
    held = [
        label in calibration.conformal_set(row, quantile)
        for row, label in zip(probabilities[test], labels[test], strict=True)
    ]
    assert 0.88 <= np.mean(held) <= 0.92


def test_conformal_set_is_never_empty_and_ordered() -> None:
    probabilities = np.array([0.2, 0.5, 0.3])
    assert calibration.conformal_set(probabilities, 0.0).tolist() == [1]
    assert calibration.conformal_set(probabilities, 0.7).tolist() == [1, 2]
    assert calibration.conformal_set(probabilities, 1.0).tolist() == [1, 2, 0]


BIRDS = Levels(
    ("family", "species"),
    [("Corvidae", "Corvus corax"), ("Corvidae", "Corvus cornix"), ("Laridae", "Larus sp."), ("Laridae", "Larus sp.")],
    ["Raven", "Hooded Crow", "Herring Gull", "Silver Gull"],
)
CARS = Levels(
    ("make", "model", "year"),
    [("Dodge", "Sprinter", "2009"), ("Mercedes", "Sprinter", "2012"), ("Audi", "S4", "2012"), ("Audi", "S4", "2009")],
    ["Dodge Sprinter 2009", "Mercedes Sprinter 2012", "Audi S4 2012", "Audi S4 2009"],
)


@pytest.mark.parametrize(
    ("levels", "probabilities", "expected"),
    [
        (BIRDS, [0.95, 0.03, 0.01, 0.01], Roll("species", "Raven", 0.95)),
        (BIRDS, [0.5, 0.45, 0.04, 0.01], Roll("family", "Corvidae", 0.95)),
        (BIRDS, [0.02, 0.03, 0.45, 0.5], Roll("species", "Larus sp.", 0.95)),
        (CARS, [0.02, 0.03, 0.5, 0.45], Roll("model", "S4", 0.95)),
        (CARS, [0.95, 0.03, 0.01, 0.01], Roll("year", "Dodge Sprinter 2009", 0.95)),
    ],
)
def test_roll_up_finds_the_finest_certain_level(levels: Levels, probabilities: list[float], expected: Roll) -> None:
    found = levels.roll_up(np.array(probabilities), 0.9)
    assert found is not None
    assert (found.level, found.label) == (expected.level, expected.label)
    assert found.probability == pytest.approx(expected.probability)


def test_roll_up_is_nothing_where_no_level_is_certain() -> None:
    assert BIRDS.roll_up(np.array([0.3, 0.2, 0.3, 0.2]), 0.9) is None


def test_a_value_under_two_parents_is_named_by_its_path() -> None:
    cars = Levels(("make", "model"), [("Dodge", "Sprinter"), ("Mercedes", "Sprinter"), ("Dodge", "Sprinter")], "abc")
    found = cars.roll_up(np.array([0.5, 0.0, 0.5]), 0.9)
    assert found is not None
    assert found.label == "Dodge Sprinter"


def test_levels_sum_probabilities_over_their_groups() -> None:
    assert BIRDS.names == ("family", "species")
    assert BIRDS.groups("family").tolist() == [0, 0, 1, 1]
    assert BIRDS.labels("family") == ("Corvidae", "Laridae")
    sums = BIRDS.sums("family", [[0.5, 0.2, 0.2, 0.1], [0.0, 0.0, 0.5, 0.5]])
    assert sums.tolist() == [pytest.approx([0.7, 0.3]), [0.0, 1.0]]
    assert BIRDS.sums("species", [0.4, 0.3, 0.2, 0.1]).tolist() == pytest.approx([0.4, 0.3, 0.3])
