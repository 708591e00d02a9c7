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
from models.layers.boxes import distances
from models.training.grounding.learner import Learner
from models.training.grounding.lessons import Asked, Lessons
from models.training.self_paced import SelfPacedLoss

_AT_ONCE = 32
HIT_IOU = 0.5  # a hit covers more than that
_WEIGHT_SHARES = (0.5, 0.9, 0.99)


class Answers(NamedTuple):
    """To each expression the IoU with its target, 0 where it has none, logits of presence and quality [n, 2], L1 and GIoU [n, 2]."""

    iou: Floats
    conf: Floats
    lengths: Floats


@torch.inference_mode()
def answers_of(learner: Learner, lessons: Lessons, asked: Sequence[Asked]) -> Answers:
    """What a learner in evaluation mode answers."""
    iou: list[Floats] = []
    conf: list[Floats] = []
    lengths: list[Floats] = []
    for start in range(0, len(asked), _AT_ONCE):
        batch = lessons.batch(asked[start : start + _AT_ONCE])
        found = learner(batch)
        length, covered = distances(found.box, batch.truth)
        iou.append((covered * batch.present).double().numpy())
        conf.append(found.conf.double().numpy())
        lengths.append(length.double().numpy())
    return Answers(np.concatenate(iou), np.concatenate(conf), np.concatenate(lengths))


def validate(learner: Learner, lessons: Lessons) -> dict[str, float]:
    """Shares of hits, of all and with rivals or without, how well presence is told (AUROC), and `paces_of`."""
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
        **paces_of(learner.pacing, found.lengths[present]),
    }
    return {name: round(value, 4) for name, value in figures.items()}


@torch.inference_mode()
def paces_of(pacing: SelfPacedLoss, lengths: Floats) -> dict[str, float]:
    """Both sigmas, and quantiles of the weights d that they give distances [n, 2]; nothing where the loss is plain.

    A sigma at an end of its range learns no more, and weights at their cap tell hard samples apart no longer.
    """
    if not pacing.pacing.enabled or not len(lengths):
        return {}
    weights = pacing.weights(torch.from_numpy(lengths)).double().numpy()
    found: dict[str, float] = {}
    for place, name in enumerate(("l1", "giou")):
        found[f"sigma_{name}"] = pacing.sigma[place].item()
        found |= {f"d_{name}_{100 * one:.0f}": float(np.quantile(weights[:, place], one)) for one in _WEIGHT_SHARES}
    return found


def _mean(values: npt.NDArray[np.float64] | npt.NDArray[np.bool_]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
