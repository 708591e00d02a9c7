"""A part of a photo as a photo of its own."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from models.cutting import FINER, cut, widen
from models.preprocess import decode


def photo(width: int, height: int) -> bytes:
    """Red is a pixel's column, green its row, in shares of the whole."""
    across, down = np.linspace(0, 255, width), np.linspace(0, 255, height)
    pixels = np.stack([np.tile(across, (height, 1)), np.tile(down[:, None], (1, width)), np.zeros((height, width))], 2)
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("box", "part"),
    [
        ((100, 50, 200, 100), (90, 45, 210, 105)),
        ((0, 0, 400, 300), (0, 0, 400, 300)),
        ((399.9, 299.9, 400, 300), (399, 299, 400, 300)),
        ((400, 300, 400, 300), (399, 299, 400, 300)),
    ],
)
def test_a_box_is_widened_within_the_photo(
    box: tuple[float, float, float, float], part: tuple[int, int, int, int]
) -> None:
    assert widen(box, 400, 300) == part


def test_the_part_is_cut_where_it_lies() -> None:
    part = cut(decode(photo(400, 300), 64 * FINER), (100, 150, 200, 225), 64)
    assert (part.width, part.height) == (100, 75)
    assert part.pixels.shape == (75, 100, 3)
    assert part.pixels[0, 0, :2].tolist() == pytest.approx([255 * 100 / 399, 255 * 150 / 299], abs=2)
    assert part.pixels[-1, -1, :2].tolist() == pytest.approx([255 * 199 / 399, 255 * 224 / 299], abs=2)


def test_a_large_part_is_reduced_to_just_above_the_need() -> None:
    part = cut(decode(photo(1024, 1024), 32 * FINER), (0, 0, 512, 768), 32)
    assert (part.width, part.height) == (512, 768)
    assert part.pixels.shape[:2] == (48, 32)
    assert part.pixels[-1, -1, 0] == pytest.approx(127, abs=4)
