"""How good a grounding model is on held-out pictures of a pool, in a few figures: what a run is steered by.

Owns the answers to a list of expressions and the figures of an epoch; the test and its table are `models.evaluation`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from models.calibration import Floats
from models.calibration.unknowns import auroc
from models.layers.boxes import corners, overlap
from models.training.grounding.learner import Learner
from models.training.grounding.lessons import Asked, Lessons

_AT_ONCE = 32
HIT_IOU = 0.5  # a hit covers more than that


class Answers(NamedTuple):
    """To each expression the IoU with its target, 0 where it has none, and the logits of presence and quality [n, 2]."""

    iou: Floats
    conf: Floats


@torch.inference_mode()
def answers_of(learner: Learner, lessons: Lessons, asked: Sequence[Asked]) -> Answers:
    """What a learner in evaluation mode answers."""
    iou: list[Floats] = []
    conf: list[Floats] = []
    for start in range(0, len(asked), _AT_ONCE):
        batch = lessons.batch(asked[start : start + _AT_ONCE])
        found = learner(batch)
        iou.append((overlap(corners(found.box), corners(batch.truth)).iou * batch.present).double().numpy())
        conf.append(found.conf.double().numpy())
    return Answers(np.concatenate(iou), np.concatenate(conf))


def validate(learner: Learner, lessons: Lessons) -> dict[str, float]:
    """Shares of hits, of all and with rivals or without, and how well presence is told (AUROC)."""
    asked = lessons.all()
    found = answers_of(learner, lessons, asked)
    present = np.array([one.said.box is not None for one in asked])
    has_rivals = np.array([one.said.rivals > 0 for one in asked])
    hits = found.iou > HIT_IOU
    figures = {
        "all": _mean(hits[present]),
        "alone": _mean(hits[present & ~has_rivals]),
        "rivals": _mean(hits[present & has_rivals]),
        "iou": _mean(found.iou[present]),
        "presence": auroc(found.conf[present, 0], found.conf[~present, 0]) if 0 < present.sum() < len(present) else 0.5,
    }
    return {name: round(value, 4) for name, value in figures.items()}


def _mean(values: npt.NDArray[np.float64] | npt.NDArray[np.bool_]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
