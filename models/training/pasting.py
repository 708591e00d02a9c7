"""A cut-out subject pasted into another photo: a small subject in a scene, where no such photos were collected.

Owns size and place. The subject keeps the edge of its crop, so a model could learn the edge: whoever trains on pasted
subjects pastes some of every class.
"""

from __future__ import annotations

import cv2
import numpy as np

from models.preprocess import Pixels

#: The subject's longer side as a share of the scene's shorter one.
SHARES = (0.35, 0.75)


def paste(front: Pixels, back: Pixels, draw: tuple[float, ...]) -> Pixels:
    """The subject inside a copy of the scene, uint8 RGB; `draw` are size, column and row, each in 0..1 of the possible."""
    size, across, down = draw
    side = (SHARES[0] + size * (SHARES[1] - SHARES[0])) * min(back.shape[:2])
    scale = side / max(front.shape[:2])
    height, width = (max(1, round(length * scale)) for length in front.shape[:2])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    top = round(down * (back.shape[0] - height))
    left = round(across * (back.shape[1] - width))
    scene = back.copy()
    scene[top : top + height, left : left + width] = cv2.resize(front, (width, height), interpolation=method)
    return scene


def encode(pixels: Pixels, suffix: str = ".png") -> bytes:
    """Encode upright RGB, `.png` without loss or `.webp` for the disk."""
    encoded, data = cv2.imencode(suffix, np.ascontiguousarray(pixels[:, :, ::-1]))
    if not encoded:
        raise RuntimeError(f"{pixels.shape[1]} x {pixels.shape[0]} pixels could not be encoded as {suffix}")
    return data.tobytes()
