"""The numbers of a grounding bundle's calibration, fitted on expressions about held-out training photos.

Presence and quality have a temperature each; a photo is said not to show a thing where presence is below a threshold at
which one in ten expressions that mean nothing passes.
"""

from __future__ import annotations

import math

import numpy as np

from models.calibration import Floats, fit_temperature
from models.evaluation.grounding.answers import Answered
from models.sections import Calibration

FALSE_ALARMS = 0.1
_SHARES = 10  # a quality of 0.7 counts as seven hits of ten
_DIGITS = 4


def calibrate(answered: Answered) -> Calibration:
    """Fit on items with a target and items without one.

    Raises:
        ValueError: one of both is missing.
    """
    present = np.array([item.box is not None for item in answered.items], bool)
    if present.all() or not present.any():
        raise ValueError("calibration needs expressions that mean something and others that mean nothing")
    temperature = round(fit_temperature(_two(answered.conf[:, 0]), present.astype(np.int64)), _DIGITS)
    chance = 1.0 / (1.0 + np.exp(-answered.conf[~present, 0] / temperature))
    return Calibration(
        temperature=temperature,
        quality_temperature=_quality_temperature(answered.conf[present, 1], answered.iou[present]),
        absent_below=math.ceil(float(np.quantile(chance, 1.0 - FALSE_ALARMS)) * 10**_DIGITS) / 10**_DIGITS,
    )


def _quality_temperature(logits: Floats, iou: Floats) -> float:
    """The target is a share, not a class: each answer counts as ten, of which its share are hits."""
    hits = np.arange(_SHARES)[None, :] < np.rint(iou * _SHARES)[:, None]
    return round(fit_temperature(_two(np.repeat(logits, _SHARES)), hits.reshape(-1).astype(np.int64)), _DIGITS)


def _two(logits: Floats) -> Floats:
    """One logit as two classes."""
    return np.stack([np.zeros_like(logits), logits], 1)
