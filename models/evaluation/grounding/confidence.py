"""What a grounding model's confidences are worth: whether they are as often right as they say, and what refusing by them gains.

Owns the calibration error of presence and of quality before and after their temperatures, the answers at the threshold below
which a thing is refused, and which signs tell a hit from a miss. Quality foretells a share, so its error is the distance from
the mean IoU of a bin. How often presence alone puts things in the right order (AUROC) stands in `table`.

Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from models.calibration import ECE_BINS, Auroc, Floats, auroc_interval, ece
from models.evaluation.grounding.answers import Answered
from models.evaluation.grounding.senses import Sense
from models.evaluation.grounding.senses import to_markdown as lines_of
from models.evaluation.grounding.table import HIT_IOU, Bools
from models.evaluation.metrics import bootstrap
from models.sections import Calibration

#: Where nothing was fitted: what is likelier than not is called there.
EVEN = 0.5


@dataclass(frozen=True, slots=True)
class Miscalibration:
    """The ECE of one confidence on `count` answers as the model gives it, and after its temperature where it has one."""

    name: str
    raw: float
    calibrated: float | None
    count: int


@dataclass(frozen=True, slots=True)
class Sign:
    """How well something tells hits from misses, of so many each."""

    name: str
    auroc: Auroc
    hits: int
    misses: int


def errors_of(answered: Answered, fitted: Calibration | None) -> list[Miscalibration]:
    """The errors of presence, on the test and on what means nothing, and of quality, on the test.

    `fitted` are the temperatures that the logits of `answered` were divided by; None: they are as the model gives them.
    """
    there, absent = _there(answered), _absent(answered)
    raw = answered.conf if fitted is None else answered.conf * (fitted.temperature, fitted.quality_temperature or 1.0)
    found = []
    for place, (name, chosen, truth) in enumerate(
        (("presence", there | absent, there.astype(np.float64)), ("quality", there, answered.iou))
    ):
        if chosen.any():
            before, after = (ece(_sigmoid(conf[chosen, place]), truth[chosen]) for conf in (raw, answered.conf))
            found.append(Miscalibration(name, before, None if fitted is None else after, int(chosen.sum())))
    return found


def outcomes_of(answered: Answered, fitted: Calibration | None) -> list[Sense]:
    """F1 of presence, and how often the whole answer is right, at the threshold that is served; nothing without both sorts."""
    there, absent = _there(answered), _absent(answered)
    if not there.any() or not absent.any():
        return []
    least = EVEN if fitted is None or fitted.absent_below is None else fitted.absent_below
    chosen = there | absent
    photos = [answered.items[place].photo for place in np.flatnonzero(chosen).tolist()]
    is_there, is_told = there[chosen], _sigmoid(answered.conf[chosen, 0]) >= least
    is_right = np.where(is_there, is_told & (answered.iou[chosen] > HIT_IOU), ~is_told)
    return [
        _f1(f"F1 of presence, where {least:.4f} is enough", is_there, is_told, photos),
        Sense(
            "right in all, a hit that is not refused or a refusal of what is not there",
            float(is_right.mean()),
            *bootstrap(is_right, photos),
            len(photos),
        ),
    ]


def _f1(words: str, is_there: Bools, is_told: Bools, photos: Sequence[str]) -> Sense:
    """2 TP / (2 TP + FP + FN): a share in which what is rightly found counts twice and what is rightly refused not at all."""
    is_found = is_there & is_told
    weights = np.where(is_found, 2, is_there != is_told)
    values, named = np.repeat(is_found, weights), np.repeat(photos, weights)
    return Sense(words, float(values.mean()) if len(values) else 0.0, *bootstrap(values, named.tolist()), len(photos))


def signs_of(answered: Answered) -> list[Sign]:
    """What tells hits of the test from misses: quality, and where it is known the entropy of the cells' weights."""
    there = _there(answered)
    is_hit, is_miss = there & (answered.iou > HIT_IOU), there & (answered.iou <= HIT_IOU)
    if not is_hit.any() or not is_miss.any():
        return []
    counts = int(is_hit.sum()), int(is_miss.sum())
    return [Sign(name, auroc_interval(sure[is_hit], sure[is_miss]), *counts) for name, sure in _signs(answered)]


def _signs(answered: Answered) -> Iterator[tuple[str, Floats]]:
    yield "quality", answered.conf[:, 1]
    if answered.entropy is not None:
        yield "a low entropy of the cells' weights", -answered.entropy


def to_markdown(answered: Answered, fitted: Calibration | None) -> str:
    """A line each."""
    text = "".join(f"{_told(error)}\n" for error in errors_of(answered, fitted))
    text += lines_of(outcomes_of(answered, fitted))
    for sign in signs_of(answered):
        low, high = sign.auroc.interval
        told = f"AUROC {sign.auroc.value:.3f} ({low:.3f} - {high:.3f}), {sign.hits:,} and {sign.misses:,}"
        text += f"- {sign.name} tells hits from misses: {told}\n"
    return text


def _told(error: Miscalibration) -> str:
    after = ", not calibrated" if error.calibrated is None else f", {error.calibrated:.3f} after its temperature"
    return f"- calibration error of {error.name} (ECE, {ECE_BINS} bins): {error.raw:.3f}{after}, of {error.count:,}"


def _there(answered: Answered) -> Bools:
    return np.array([item.part == "test" for item in answered.items], np.bool_)


def _absent(answered: Answered) -> Bools:
    return np.array([item.part == "absent" for item in answered.items], np.bool_)


def _sigmoid(logits: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-logits)), np.float64)
