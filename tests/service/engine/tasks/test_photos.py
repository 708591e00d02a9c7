"""The way back from a model's square to the photo."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.preprocess import letterbox
from models.sections import ImageInput
from service.answers import Box
from service.engine.tasks.photos import frame_of

Fit = Literal["crop", "squash", "letterbox"]


@pytest.mark.parametrize(
    ("fit", "width", "height", "box", "whole"),
    [
        ("squash", 400, 100, Box(100, 25, 200, 50), None),
        ("crop", 400, 100, Box(175, 25, 50, 50), Box(150, 0, 100, 100)),
        ("crop", 100, 400, Box(25, 175, 50, 50), Box(0, 150, 100, 100)),
        ("crop", 100, 100, Box(25, 25, 50, 50), None),
        ("letterbox", 400, 100, Box(100, 0, 200, 100), Box(0, -150, 400, 400)),
        ("letterbox", 100, 400, Box(0, 100, 100, 200), Box(-150, 0, 400, 400)),
    ],
)
def test_the_middle_of_the_square_is_the_middle_of_the_photo(
    fit: Fit, width: int, height: int, box: Box, whole: Box | None
) -> None:
    frame = frame_of(width, height, ImageInput(size_px=200, fit=fit))
    assert frame.place(0.25, 0.25, 0.5, 0.5) == box
    assert frame.whole() == whole


@given(
    st.sampled_from(["crop", "squash", "letterbox"]),
    st.integers(1, 3000),
    st.integers(1, 3000),
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
)
def test_a_box_never_leaves_the_photo(fit: Fit, width: int, height: int, corners: list[float]) -> None:
    left, right, top, bottom = *sorted(corners[:2]), *sorted(corners[2:])
    frame = frame_of(width, height, ImageInput(size_px=224, fit=fit))
    box = frame.place(left, top, right - left, bottom - top)
    assert box.x >= 0
    assert box.y >= 0
    assert box.width >= 0
    assert box.height >= 0
    assert box.x + box.width <= width + 0.1
    assert box.y + box.height <= height + 0.1


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(16, 512))
def test_what_a_letterbox_shows_of_a_photo_leads_back_to_all_of_it(width: int, height: int, size: int) -> None:
    place = letterbox(width, height, size)
    frame = frame_of(width, height, ImageInput(size_px=size, fit="letterbox"))
    shares = (value / size for value in (place.left, place.top, place.width, place.height))
    box = frame.place(*shares)
    assert (box.x, box.y, box.width, box.height) == pytest.approx((0, 0, width, height), abs=0.11)
