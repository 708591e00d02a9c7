"""Cut-out subjects pasted into other photos: a test of small subjects in a scene, where no such photos were collected.

Owns which subject meets which scene, all from one seed, so that the same scenes are made again. The pasted subject keeps
the edge of its crop; the figures tell how much clutter and size cost, not how good a model is in the wild.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from models.evaluation.items import Item, Part
from models.preprocess import decode
from models.training import pasting
from models.training.data import SUFFIXES, DataError, Row
from models.training.pasting import encode


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
    """The subject inside the scene, as PNG; `draw` as for the pasting itself."""
    front, back = (decode(path.read_bytes()).pixels for path in (subject, scene))
    return encode(pasting.paste(front, back, draw))
