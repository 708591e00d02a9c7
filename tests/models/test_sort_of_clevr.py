"""Drawn scenes and their questions: the known scene, a second solver, pictures, and the same bytes for a seed."""

from __future__ import annotations

import hashlib
import re
from collections import Counter

import numpy as np
import pytest

from models.training.sort_of_clevr import (
    COLOURS,
    PARTS,
    SUBTYPES,
    DrawnScene,
    Figure,
    ask,
    generate_scenes,
)

KNOWN = (
    Figure("red", "square", 10, 10),
    Figure("green", "circle", 60, 12),
    Figure("blue", "circle", 20, 40),
    Figure("orange", "square", 55, 55),
    Figure("grey", "circle", 12, 66),
    Figure("yellow", "square", 40, 30),
)


@pytest.fixture(scope="module")
def scenes() -> list[DrawnScene]:
    return list(generate_scenes(1000, seed=3))


def solve(question: str, scene: DrawnScene) -> str:
    """A second way to the answer, from the words of a question and complex positions."""
    place = {figure.colour: complex(figure.x, figure.y) for figure in scene.figures}
    shape = {figure.colour: figure.shape for figure in scene.figures}
    (colour,) = re.findall("|".join(place), question)
    others = [other for other in place if other != colour]
    by_distance = sorted(others, key=lambda other: abs(place[other] - place[colour]))
    if question.startswith("how many"):
        return str([shape[other] for other in others].count(shape[colour]))
    if "closest" in question:
        return shape[by_distance[0]]
    if "farthest" in question:
        return shape[by_distance[-1]]
    if "left" in question:
        return "yes" if place[colour].real * 2 < 75 else "no"
    if "top" in question:
        return "yes" if place[colour].imag * 2 < 75 else "no"
    assert question == f"what shape is the {colour} object ?"
    return shape[colour]


@pytest.mark.parametrize(
    ("colour", "answers"),
    [
        (
            "red",
            {"left": "yes", "top": "yes", "nearest": "circle", "farthest": "square", "count": "2", "shape": "square"},
        ),
        ("green", {"nearest": "square", "farthest": "circle", "left": "no", "count": "2"}),
        ("blue", {"top": "no", "nearest": "square", "farthest": "circle"}),
        ("yellow", {"left": "no", "top": "yes", "nearest": "circle", "farthest": "circle"}),
    ],
)
def test_known_answer_8(colour: str, answers: dict[str, str]) -> None:
    assert {subtype: ask(KNOWN, subtype, colour).answer for subtype in answers} == answers


def test_a_second_solver_agrees_on_a_thousand_scenes(scenes: list[DrawnScene]) -> None:
    for scene in scenes:
        for question in scene.questions:
            assert question.answer == solve(question.text, scene), (scene.figures, question)


def test_centres_keep_their_distance_and_no_distance_is_tied(scenes: list[DrawnScene]) -> None:
    for scene in scenes:
        assert [figure.colour for figure in scene.figures] == list(COLOURS)
        places = np.array([(figure.x, figure.y) for figure in scene.figures])
        assert places.min() >= 5
        assert places.max() <= 69
        squares = ((places[:, None] - places[None]) ** 2).sum(2)
        for row, own in zip(squares, range(6), strict=True):
            others = np.sort(np.delete(row, own))
            assert others[0] >= 100
            assert others[0] < others[1]
            assert others[-2] < others[-1]


def test_questions_are_ten_of_each_kind_and_use_all_answers(scenes: list[DrawnScene]) -> None:
    for scene in scenes:
        assert Counter(one.kind for one in scene.questions) == {"non-relational": 10, "relational": 10}
    asked = [one for scene in scenes for one in scene.questions]
    assert {one.answer for one in asked} == {"yes", "no", "square", "circle", "0", "1", "2", "3", "4", "5"}
    assert {one.subtype for one in asked} == {subtype for part in SUBTYPES.values() for subtype in part}
    assert all((one.subtype in SUBTYPES[one.kind]) for one in asked)


def test_no_subtype_has_an_answer_that_is_mostly_right(scenes: list[DrawnScene]) -> None:
    for subtypes in SUBTYPES.values():
        for subtype in subtypes:
            answers = Counter(one.answer for scene in scenes for one in scene.questions if one.subtype == subtype)
            most = answers.most_common(1)[0][1] / answers.total()
            assert most < (0.36 if subtype == "count" else 0.55), subtype


def test_the_picture_shows_the_figures() -> None:
    picture = DrawnScene(KNOWN, ()).draw()
    assert picture.shape == (75, 75, 3)
    assert picture.dtype == np.uint8
    for figure in KNOWN:
        area = (picture == COLOURS[figure.colour]).all(2)
        assert area.sum() == (121 if figure.shape == "square" else 81)
        rows, columns = area.nonzero()
        assert (rows.mean(), columns.mean()) == (figure.y, figure.x)
    assert (picture == 255).all(2).sum() == 75 * 75 - 3 * 121 - 3 * 81


def test_a_seed_gives_the_same_bytes_and_others_give_others() -> None:
    def digest(count: int, seed: int) -> str:
        found = hashlib.sha256()
        for scene in generate_scenes(count, seed):
            found.update(scene.draw().tobytes() + repr(scene.questions).encode())
        return found.hexdigest()

    assert digest(20, 1) == digest(20, 1)
    assert digest(20, 1) != digest(20, 2)
    assert list(generate_scenes(5, 1)) == list(generate_scenes(20, 1))[:5]


def test_parts_share_no_seed() -> None:
    assert {part: count for part, (count, _) in PARTS.items()} == {"train": 9000, "validation": 500, "test": 1000}
    assert len({seed for _, seed in PARTS.values()}) == 3
