"""Questions about scenes are true by the boxes, settled by them, and do not give their answers away."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from pathlib import Path
from random import Random

import pytest

from models.training.questions import Question
from models.training.scene_questions import NAMES, scene_questions
from models.training.voc import read_voc
from tests.models.question_truth import CLASSES, Doubtful, Row, scene_answer

COLUMNS = ("photo", "split", "class", "x1", "y1", "x2", "y2", "difficult", "width", "height")
FEW = ("person", "dog", "aeroplane", "tvmonitor", "bus")


def write_boxes(root: Path, photos: int = 300) -> None:
    """A table of random boxes of a few classes, some of them difficult."""
    rng = Random(5)
    with (root / "boxes.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number in range(photos):
            for _ in range(rng.choice((1, 2, 2, 3, 6, 14))):
                left, top = rng.uniform(0, 150), rng.uniform(0, 150)
                box = (left, top, left + rng.uniform(5, 50), top + rng.uniform(5, 50))
                split = "test" if number % 4 == 0 else "train"
                is_difficult = int(rng.random() < 0.2)
                writer.writerow((f"{number:06}", split, rng.choice(FEW), *box, is_difficult, 200, 200))


def rows_by_photo(root: Path) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    with (root / "boxes.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            found[row["photo"]].append(row)
    return found


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voc")
    write_boxes(folder)
    return folder


@pytest.fixture(scope="module")
def asked(root: Path) -> list[Question]:
    return scene_questions(read_voc(root), seed=7)


def check_truth(asked: list[Question], boxes: dict[str, list[Row]]) -> None:
    """Every answer is the one that the rows give, and none is in doubt."""
    for one in asked:
        (answer,) = one.answers
        try:
            found = scene_answer(one.text, boxes[one.photo])
        except Doubtful:
            pytest.fail(f"{one.photo}: the boxes do not settle {one.text!r}")
        assert CLASSES.get(answer, answer) == found, (one, boxes[one.photo])


def check_balance(asked: list[Question]) -> None:
    """What is asked does not tell the answer."""
    answers = Counter((one.split, one.answers[0]) for one in asked if one.kind == "presence")
    for part in {one.split for one in asked}:
        assert answers[part, "yes"] == answers[part, "no"] > 0
    counts = Counter(int(one.answers[0]) for one in asked if one.kind == "count")
    assert 0 < counts[1] <= sum(count for number, count in counts.items() if number > 1)
    assert 0 < counts[0] < counts[1]
    assert max(counts) <= 9
    sides = Counter(one.answers[0] for one in asked if one.kind == "side")
    assert 0.35 < sides["yes"] / sides.total() < 0.65


def test_every_answer_is_true_by_the_boxes(asked: list[Question], root: Path) -> None:
    check_truth(asked, rows_by_photo(root))


def test_the_checker_finds_an_untrue_answer(asked: list[Question], root: Path) -> None:
    other = {"yes": "no", "no": "yes"}
    boxes = rows_by_photo(root)
    for kind in ("presence", "side"):
        one = next(one for one in asked if one.kind == kind)
        assert scene_answer(one.text, boxes[one.photo]) != other[one.answers[0]]


def test_all_kinds_are_asked_in_all_parts_and_nothing_is_given_away(asked: list[Question]) -> None:
    assert {one.kind for one in asked} == {"presence", "count", "side", "neighbour"}
    assert {one.split for one in asked} == {"train", "validation", "test"}
    check_balance(asked)


def test_a_question_knows_where_the_things_are_that_it_is_about(asked: list[Question], root: Path) -> None:
    boxes = rows_by_photo(root)
    for one in asked:
        words = f" {one.text} {one.answers[0]} ".replace("?", " ")
        named = {CLASSES[word] for word in CLASSES if f" {word} " in words}
        rows = (row for row in boxes[one.photo] if row["class"] in named)
        assert sorted(one.where) == sorted(
            tuple(float(row[side]) / 200 for side in ("x1", "y1", "x2", "y2")) for row in rows
        )
        assert bool(one.where) == (one.kind in {"side", "neighbour"} or one.answers[0] not in {"no", "0"})


def test_each_class_is_asked_for_as_often_where_it_is_as_where_it_is_not(asked: list[Question]) -> None:
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for one in asked:
        if one.kind == "presence":
            (name,) = {CLASSES[word] for word in CLASSES if f" {word} " in one.text.replace("?", " ")}
            answers[name][one.answers[0]] += 1
    assert set(answers) == set(FEW)
    for name, counts in answers.items():
        assert counts["yes"] == counts["no"], name


def test_all_questions_of_a_photo_fall_on_one_side_of_the_split(asked: list[Question]) -> None:
    parts: dict[str, set[str]] = defaultdict(set)
    for one in asked:
        parts[one.photo].add(one.split)
    assert all(len(splits) == 1 for splits in parts.values())


def test_a_seed_gives_the_same_questions_and_another_gives_others(asked: list[Question], root: Path) -> None:
    assert scene_questions(read_voc(root), seed=7) == asked
    assert scene_questions(read_voc(root), seed=8) != asked


def test_all_names_mean_their_class() -> None:
    for name, words in NAMES.items():
        for singular, plural in words:
            assert CLASSES[singular] == CLASSES[plural] == name


@pytest.mark.data
def test_questions_about_the_real_scenes_are_true(data_folder: Path) -> None:
    asked = scene_questions(read_voc(data_folder / "voc"), seed=1)
    check_truth(asked, rows_by_photo(data_folder / "voc"))
    check_balance(asked)
    boxes = rows_by_photo(data_folder / "voc")
    assert set(NAMES) == {row["class"] for rows in boxes.values() for row in rows}
