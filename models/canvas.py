"""Where a photo's boxes and cells lie in the square that a model sees, and where a found box lies in the photo.

Owns the way there and back for boxes; the way of the pixels is `models.preprocess`, whose letterbox this follows to the
pixel: the scale of a side is that of its rounded length, which differs from the photo's scale by up to half a pixel.
Boxes are (left, top, right, bottom), continuous, in pixels of the upright photo or in 0..1 of the square. Torch-free.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.preprocess import ORIENTATIONS, letterbox

Box = tuple[float, float, float, float]
Mask = npt.NDArray[np.float32]


def to_canvas(box: Box, width: int, height: int, size_px: int) -> Box:
    """A box in pixels of a photo of `width` x `height` -> in 0..1 of the square of `size_px`."""
    place = letterbox(width, height, size_px)
    across, down = place.width / width, place.height / height
    left, top, right, bottom = box
    return (
        (left * across + place.left) / size_px,
        (top * down + place.top) / size_px,
        (right * across + place.left) / size_px,
        (bottom * down + place.top) / size_px,
    )


def from_canvas(box: Box, width: int, height: int, size_px: int) -> Box:
    """The way back, clipped to the photo: what of a box lies on a bar is cut off, last of all."""
    place = letterbox(width, height, size_px)
    across, down = width / place.width, height / place.height
    left, top, right, bottom = (side * size_px for side in box)
    return (
        _between((left - place.left) * across, width),
        _between((top - place.top) * down, height),
        _between((right - place.left) * across, width),
        _between((bottom - place.top) * down, height),
    )


def visible_cells(width: int, height: int, size_px: int, cell_px: int) -> Mask:
    """1 for each cell that shows some of the photo, 0 for one that is all bar: f32 [cells], row by row."""
    place = letterbox(width, height, size_px)
    start = np.arange(size_px // cell_px) * cell_px
    rows = (start < place.top + place.height) & (start + cell_px > place.top)
    columns = (start < place.left + place.width) & (start + cell_px > place.left)
    return np.outer(rows, columns).astype(np.float32).reshape(-1)


def stored_box(box: Box, width: int, height: int, orientation: int) -> Box:
    """A box of the upright photo of `width` x `height` -> in the pixels as stored, for who draws without EXIF."""
    transpose, flip = ORIENTATIONS[orientation]
    left, top, right, bottom = box
    if flip in (1, -1):
        left, right = width - right, width - left
    if flip in (0, -1):
        top, bottom = height - bottom, height - top
    return (top, left, bottom, right) if transpose else (left, top, right, bottom)


def mirrored(box: Box) -> Box:
    """A box in 0..1 of a square or photo that is mirrored left to right."""
    left, top, right, bottom = box
    return 1.0 - right, top, 1.0 - left, bottom


def _between(value: float, limit: int) -> float:
    return min(max(value, 0.0), float(limit))
