"""What a grounding model answers to the items of a test, and how well each box covers its target.

Owns the asking, photo by photo, and the IoU in 0..1 of the upright photo. A grounder is a trained run in torch, or the engine
that serves its bundle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch

from models.calibration import Floats
from models.canvas import from_canvas, visible_cells
from models.evaluation.grounding.items import Item
from models.layers.boxes import corners
from models.layers.grains import CELL_PX
from models.preprocess import decode, fit_pixels
from models.training.data import Box
from models.training.grounding.lessons import Reader
from models.training.grounding.record import Trained
from models.training.views import to_tensor


class Located(NamedTuple):
    """A box in 0..1 of the photo for each expression, and the logits of presence and quality [n, 2].

    `entropy` [n] in nats is that of the cells' weights, which a graph keeps to itself and the head `cls` has not.
    """

    boxes: list[Box]
    conf: Floats
    entropy: Floats | None = None


class Grounder(Protocol):
    """Finds expressions in one photo."""

    def __call__(self, photo: Path, texts: Sequence[str]) -> Located:
        """Where each is."""


@dataclass(frozen=True, slots=True)
class Answered:
    """Items with what was answered: boxes, their IoU with the target (0 without one), logits [n, 2], entropy as in `Located`."""

    items: Sequence[Item]
    boxes: list[Box]
    iou: Floats
    conf: Floats
    entropy: Floats | None = None


def ask_all(items: Sequence[Item], grounder: Grounder, advance: Callable[[int], None]) -> Answered:
    """Put all items to a grounder, the expressions about one photo together; the answers have the items' order."""
    by_photo: dict[Path, list[int]] = {}
    for place, item in enumerate(items):
        by_photo.setdefault(item.path, []).append(place)
    boxes: list[Box] = [(0.0, 0.0, 0.0, 0.0)] * len(items)
    conf = np.zeros((len(items), 2))
    entropy = np.full(len(items), np.nan)
    for path, places in by_photo.items():
        found = grounder(path, [items[place].text for place in places])
        for place, box in zip(places, found.boxes, strict=True):
            boxes[place] = box
        conf[places] = found.conf
        if found.entropy is not None:
            entropy[places] = found.entropy
        advance(len(places))
    covered = [iou_of(item.box, box) for item, box in zip(items, boxes, strict=True)]
    return Answered(items, boxes, np.array(covered), conf, None if np.isnan(entropy).any() else entropy)


def iou_of(truth: Box | None, box: Box) -> float:
    """How far two boxes cover each other; 0 where there is no truth."""
    if truth is None:
        return 0.0
    wide = min(truth[2], box[2]) - max(truth[0], box[0])
    high = min(truth[3], box[3]) - max(truth[1], box[1])
    shared = max(0.0, wide) * max(0.0, high)
    areas = sum((right - left) * (bottom - top) for left, top, right, bottom in (truth, box))
    return shared / max(areas - shared, 1e-9)


class TorchGrounder:
    """A trained run as a grounder, on photos prepared as serving prepares them."""

    def __init__(self, trained: Trained) -> None:
        self._model = trained.model
        recipe = trained.record.recipe
        self._reader = Reader(trained.words, reads_text=recipe.reads_text)
        self._sees_photo = recipe.sees_photo
        self._size_px = recipe.size_px

    @torch.inference_mode()
    def __call__(self, photo: Path, texts: Sequence[str]) -> Located:
        """As `Grounder`."""
        seen = decode(photo.read_bytes(), self._size_px)
        size = seen.width, seen.height
        image = to_tensor([fit_pixels(seen.pixels, self._size_px, "letterbox", size)])
        mask = torch.from_numpy(visible_cells(*size, self._size_px, CELL_PX)).unsqueeze(0)
        features = self._model.vision(image) if self._sees_photo else self._model.vision.position.unsqueeze(0)
        tokens, token_mask = self._reader(texts)
        count = len(texts)
        found = self._model.fuse(features.expand(count, -1, -1), tokens, token_mask, mask.expand(count, -1))
        boxes = in_photo(corners(found.box).double().numpy(), *size, self._size_px)
        entropy = None if found.scores is None else torch.special.entr(found.scores.softmax(1)).sum(1).double().numpy()
        return Located(boxes, found.conf.double().numpy(), entropy)


def in_photo(boxes: Floats, width: int, height: int, size_px: int) -> list[Box]:
    """Corners [n, 4] in 0..1 of the square -> boxes in 0..1 of the photo."""
    found = []
    for left, top, right, bottom in boxes.tolist():
        box = from_canvas((left, top, right, bottom), width, height, size_px)
        found.append((box[0] / width, box[1] / height, box[2] / width, box[3] / height))
    return found
