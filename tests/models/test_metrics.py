"""Figures against known answers."""

from __future__ import annotations

import numpy as np
import pytest

from models.calibration import ece
from models.evaluation.figures import Scored, cells, judge, markdown, metrics
from models.evaluation.items import Item, Part
from models.evaluation.metrics import bootstrap, confusion, mean_per_class, reliability, share, top_hits, wilson


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"), [(60, 100, 0.502, 0.691), (600, 1000, 0.569, 0.630), (1800, 3000, 0.582, 0.617)]
)
def test_wilson_gives_the_known_intervals(hits: int, count: int, low: float, high: float) -> None:
    assert wilson(hits, count) == (pytest.approx(low, abs=5e-4), pytest.approx(high, abs=5e-4))


def test_no_photos_leave_everything_possible() -> None:
    assert wilson(0, 0) == bootstrap(np.zeros(0), []) == (0.0, 1.0)


def test_the_bootstrap_of_independent_photos_agrees_with_wilson() -> None:
    hits = np.arange(1000) < 600
    low, high = bootstrap(hits, [str(number) for number in range(1000)])
    assert (low, high) == (pytest.approx(0.569, abs=4e-3), pytest.approx(0.630, abs=4e-3))


def test_views_of_one_photo_make_the_interval_wider() -> None:
    hits = np.repeat(np.arange(250) < 150, 4)
    alone = bootstrap(hits, [str(number) for number in range(1000)])
    together = bootstrap(hits, [str(number // 4) for number in range(1000)])
    assert together[1] - together[0] > 1.8 * (alone[1] - alone[0])


def test_the_bootstrap_is_the_same_each_time() -> None:
    hits = np.arange(50) % 3 == 0
    names = [str(number) for number in range(50)]
    assert share(hits, names) == share(hits, names)


def test_a_hit_is_the_class_among_the_k_best_and_ties_go_to_the_lower_index() -> None:
    scores = np.array([[0.1, 0.6, 0.3], [0.5, 0.5, 0.0], [0.2, 0.3, 0.5]])
    labels = np.array([1, 1, 0])
    assert top_hits(scores, labels, 1).tolist() == [True, False, False]
    assert top_hits(scores, labels, 2).tolist() == [True, True, False]


def test_confusion_counts_true_by_row_and_answered_by_column() -> None:
    matrix = confusion(np.array([0, 0, 1, 2]), np.array([0, 2, 1, 1]), 3)
    assert matrix.tolist() == [[1, 0, 1], [0, 1, 0], [0, 1, 0]]
    assert mean_per_class(matrix) == pytest.approx((0.5 + 1 + 0) / 3)


def test_the_mean_per_class_passes_over_classes_without_photos() -> None:
    assert mean_per_class(np.array([[3, 1, 0], [0, 0, 0], [0, 0, 2]])) == pytest.approx((0.75 + 1) / 2)


def test_bins_of_reliability_hold_the_known_calibration_error() -> None:
    confidence = np.array([0.95, 0.85, 0.65, 0.3, 0.2])
    correct = np.array([True, False, True, False, False])
    bins = reliability(confidence, correct, bins=5)
    assert bins.counts.tolist() == [1, 1, 0, 1, 2]
    gap = float(np.sum(np.abs(bins.accuracy - bins.confidence) * bins.counts) / 5)
    assert gap == pytest.approx(0.33)
    assert gap == pytest.approx(ece(confidence, correct, 5))


def scored_part(name: str, class_ids: list[str]) -> Scored:
    items = tuple(Item(bytes, class_id, str(number)) for number, class_id in enumerate(class_ids))
    labels = np.arange(len(items))
    return Scored(Part(name, items), np.eye(len(items)) * 5, labels)


def test_a_part_is_judged_with_calibration_before_and_after() -> None:
    (row,) = judge(scored_part("test crop", [f"{number:03d}.X" for number in range(1, 9)]), "cub_birds", 0.2)
    assert (row.count, row.top1.value, row.top5.value, row.mean_class) == (8, 1.0, 1.0, 1.0)
    assert row.ece < row.ece_raw


@pytest.mark.parametrize("part", ["test whole", "test whole, own text"])
def test_whole_birds_are_also_judged_by_group(part: str) -> None:
    rows = judge(scored_part(part, ["003.A", "050.B", "051.C"]), "cub_birds", 1.0)
    assert [(row.part, row.count) for row in rows] == [
        (part, 3),
        (f"{part}, classes 1-50", 2),
        (f"{part}, the other classes", 1),
    ]


def test_other_sets_have_no_groups() -> None:
    assert len(judge(scored_part("test whole", ["003.A", "051.C"]), "folder", 1.0)) == 1


def test_the_table_is_aligned_markdown_in_per_cent() -> None:
    rows = judge(scored_part("test crop", ["001.A", "002.B", "003.C"]), "cub_birds", 1.0)
    lines = markdown(rows).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert cells(rows[0])[:4] == ("test crop", "3", "100.00", "100.00 - 100.00")
    assert lines[1].startswith("| ---")


def test_a_manifest_gets_flat_metrics() -> None:
    found = metrics(judge(scored_part("test crop", ["001.A", "002.B"]), "folder", 1.0))
    assert found["test crop/top1"] == 1.0
    assert found["test crop/photos"] == 2.0
    assert {name.rpartition("/")[2] for name in found} >= {"top1_low", "top1_high", "top5", "mean_class", "ece"}
