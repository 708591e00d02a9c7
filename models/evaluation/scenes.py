"""Cut-out subjects pasted into other photos: a test of small subjects in a scene, where no such photos were collected.

Owns size, place and draw of the pasting, all from one seed, so that the same scenes are made again. The pasted subject
keeps the edge of its crop; the figures tell how much clutter and size cost, not how good a model is in the wild.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from models.evaluation.items import Item, Part
from models.preprocess import decode
from models.training.data import SUFFIXES, DataError, Row

#: The subject's longer side as a share of the scene's shorter one.
SHARES = (0.35, 0.75)


def scene_part(rows: Sequence[Row], scenes: Path, seed: int = 0) -> Part:
    """Each row's photo pasted into one of the photos of a folder, encoded as PNG.

    Raises:
        DataError: the folder holds no photos.
    """
    backgrounds = sorted(path for path in scenes.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not backgrounds:
        raise DataError(f"{scenes} holds no photos to paste into")
    rng = np.random.default_rng(seed)
    items = []
    for row in rows:
        background = backgrounds[int(rng.integers(len(backgrounds)))]
        draw = tuple(float(value) for value in rng.random(3))
        items.append(Item(partial(paste, row.path, background, draw), row.class_id, row.photo))
    return Part("test crops pasted into scenes", tuple(items))


def paste(subject: Path, scene: Path, draw: tuple[float, ...]) -> bytes:
    """The subject inside the scene, as PNG; `draw` are size, column and row, each in 0..1 of what is possible."""
    front = decode(subject.read_bytes()).pixels
    back = decode(scene.read_bytes()).pixels.copy()
    size, across, down = draw
    side = (SHARES[0] + size * (SHARES[1] - SHARES[0])) * min(back.shape[:2])
    scale = side / max(front.shape[:2])
    height, width = (max(1, round(length * scale)) for length in front.shape[:2])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    top = round(down * (back.shape[0] - height))
    left = round(across * (back.shape[1] - width))
    back[top : top + height, left : left + width] = cv2.resize(front, (width, height), interpolation=method)
    encoded, png = cv2.imencode(".png", back[:, :, ::-1])
    if not encoded:
        raise RuntimeError(f"{scene.name} could not be encoded")
    return png.tobytes()
