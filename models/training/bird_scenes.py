"""Whole photos of birds with their boxes and ticks, alone or two to a scene so that words must choose.

Owns the reader of the whole photos of CUB-200-2011 and the joining of two photos; the words are `bird_expressions`' part.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from models.preprocess import Pixels
from models.training.data import Box, DataError, read_dataset
from models.training.ticks import read_states


@dataclass(frozen=True, slots=True)
class BirdPhoto:
    """A whole photo: its split, the box of its bird in 0..1 and the states of its attributes."""

    path: Path
    photo: str
    split: str
    box: Box
    states: str


def read_whole_birds(root: Path) -> list[BirdPhoto]:
    """The whole photos of a folder of CUB-200-2011, the validation part set aside, in the order of its index.

    Raises:
        DataError: a photo has no box or no states, or a table is not as it should be.
    """
    states = read_states(root / "image_attributes.csv.gz")
    found = []
    for row in read_dataset("cub_birds", root).rows:
        if row.framing != "whole":
            continue
        if row.subject is None or row.photo not in states:
            raise DataError(f"{row.path}: photo {row.photo} has no {'box' if row.subject is None else 'states'}")
        found.append(BirdPhoto(row.path, row.photo, row.split, row.subject, states[row.photo]))
    return found


def side_by_side(left: Pixels, right: Pixels, boxes: tuple[Box, Box]) -> tuple[Pixels, tuple[Box, Box]]:
    """Two upright photos, uint8 RGB, as one scene of the height of the lower, and their boxes in 0..1 of it."""
    height = min(left.shape[0], right.shape[0])
    scaled = [_to_height(pixels, height) for pixels in (left, right)]
    share = scaled[0].shape[1] / (scaled[0].shape[1] + scaled[1].shape[1])
    (l1, t1, r1, b1), (l2, t2, r2, b2) = boxes
    moved = (l1 * share, t1, r1 * share, b1), (share + l2 * (1 - share), t2, share + r2 * (1 - share), b2)
    return np.concatenate(scaled, axis=1), moved


def _to_height(pixels: Pixels, height: int) -> Pixels:
    width = max(1, round(pixels.shape[1] * height / pixels.shape[0]))
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
