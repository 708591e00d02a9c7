"""The calibration of a bundle keeps its promises on what it was fitted to, for each framing and at each level."""

from __future__ import annotations

import numpy as np
import pytest

from export.fitting import calibrate
from models.calibration import energy_scores, softmax
from models.evaluation.figures import Scored
from models.evaluation.items import Item, Part
from models.labels import Label
from models.training.taxonomy import LabelTable

KINDS = tuple(Label(str(index), f"Bird {index}", {"family": "ab"[index % 2]}) for index in range(5))
TABLE = LabelTable(("family",), KINDS)


def scored(name: str, evidence: float, seed: int, count: int = 1000) -> Scored:
    """Photos of five classes, with so much evidence for the right one."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 5, count)
    logits = 3 * (rng.normal(size=(count, 5)) + evidence * np.eye(5)[labels])
    items = tuple(Item(bytes, str(label), f"{name} {index}") for index, label in enumerate(labels))
    return Scored(Part(name, items), logits, labels)


@pytest.fixture(scope="module")
def parts() -> list[Scored]:
    return [scored("validation crop", 2.5, 0), scored("validation whole", 1.5, 1)]


def test_scores_that_are_too_sure_are_tempered(parts: list[Scored]) -> None:
    fitted = calibrate(parts, TABLE)
    assert 1.4 < fitted.temperature < 3
    assert fitted.pooled_temperature is not None
    assert fitted.scene_temperature is None  # no photo is there in both framings
    assert fitted.score == "max_softmax"


def test_at_most_a_twentieth_is_flagged(parts: list[Scored]) -> None:
    fitted = calibrate(parts, TABLE)
    best = np.concatenate([softmax(one.logits, fitted.temperature).max(axis=1) for one in parts])
    assert fitted.uncertain_below is not None
    assert 0.03 < np.mean(best < fitted.uncertain_below) <= 0.05


@pytest.mark.parametrize("coverage", ["0.9", "0.95"])
def test_sets_hold_the_truth_in_each_framing_and_at_each_level(parts: list[Scored], coverage: str) -> None:
    fitted = calibrate(parts, TABLE)
    for one in parts:
        probabilities = softmax(one.logits, fitted.temperature)
        of_label = probabilities[np.arange(len(one.labels)), one.labels]
        is_best = probabilities.argmax(axis=1) == one.labels
        assert np.mean((1 - of_label <= fitted.conformal[coverage]) | is_best) >= float(coverage)
        families = np.stack([probabilities[:, ::2].sum(1), probabilities[:, 1::2].sum(1)], axis=1)
        of_family = families[np.arange(len(one.labels)), one.labels % 2]
        is_best = families.argmax(axis=1) == one.labels % 2
        quantile = fitted.conformal_levels["family"][coverage]
        assert np.mean((1 - of_family <= quantile) | is_best) >= float(coverage)


def test_classes_without_levels_or_second_photos_have_less(parts: list[Scored]) -> None:
    plain = LabelTable((), tuple(Label(kind.class_id, kind.label, {}) for kind in KINDS))
    few = scored("validation", 2.0, 2, count=5)
    once = Scored(few.part, np.eye(5) * 4, np.arange(5))
    fitted = calibrate([once], plain)
    assert fitted.conformal_levels == {}
    assert fitted.pooled_temperature is None


def test_the_threshold_is_that_of_the_score_that_was_chosen(parts: list[Scored]) -> None:
    logits = np.concatenate([one.logits for one in parts])
    fitted = calibrate(parts, TABLE, "energy")
    assert fitted.score == "energy"
    assert fitted.uncertain_below is not None
    assert 0.03 < np.mean(energy_scores(logits, fitted.temperature) < fitted.uncertain_below) <= 0.05
    likeness = np.linspace(-1, 1, len(logits))
    fitted = calibrate(parts, TABLE, "distance", likeness, conflict_below=-1.23456)
    assert fitted.score == "distance"
    assert np.mean(likeness < fitted.uncertain_below) == pytest.approx(0.05, abs=1e-3)
    assert fitted.text_conflict_below == -1.2346  # rounded so that no more texts are flagged
    with pytest.raises(ValueError, match="needs its values"):
        calibrate(parts, TABLE, "distance")


def test_photos_together_that_were_never_wrong_tell_no_temperature() -> None:
    assert calibrate([scored("validation", 40.0, 3)], TABLE).pooled_temperature is None
