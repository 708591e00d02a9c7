"""Questions that people asked about photos of rooms: DAQUAR, on photos of NYU-Depth V2.

Malinowski & Fritz, "A Multi-World Approach to Question Answering about Real-World Scenes based on Uncertain Input",
NIPS 2014. The split by photo is the official one; the fixed tenth of the training photos validates. Answers keep the
set's own words, joined by underscores.
"""

from __future__ import annotations

from pathlib import Path

from models.training.data import DataError, read_csv
from models.training.questions import Question, part_of

_FILES = {"train": "qa_train.csv", "test": "qa_test.csv"}
_SEPARATOR = ", "


def read_daquar(root: Path) -> list[Question]:
    """All questions in the order of the files, training first.

    Raises:
        DataError: a file is missing, or a row has no question or no answer.
    """
    return [_question(root, split, line) for split in _FILES for line in _lines(root, split)]


def _lines(root: Path, split: str) -> list[dict[str, str]]:
    return read_csv(root / _FILES[split], ("photo", "question", "answer"))


def _question(root: Path, split: str, line: dict[str, str]) -> Question:
    photo = line["photo"]
    answers = tuple(dict.fromkeys(item for item in line["answer"].split(_SEPARATOR) if item))
    if not line["question"].strip() or not answers:
        raise DataError(f"{_FILES[split]}: a row of {photo} lacks its question or its answer")
    path = root / "photos" / f"{photo}.webp"
    return Question(path, photo, part_of(split, photo), line["question"], answers, question_kind(line["question"]))


def question_kind(text: str) -> str:
    """What a question asks for, by its words: `count`, `colour`, `place` or `thing`."""
    words = text.lower().split()
    if len(words) > 1 and words[0] == "how" and words[1].startswith("m"):  # the set has "how man chairs", too
        return "count"
    if any(word.startswith(("color", "colour")) for word in words):
        return "colour"
    return "place" if words[:1] == ["where"] else "thing"
