"""Questions with their answers: the list that a model chooses from, and what it is taught."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.training.data import is_validation
from models.training.questions import Question, answer_list, answer_targets, part_of


def question(*answers: str, split: str = "train") -> Question:
    return Question(Path("a.webp"), "a", split, "what is there", answers, "thing")


def test_the_list_is_made_of_training_questions_the_most_frequent_first() -> None:
    asked = [question("table"), question("chair", "table"), question("bed", "bed"), question("lamp", split="test")]
    assert answer_list(asked) == ("table", "bed", "chair")
    assert answer_list(asked, minimum=2) == ("table",)


def test_right_answers_share_the_target_and_unknown_ones_teach_nothing() -> None:
    asked = [question("chair", "table"), question("bed", "lamp"), question("lamp"), question("bed", "bed")]
    targets = answer_targets(asked, ("table", "bed", "chair"))
    assert targets.tolist() == [[0.5, 0, 0.5], [0, 1, 0], [0, 0, 0], [0, 1, 0]]
    assert answer_targets([], ("table",)).shape == (0, 1)


@pytest.mark.parametrize("photo", [f"image{number}" for number in range(40)])
def test_the_part_of_a_training_photo_follows_from_its_name(photo: str) -> None:
    assert part_of("train", photo) == ("validation" if is_validation(photo) else "train")
    assert part_of("test", photo) == "test"
