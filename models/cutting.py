"""A part of a photo as a photo of its own: what a classifier sees of a subject that was found in a larger scene.

The part is cut from the photo at a finer scale than the classifier needs, widened a little, and reduced as `models.preprocess`
reduces a whole photo, so that a subject in a scene looks to the classifier like a photo of it. Torch-free.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from models.canvas import Box
from models.preprocess import Photo, Pixels

#: How much finer than needed the photo is decoded: a subject of a quarter of its side still has all pixels it needs.
FINER = 4
#: A found box is rarely exact: so much of its sides is added at each edge.
MARGIN = 0.1


def widen(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """A box of a photo of `width` x `height` with its margin, in whole pixels, at least one of them a side."""
    left, top, right, bottom = box
    across, down = MARGIN * (right - left), MARGIN * (bottom - top)
    x, y = _within(math.floor(left - across), width - 1), _within(math.floor(top - down), height - 1)
    return x, y, max(x + 1, min(width, math.ceil(right + across))), max(y + 1, min(height, math.ceil(bottom + down)))


def cut(photo: Photo, part: tuple[int, int, int, int], need_px: int) -> Photo:
    """Cut a part out of a photo, given as left, top, right, bottom in pixels of the upright photo.

    The photo should be decoded to `FINER` times the need. The result's size is the part's; its pixels are reduced to just
    above `need_px` where there are more.
    """
    rows, columns = photo.pixels.shape[:2]
    across, down = columns / photo.width, rows / photo.height
    left, top = _within(int(part[0] * across), columns - 1), _within(int(part[1] * down), rows - 1)
    right, bottom = max(left + 1, round(part[2] * across)), max(top + 1, round(part[3] * down))
    pixels = _reduced(photo.pixels[top:bottom, left:right], need_px)
    return Photo(pixels, part[2] - part[0], part[3] - part[1])


def _reduced(pixels: Pixels, need_px: int) -> Pixels:
    """Halve the sides as long as both stay above the need."""
    spare = min(pixels.shape[:2]) // need_px
    if spare < 2:
        return np.ascontiguousarray(pixels)
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).reduce(1 << (spare.bit_length() - 1)))


def _within(value: int, limit: int) -> int:
    return min(max(value, 0), limit)
