"""Words about birds from their own ticks, and two birds to a scene."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import cv2
import numpy as np
import pytest

from models.training.bird_expressions import PARTS, bird_expression, telling, ticks_of
from models.training.bird_scenes import read_whole_birds, side_by_side
from models.training.ticks import Attributes, read_attributes

COLOURS = ("red", "black", "olive", "grey")
ATTRIBUTES = Attributes(
    {
        group: tuple((len(COLOURS) * number + place, colour) for place, colour in enumerate(COLOURS))
        for number, group in enumerate(PARTS.values())
    },
    len(PARTS) * len(COLOURS),
)
WORD = re.compile(r"(red|black|olive|grey) (\w+)")


def states(rng: Random) -> str:
    return "".join(rng.choices("01?", (6, 2, 2), k=ATTRIBUTES.count))


def said(text: str) -> set[tuple[str, str]]:
    """(part, colour) of an expression, read from its words."""
    whose = re.fullmatch(r"(?:the )?bird whose (\w+) (?:is|are) (\w+)", text)
    return {(whose[1], whose[2])} if whose else {(part, colour) for colour, part in WORD.findall(text)}


def state(row: str, part: str, colour: str) -> str:
    """What a photo's row says of a part's colour."""
    return row[list(PARTS).index(part) * len(COLOURS) + COLOURS.index(colour)]


def test_all_that_is_said_was_ticked_for_the_photo() -> None:
    rng = Random(1)
    for _ in range(300):
        row = states(rng)
        text = bird_expression(row, ATTRIBUTES, rng)
        assert text is not None
        assert "bird" in text
        assert all(state(row, part, colour) == "1" for part, colour in said(text)), text


def test_beside_another_bird_the_words_are_not_true_of_it() -> None:
    rng = Random(2)
    count = 0
    for _ in range(300):
        one, other = states(rng), states(rng)
        text = bird_expression(one, ATTRIBUTES, rng, beside=other)
        if text is None:
            assert telling(one, other, ATTRIBUTES) == []
            continue
        count += 1
        assert all(state(one, part, colour) == "1" for part, colour in said(text)), text
        assert any(state(other, part, colour) == "0" for part, colour in said(text)), text
    assert count > 200


def test_like_birds_cannot_be_told_apart() -> None:
    row = states(Random(3))
    assert bird_expression(row, ATTRIBUTES, Random(1), beside=row) is None
    assert bird_expression(row, ATTRIBUTES, Random(1), beside=row.replace("0", "?").replace("1", "?")) is None


def test_a_bird_without_ticks_is_a_bird() -> None:
    assert ticks_of("0" * ATTRIBUTES.count, ATTRIBUTES) == []
    assert {bird_expression("0" * ATTRIBUTES.count, ATTRIBUTES, Random(seed)) for seed in range(9)} == {
        "bird",
        "the bird",
    }


def test_two_photos_become_one_scene_and_their_boxes_move_along() -> None:
    left, right = np.zeros((40, 60, 3), np.uint8), np.zeros((80, 80, 3), np.uint8)
    left[10:30, 15:45] = 255
    right[20:60, 40:80] = 255
    scene, boxes = side_by_side(left, right, ((0.25, 0.25, 0.75, 0.75), (0.5, 0.25, 1.0, 0.75)))
    assert scene.shape == (40, 100, 3)
    for x1, y1, x2, y2 in boxes:
        inner = scene[round(y1 * 40) : round(y2 * 40), round(x1 * 100) : round(x2 * 100)]
        assert inner.size
        assert (inner > 250).all()
    assert boxes[0][2] < boxes[1][0]


@pytest.mark.data
def test_the_whole_photos_have_boxes_and_ticks(data_folder: Path) -> None:
    root = data_folder / "cub_birds"
    photos = read_whole_birds(root)
    attributes = read_attributes(root / "attributes.csv")
    assert sum(photo.split != "test" for photo in photos) == 5994
    assert set(PARTS.values()) <= set(attributes.groups)
    rng = Random(5)
    train = [photo for photo in photos if photo.split == "train"]
    pairs = [rng.sample(train, 2) for _ in range(200)]
    texts = [bird_expression(one.states, attributes, rng, beside=other.states) for one, other in pairs]
    assert sum(text is not None for text in texts) > 150
    assert all(0 <= photo.box[0] < photo.box[2] <= 1 for photo in photos)
    assert cv2.imread(str(photos[0].path)) is not None
