"""The reader of questions about rooms: splits, answers of several items, kinds, and what is wrong with a file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from models.training.daquar import question_kind, read_daquar
from models.training.data import DataError
from models.training.questions import answer_list

HEADER = "photo,question,answer\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rows = [f'image{number},what is on the desk,"book, garbage_bin"\n' for number in range(1, 41)]
    (tmp_path / "qa_train.csv").write_text(HEADER + "".join(rows))
    (tmp_path / "qa_test.csv").write_text(HEADER + "image50,how many chairs are there,2\n")
    return tmp_path


def test_questions_keep_photo_words_and_every_item_of_the_answer(root: Path) -> None:
    asked = read_daquar(root)
    assert len(asked) == 41
    assert asked[0].path == root / "photos" / "image1.webp"
    assert asked[0].text == "what is on the desk"
    assert asked[0].answers == ("book", "garbage_bin")
    assert (asked[-1].split, asked[-1].answers, asked[-1].kind) == ("test", ("2",), "count")


def test_a_fixed_part_of_the_training_photos_validates(root: Path) -> None:
    counts = Counter(one.split for one in read_daquar(root))
    assert set(counts) == {"train", "validation", "test"}
    assert counts["validation"] < counts["train"]
    assert read_daquar(root) == read_daquar(root)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("how many chairs are there", "count"),
        ("how man chairs are on the left", "count"),
        ("how much paper is there", "count"),
        ("what is the colour of the sofa", "colour"),
        ("what color is the wall", "colour"),
        ("where is the lamp", "place"),
        ("what is on the desk", "thing"),
        ("how", "thing"),
    ],
)
def test_the_words_tell_what_is_asked_for(text: str, kind: str) -> None:
    assert question_kind(text) == kind


@pytest.mark.parametrize("row", ["image1,,desk\n", "image1,what is there,\n", 'image1,what is there,", "\n'])
def test_a_row_without_question_or_answer_is_named(root: Path, row: str) -> None:
    (root / "qa_test.csv").write_text(HEADER + row)
    with pytest.raises(DataError, match=r"qa_test\.csv: a row of image1 lacks"):
        read_daquar(root)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"qa_train\.csv does not exist"):
        read_daquar(tmp_path)


@pytest.mark.data
def test_the_set_is_as_its_notes_say(data_folder: Path) -> None:
    asked = read_daquar(data_folder / "daquar")
    test = [one for one in asked if one.split == "test"]
    training = [one for one in asked if one.split != "test"]
    assert (len(training), len(test)) == (6795, 5673)
    assert len({one.photo for one in training}) == 794
    assert not {one.photo for one in training} & {one.photo for one in test}
    assert {one.photo for one in asked if one.split == "train"}.isdisjoint(
        one.photo for one in asked if one.split == "validation"
    )
    assert sum(len(one.answers) == 1 for one in test) == 5081  # five name one thing twice
    known = set(answer_list(asked))
    assert sum(set(one.answers) <= known for one in test) / len(test) > 0.85
    assert all(one.path.is_file() for one in asked[::100])
