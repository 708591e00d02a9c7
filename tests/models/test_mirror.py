"""Left and right change places in whole words only."""

from __future__ import annotations

import pytest

from models.text.mirror import can_mirror, mirror_words


@pytest.mark.parametrize(
    ("expression", "mirrored"),
    [
        ("Leftmost chair, not the RIGHT one", "Rightmost chair, not the LEFT one"),
        ("man second from right holding a bright red cup", "man second from left holding a bright red cup"),
        ("upright piano", "upright piano"),
        ("left-hand dog", "right-hand dog"),
        ("the righthand bird, rightward of it", "the lefthand bird, leftward of it"),
        ("turned clockwise", "turned counterclockwise"),
        ("", ""),
        ("椅子 left", "椅子 right"),
    ],
)
def test_known_answer_10_words_swap_and_swap_back(expression: str, mirrored: str) -> None:
    assert mirror_words(expression) == mirrored
    assert mirror_words(mirrored) == expression


@pytest.mark.parametrize(
    ("expression", "is_safe"),
    [
        ("the dog on the left", True),
        ("what is left on the table", False),
        ("the one that is left?", False),
        ("", True),
    ],
)
def test_questions_are_not_mirrored(expression: str, is_safe: bool) -> None:
    assert can_mirror(expression) is is_safe
