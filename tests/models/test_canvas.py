"""The way of boxes into the model's square and back, the cells that show the photo, and stored orientations."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.canvas import from_canvas, mirrored, stored_box, to_canvas, visible_cells
from models.preprocess import ORIENTATIONS, letterbox

BOX = (100.0, 50.0, 300.0, 250.0)
CANVAS = (0.15625, 0.2442321, 0.46875, 0.5570980)


def test_known_answer_8_letterbox_of_a_box_and_back() -> None:
    place = letterbox(640, 427, 512)
    assert (place.width, place.height, place.left, place.top) == (512, 342, 0, 85)
    box = to_canvas(BOX, 640, 427, 512)
    assert box == pytest.approx(CANVAS, abs=1e-7)
    assert from_canvas(box, 640, 427, 512) == pytest.approx(BOX, abs=1e-9)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((333, 500), (149, 224, 37, 0)), ((500, 375), (224, 168, 0, 28)), ((5000, 40), (224, 2, 0, 111))],
)
def test_known_answer_8_other_shapes(size: tuple[int, int], expected: tuple[int, int, int, int]) -> None:
    place = letterbox(*size, 224)
    assert (place.width, place.height, place.left, place.top) == expected


def test_known_answer_8_cells_that_show_the_photo() -> None:
    rows = visible_cells(640, 427, 512, 16).reshape(32, 32)
    assert np.flatnonzero(rows[:, 0]).tolist() == list(range(5, 27))
    assert (rows == rows[:, :1]).all()
    columns = visible_cells(427, 640, 512, 16).reshape(32, 32)
    assert (columns == rows.T).all()


def test_known_answer_9_exif_6() -> None:
    assert stored_box((30.0, 40.0, 130.0, 240.0), 300, 400, 6) == (40.0, 170.0, 240.0, 270.0)


@pytest.mark.parametrize("orientation", sorted(ORIENTATIONS))
def test_a_stored_box_holds_the_pixels_that_the_upright_one_holds(orientation: int) -> None:
    transpose, flip = ORIENTATIONS[orientation]
    stored = np.zeros((7, 11), np.uint8)
    stored[1:3, 4:9] = 1
    upright = np.asarray(cv2.transpose(stored)) if transpose else stored
    if flip is not None:
        upright = np.asarray(cv2.flip(upright, flip))
    rows, columns = np.nonzero(upright)
    box = (float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1))
    assert stored_box(box, upright.shape[1], upright.shape[0], orientation) == (4.0, 1.0, 9.0, 3.0)


sides = st.integers(1, 4000)
shares = st.floats(0.0, 1.0)


@given(sides, sides, st.tuples(shares, shares, shares, shares), st.sampled_from([64, 320, 512]))
def test_a_box_survives_the_way_there_and_back(
    width: int, height: int, share: tuple[float, float, float, float], size_px: int
) -> None:
    (left, right), (top, bottom) = sorted((share[0], share[2])), sorted((share[1], share[3]))
    box = (left * width, top * height, right * width, bottom * height)
    canvas = to_canvas(box, width, height, size_px)
    assert all(-1e-9 <= side <= 1 + 1e-9 for side in canvas)
    assert from_canvas(canvas, width, height, size_px) == pytest.approx(box, abs=1e-6)
    assert visible_cells(width, height, size_px, 16).any()


def test_what_lies_on_a_bar_is_cut_off_last() -> None:
    assert from_canvas((-0.5, 0.0, 1.5, 1.0), 640, 427, 512) == (0.0, 0.0, 640.0, 427.0)


def test_known_answer_10_a_mirrored_box() -> None:
    left, top, right, bottom = mirrored(CANVAS)
    assert ((left + right) / 2, right - left) == pytest.approx((0.6875, 0.3125))
    assert (top, bottom) == CANVAS[1::2]
    assert mirrored(mirrored(CANVAS)) == pytest.approx(CANVAS)
