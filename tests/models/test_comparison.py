"""Systems side by side: pairing by photo, the rules for what may be said, and the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.evaluation.comparison import Row, difference, read_rows, to_markdown, verdict
from models.evaluation.metrics import Interval
from models.training.data import DataError


def row(system: str, right: str, part: str = "test crop") -> Row:
    return Row(system, part, ({f"photo {number}": sign == "1" for number, sign in enumerate(right)},))


def test_a_difference_counts_only_photos_that_both_have() -> None:
    found = difference(row("a", "1111"), row("b", "10"))
    assert found.interval.mean == 0.5


def test_systems_that_err_on_the_same_photos_are_told_apart_by_few() -> None:
    right = "1" * 700 + "0" * 300
    better = "1" * 720 + "0" * 280
    found = difference(row("a", better), row("b", right)).interval
    assert found.mean == pytest.approx(0.02)
    assert 0.01 < found.low < 0.02 < found.high < 0.03


def test_no_common_photo_is_an_error() -> None:
    with pytest.raises(DataError, match="no common photo"):
        difference(Row("a", "test crop", ({"x": True},)), Row("b", "test crop", ({"y": True},)))


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
    assert verdict(Interval((low + high) / 2, low, high), p=0.01) == word


def test_what_may_be_chance_among_many_comparisons_is_not_called_better_or_worse() -> None:
    assert verdict(Interval(0.01, 0.001, 0.02), p=0.2) == "at least as good"
    assert verdict(Interval(-0.02, -0.03, -0.001), p=0.2) == "undecided"


def write_report(folder: Path, answers: str, figures: str = "{}") -> Path:
    folder.mkdir()
    (folder / "figures.json").write_text(figures)
    lines = ["part,photo,class_id,answered,probability"]
    lines += [f"{part},{place},a,{sign},0.5" for part in ("test crop",) for place, sign in enumerate(answers)]
    (folder / "answers.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_reports_of_one_name_are_runs_of_one_row(tmp_path: Path) -> None:
    reports = [("plain", write_report(tmp_path / "0", "ab")), ("plain", write_report(tmp_path / "1", "aa"))]
    (found,) = read_rows(reports, "folder")
    assert found == Row("plain", "test crop", ({"0": True, "1": False}, {"0": True, "1": True}))
    assert "| test crop | plain, 2 runs |      2 | 75.00 |" in to_markdown([found], "plain", "folder")


def test_what_the_runs_cost_stands_beside_their_rows_where_it_is_known(tmp_path: Path) -> None:
    costs = ('{"effort": {"steps": 100, "cpu_s": 600}}', '{"effort": {"steps": 200, "cpu_s": null}}', "{}")
    reports = [(str(place), write_report(tmp_path / str(place), "ab", cost)) for place, cost in enumerate(costs)]
    lines = to_markdown(read_rows(reports, "folder"), "0", "folder").splitlines()
    assert [[cell.strip() for cell in line.split("|")[-3:-1]] for line in lines[:1] + lines[2:]] == [
        ["steps", "CPU min"],
        ["100", "10"],
        ["200", ""],
        ["", ""],
    ]


def test_a_report_without_its_figures_is_refused(tmp_path: Path) -> None:
    (write_report(tmp_path / "0", "ab") / "figures.json").unlink()
    with pytest.raises(DataError, match=r"figures\.json cannot be read"):
        read_rows([("plain", tmp_path / "0")], "folder")


def test_seeds_on_other_photos_are_refused(tmp_path: Path) -> None:
    reports = [("plain", write_report(tmp_path / "0", "ab")), ("plain", write_report(tmp_path / "1", "a"))]
    with pytest.raises(DataError, match="different photos"):
        read_rows(reports, "folder")


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


def test_rows_of_a_group_are_paired_with_the_same_group(tmp_path: Path) -> None:
    for name, told, answered in (("plain", "", "bb"), ("pma", ", own text", "ab")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "figures.json").write_text("{}")
        classes = ("001.a", "150.b")
        lines = [
            f'"test whole{told}",{place},{one},{one if sign == "a" else "x"},0.5'
            for place, (one, sign) in enumerate(zip(classes, answered, strict=True))
        ]
        header = "part,photo,class_id,answered,probability"
        (tmp_path / name / "answers.csv").write_text("\n".join([header, *lines]) + "\n")
    rows = read_rows([(name, tmp_path / name) for name in ("plain", "pma")], "cub_birds")
    text = to_markdown(rows, "plain", "cub_birds")
    shown = {tuple(cell.strip() for cell in line.split("|")[1:4]) for line in text.splitlines() if "pma" in line}
    assert shown == {
        ("test whole, own text", "pma", "2"),
        ("test whole, own text, classes 1-50", "pma", "1"),
        ("test whole, own text, the other classes", "pma", "1"),
    }
    line = next(line for line in text.splitlines() if "own text, classes 1-50" in line)
    assert "+100.00" in line


def test_a_p_counts_the_systems_on_its_part_and_no_others() -> None:
    right = "1" * 700 + "0" * 300
    better = "1" * 712 + "0" * 288  # 12 of 12 that only one knows: p is 1/2048
    rows = [row("plain", right), row("a", better), row("b", right), row("c", right)]
    rows += [row(name, right, "test whole") for name in ("plain", "a", "b", "c")]
    lines = to_markdown(rows, "plain", "folder").splitlines()
    told = {tuple(cell.strip() for cell in (line.split("|")[1:3] + line.split("|")[-3:-1])) for line in lines[2:]}
    assert ("test crop", "a", f"{3 / 2048:.3f}", "better") in told
    assert ("test whole", "a", "1.000", "at least as good") in told
