"""Systems side by side: pairing by photo, the rules for what may be said, and the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.evaluation.comparison import Row, difference, read_rows, to_markdown, verdict
from models.evaluation.metrics import Interval
from models.training.data import DataError


def row(system: str, right: str, part: str = "test crop") -> Row:
    return Row(system, part, {f"photo {number}": float(sign) for number, sign in enumerate(right)})


def test_a_difference_counts_only_photos_that_both_have() -> None:
    found = difference(row("a", "1111"), row("b", "10"))
    assert found.mean == 0.5


def test_systems_that_err_on_the_same_photos_are_told_apart_by_few() -> None:
    right = "1" * 700 + "0" * 300
    better = "1" * 720 + "0" * 280
    found = difference(row("a", better), row("b", right))
    assert found.mean == pytest.approx(0.02)
    assert 0.01 < found.low < 0.02 < found.high < 0.03


def test_no_common_photo_is_an_error() -> None:
    with pytest.raises(DataError, match="no common photo"):
        difference(Row("a", "test crop", {"x": 1.0}), Row("b", "test crop", {"y": 1.0}))


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.001, 0.02, "better"),
        (-0.014, 0.02, "at least as good"),
        (-0.016, 0.02, "undecided"),
        (-0.014, -0.001, "worse, within the margin"),
        (-0.03, -0.01, "worse"),
    ],
)
def test_the_rules_say_what_an_interval_allows(low: float, high: float, word: str) -> None:
    assert verdict(Interval((low + high) / 2, low, high)) == word


def write_report(folder: Path, answers: str) -> Path:
    folder.mkdir()
    lines = ["part,photo,class_id,answered,probability"]
    lines += [f"{part},{place},a,{sign},0.5" for part in ("test crop",) for place, sign in enumerate(answers)]
    (folder / "answers.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_reports_of_one_name_are_seeds_and_are_averaged(tmp_path: Path) -> None:
    reports = [("plain", write_report(tmp_path / "0", "ab")), ("plain", write_report(tmp_path / "1", "aa"))]
    (found,) = read_rows(reports)
    assert found == Row("plain", "test crop", {"0": 1.0, "1": 0.5})


def test_seeds_on_other_photos_are_refused(tmp_path: Path) -> None:
    reports = [("plain", write_report(tmp_path / "0", "ab")), ("plain", write_report(tmp_path / "1", "a"))]
    with pytest.raises(DataError, match="different photos"):
        read_rows(reports)


def test_rows_with_a_text_are_paired_with_the_reference_without() -> None:
    rows = [
        row("plain", "1" * 80 + "0" * 20),
        row("pma", "1" * 95 + "0" * 5, "test crop, own text"),
        row("pma", "1" * 9 + "0", "test whole, own text"),
    ]
    text = to_markdown(rows, "plain", "cub_birds")
    assert "against plain" in text
    line = next(line for line in text.splitlines() if "test crop, own text" in line)
    assert "+15.00" in line
    assert "better" in line
    assert "90.00" in next(line for line in text.splitlines() if "test whole" in line)
    assert "88.7 (ResNet-50)" in text


def test_a_reference_that_is_not_there_is_named() -> None:
    with pytest.raises(DataError, match="'vit'; there are plain"):
        to_markdown([row("plain", "1")], "vit", "cub_birds")
