"""The clear colour of a thing in a photo, or none: what an expression may say of it.

The middle of a box is looked at, since its edge shows the background. Pixels are named one by one, from hue where they have
one and from lightness where they have none, and a name is given only if it holds twice as many pixels as the next.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from models.preprocess import Pixels
from models.training.claims import Layout
from models.training.data import Box
from models.training.voc import Thing

#: How many times as many pixels as the next colour.
CLEAR_RATIO = 2.0
_INNER = 0.7  # of a box's sides
_LEAST_PIXELS = 64
_DARK, _PALE = 60, 55  # value below which a pixel is black; saturation below which it has no hue; both of 255
_LIGHT = 190  # value from which a pixel without hue is white, below it grey
_BROWN_LIMIT = 150  # value below which orange is called brown
#: Hues of OpenCV, 0..179, up to which each name goes; red goes around.
_HUES = ((8, "red"), (20, "orange"), (34, "yellow"), (85, "green"), (130, "blue"), (150, "purple"), (170, "pink"))
NAMES = ("black", "white", "gray", "brown", *(name for _, name in _HUES))


def coloured_layout(things: Sequence[Thing], pixels: Pixels) -> Layout:
    """A photo's things with their clear colours."""
    return Layout(tuple(things), tuple(clear_colour(pixels, thing.box) for thing in things))


def clear_colour(pixels: Pixels, box: Box) -> str | None:
    """The colour of what lies in a box (0..1 of the photo) of upright RGB [rows, columns, 3]; None where none is clear."""
    rows, columns = pixels.shape[:2]
    left, top, right, bottom = box
    across, down = (right - left) * (1 - _INNER) / 2, (bottom - top) * (1 - _INNER) / 2
    inner = pixels[
        round((top + down) * rows) : round((bottom - down) * rows),
        round((left + across) * columns) : round((right - across) * columns),
    ]
    if inner.shape[0] * inner.shape[1] < _LEAST_PIXELS:
        return None
    counts = np.bincount(_named(inner).reshape(-1), minlength=len(NAMES))
    first, second = np.argsort(counts)[::-1][:2]
    return NAMES[int(first)] if counts[first] >= CLEAR_RATIO * max(1, int(counts[second])) else None


def _named(pixels: Pixels) -> npt.NDArray[np.int64]:
    """The index of each pixel's name."""
    converted = np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2HSV))
    hue, saturation, value = np.moveaxis(converted, 2, 0)
    names = np.full(hue.shape, NAMES.index("red"), np.int64)
    for limit, name in reversed(_HUES):
        names[hue <= limit] = NAMES.index(name)
    names[(names == NAMES.index("orange")) & (value < _BROWN_LIMIT)] = NAMES.index("brown")
    is_pale = saturation < _PALE
    names[is_pale] = NAMES.index("gray")
    names[is_pale & (value >= _LIGHT)] = NAMES.index("white")
    names[value < _DARK] = NAMES.index("black")
    return names
