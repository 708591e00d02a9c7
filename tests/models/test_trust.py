"""The tables of trust: what a reader is told of sets, unknown subjects and explanations."""

from __future__ import annotations

import numpy as np

from models.calibration import Auroc
from models.evaluation.faithfulness import Areas, summarise
from models.evaluation.figures import Scored
from models.evaluation.items import Item, Part
from models.evaluation.metrics import Interval, Share
from models.evaluation.pointing import Pointing
from models.evaluation.trust import (
    coverage_rows,
    coverage_table,
    faithfulness_table,
    levels_of,
    pointing_table,
    unknown_table,
)
from models.evaluation.unknowns import UnknownFigures
from models.labels import Label
from models.sections import Calibration

LABELS = [Label("a", "A", {"family": "x"}), Label("b", "B", {"family": "x"}), Label("c", "C", {"family": "y"})]


def scored() -> Scored:
    """Ten photos of three classes; two of class a are taken for b, which is of the same family."""
    labels = np.array([0] * 4 + [1] * 3 + [2] * 3)
    picks = np.array([0, 0, 1, 1] + [1] * 3 + [2] * 3)
    items = tuple(Item(bytes, "abc"[label], str(number)) for number, label in enumerate(labels))
    return Scored(Part("test crop", items), np.where(np.arange(3) == picks[:, None], 3.0, 0.0), labels)


def test_sets_are_checked_for_the_classes_and_each_level() -> None:
    fitted = Calibration(conformal={"0.9": 0.96}, conformal_levels={"family": {"0.9": 0.0}})
    by_class, family = coverage_rows(scored(), levels_of(LABELS, ["family"]), fitted, 100)
    assert (by_class.level, by_class.is_singleton, by_class.check.found) == ("class", False, 1.0)
    assert (family.level, family.is_singleton, family.check.found) == ("family", True, 1.0)
    lines = coverage_table([by_class, family]).splitlines()
    assert "singleton" in lines[3]
    assert lines[2].rstrip(" |").endswith("yes")


def test_sets_that_do_not_hold_are_told() -> None:
    (row,) = coverage_rows(scored(), None, Calibration(conformal={"0.95": 0.0}), 5000)
    assert row.check.found == 0.8
    assert "| 80.0 % |" in coverage_table([row])


def test_unknown_subjects_show_every_score_and_the_style() -> None:
    scores = {"max_softmax": Auroc(0.9, (0.88, 0.92)), "distance": Auroc(0.95, (0.94, 0.96))}
    text = unknown_table([UnknownFigures("other species", 1338, scores, 0.4, 0.6, None)], "distance")
    assert "0.950 (0.940 - 0.960)" in text
    assert "not sharper" in text
    assert "flagged by distance" in text


def test_explanations_are_called_faithful_only_if_they_beat_both_controls() -> None:
    good = {"explanation": 0.1, "random": 0.4, "centre": 0.2}
    bad = {"explanation": 0.3, "random": 0.4, "centre": 0.2}
    areas = [Areas(str(number), good, good) for number in range(5)]
    assert "is faithful" in faithfulness_table(summarise(areas))
    areas = [Areas(str(number), bad, good) for number in range(5)]
    assert "not shown to be faithful" in faithfulness_table(summarise(areas))


def test_hits_stand_beside_those_of_the_middle() -> None:
    share, middle = Share(0.8, 10, (0.5, 0.9), (0.6, 1.0)), Share(0.5, 10, (0.2, 0.8), (0.2, 0.8))
    margin = Interval(0.3, 0.1, 0.5)
    text = pointing_table(Pointing(share, share, middle, middle, margin, margin))
    assert "+30.0 (+10.0 to +50.0)" in text
    assert text.count("\n") == 4
