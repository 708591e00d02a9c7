"""The clear colour of what lies in a box."""

from __future__ import annotations

import numpy as np
import pytest

from models.training.colours import NAMES, clear_colour, coloured_layout
from models.training.voc import Thing

WHOLE = (0.0, 0.0, 1.0, 1.0)


def plain(*colour: int) -> np.ndarray:
    return np.full((40, 60, 3), colour, np.uint8)


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ((200, 20, 20), "red"),
        ((220, 20, 60), "red"),
        ((240, 140, 20), "orange"),
        ((120, 70, 20), "brown"),
        ((240, 230, 30), "yellow"),
        ((30, 160, 40), "green"),
        ((30, 60, 200), "blue"),
        ((20, 20, 25), "black"),
        ((245, 245, 240), "white"),
        ((128, 128, 128), "gray"),
        ((240, 90, 190), "pink"),
        ((130, 40, 200), "purple"),
    ],
)
def test_plain_colours_have_their_names(colour: tuple[int, int, int], name: str) -> None:
    assert clear_colour(plain(*colour), WHOLE) == name
    assert name in NAMES


def test_two_colours_of_like_share_are_none() -> None:
    pixels = plain(200, 20, 20)
    pixels[:, 32:] = (30, 60, 200)
    assert clear_colour(pixels, WHOLE) is None
    assert clear_colour(pixels, (0.0, 0.0, 0.5, 1.0)) == "red"


def test_the_edge_of_a_box_is_not_looked_at() -> None:
    pixels = plain(30, 160, 40)
    pixels[8:32, 12:48] = (245, 245, 245)
    assert clear_colour(pixels, WHOLE) == "white"


def test_a_tiny_thing_has_no_clear_colour() -> None:
    assert clear_colour(plain(200, 20, 20), (0.5, 0.5, 0.6, 0.6)) is None


def test_a_layout_has_a_colour_for_each_thing() -> None:
    pixels = plain(200, 20, 20)
    pixels[:, 30:] = (30, 60, 200)
    things = [Thing("car", (0.0, 0.0, 0.5, 1.0), False), Thing("car", (0.5, 0.0, 1.0, 1.0), False)]
    assert coloured_layout(things, pixels).colours == ("red", "blue")
