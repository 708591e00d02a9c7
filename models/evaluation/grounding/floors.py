"""What needs no grounding model: the whole photo, one box for all, a thing of the named class by truth or by a detector.

A model that is not above these has learnt nothing. The one box is the best for the training photos; the detector is
YOLOX-Nano with its own classes of COCO, told the target's class rather than reading the words. Owns the floors alone; none
of them is served.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime

from models.evaluation.grounding.answers import iou_of
from models.evaluation.grounding.items import Item
from models.evaluation.grounding.test_set import SEED
from models.preprocess import decode
from models.training.data import Box, DataError
from models.training.voc import Scene, Thing

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
_SIZE_PX, _PAD = 416, 114
_STRIDES = (8, 16, 32)
_LEAST_SCORE = 0.2
#: VOC's classes by their place among COCO's.
_COCO = {
    "person": 0,
    "bicycle": 1,
    "car": 2,
    "motorbike": 3,
    "aeroplane": 4,
    "bus": 5,
    "train": 6,
    "boat": 8,
    "bird": 14,
    "cat": 15,
    "dog": 16,
    "horse": 17,
    "sheep": 18,
    "cow": 19,
    "bottle": 39,
    "chair": 56,
    "sofa": 57,
    "pottedplant": 58,
    "diningtable": 60,
    "tvmonitor": 62,
}
_MARGINS = tuple(np.linspace(0.0, 0.4, 9).tolist())


class Found(NamedTuple):
    """What a detector found of all classes: boxes f32 [n, 4] in 0..1 of the photo and scores f32 [n, 80]."""

    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]


def constant_box(scenes: Iterable[Scene]) -> Box:
    """Of the boxes on a grid, the one that covers the most things of training photos by more than half."""
    truths = np.array([thing.box for scene in scenes for thing in scene.things if not thing.is_difficult])
    grid = [(left, top, 1 - right, 1 - bottom) for left in _MARGINS for top in _MARGINS
            for right in _MARGINS for bottom in _MARGINS]  # fmt: skip
    return max(grid, key=lambda box: int((_covers(truths, box) > 0.5).sum()))


def _covers(truths: npt.NDArray[np.float64], box: Box) -> npt.NDArray[np.float64]:
    wide = np.minimum(truths[:, 2], box[2]) - np.maximum(truths[:, 0], box[0])
    high = np.minimum(truths[:, 3], box[3]) - np.maximum(truths[:, 1], box[1])
    shared = wide.clip(0) * high.clip(0)
    areas = (truths[:, 2] - truths[:, 0]) * (truths[:, 3] - truths[:, 1])
    return np.asarray(shared / (areas + (box[2] - box[0]) * (box[3] - box[1]) - shared))


class Detector:
    """YOLOX-Nano as published."""

    def __init__(self, path: Path) -> None:
        """Raises DataError where the file is none that ONNX Runtime takes."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors share no base class
            raise DataError(f"{path} cannot be read as a detector; name YOLOX-Nano's ONNX file") from error
        self._input = self._session.get_inputs()[0].name

    def __call__(self, photo: Path) -> Found:
        """Everything on one photo, before any threshold."""
        pixels = decode(photo.read_bytes()).pixels
        rows, columns = pixels.shape[:2]
        scale = _SIZE_PX / max(rows, columns)
        canvas = np.full((_SIZE_PX, _SIZE_PX, 3), _PAD, np.uint8)
        height, width = round(rows * scale), round(columns * scale)
        canvas[:height, :width] = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
        image = canvas[None, :, :, ::-1].transpose(0, 3, 1, 2).astype(np.float32)
        (raw,) = self._session.run(None, {self._input: np.ascontiguousarray(image)})
        return _decoded(np.asarray(raw[0], np.float32), width, height)


def _decoded(raw: npt.NDArray[np.float32], width: int, height: int) -> Found:
    """Rows [3549, 85] of offsets, sizes and chances, level by level."""
    cells: list[npt.NDArray[np.int64]] = []
    strides: list[npt.NDArray[np.int64]] = []
    for stride in _STRIDES:
        side = _SIZE_PX // stride
        rows, columns = np.divmod(np.arange(side * side), side)
        cells.append(np.stack([columns, rows], 1))
        strides.append(np.full((side * side, 1), stride))
    stride_of = np.concatenate(strides).astype(np.float32)
    centre = (raw[:, :2] + np.concatenate(cells)) * stride_of
    half = np.exp(raw[:, 2:4]) * stride_of / 2
    limits = np.array([width, height, width, height], np.float32)
    boxes = np.concatenate([centre - half, centre + half], 1) / limits
    return Found(boxes.clip(0.0, 1.0), raw[:, 4:5] * raw[:, 5:])


def largest_of(found: Found, name: str) -> Box:
    """The largest box of a class that is likely enough, else its likeliest box."""
    scores = found.scores[:, _COCO[name]]
    sure = np.flatnonzero(scores >= _LEAST_SCORE)
    if not len(sure):
        return _box(found.boxes[int(scores.argmax())])
    sides = found.boxes[sure, 2:] - found.boxes[sure, :2]
    return _box(found.boxes[sure[int(sides.prod(1).argmax())]])


def any_of_class_iou(items: Sequence[Item], scenes: Iterable[Scene]) -> npt.NDArray[np.float64]:
    """How well a thing of the target's class covers it, drawn from the true ones of the photo with a seed."""
    rng = Random(SEED)
    drawn = [rng.choice(things) for things in _of_class(items, scenes)]
    return np.array([iou_of(item.box, thing.box) for item, thing in zip(items, drawn, strict=True)])


def largest_of_class_iou(items: Sequence[Item], scenes: Iterable[Scene]) -> npt.NDArray[np.float64]:
    """How well the largest true thing of the target's class covers it: what the class alone tells, boxes given."""
    largest = [max(things, key=lambda thing: thing.area) for things in _of_class(items, scenes)]
    return np.array([iou_of(item.box, thing.box) for item, thing in zip(items, largest, strict=True)])


def _of_class(items: Sequence[Item], scenes: Iterable[Scene]) -> list[list[Thing]]:
    """For each item the true things of its class in its photo."""
    of_photo = {scene.path.stem: scene.things for scene in scenes}
    return [[thing for thing in of_photo[item.photo] if thing.name == item.name] for item in items]


def _box(sides: npt.NDArray[np.float32]) -> Box:
    left, top, right, bottom = sides.tolist()
    return left, top, right, bottom


def floor_iou(items: Sequence[Item], box: Box) -> npt.NDArray[np.float64]:
    """How well one box covers each item's target."""
    return np.array([iou_of(item.box, box) for item in items])


def detector_iou(items: Sequence[Item], detector: Detector) -> npt.NDArray[np.float64]:
    """How well the largest thing of the target's class covers it."""
    seen: dict[Path, Found] = {}
    covered = []
    for item in items:
        if item.path not in seen:
            seen = {item.path: detector(item.path)}  # items of one photo stand together
        covered.append(iou_of(item.box, largest_of(seen[item.path], item.name)))
    return np.array(covered)
