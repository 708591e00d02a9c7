"""A temperature of each photo's own: logits that stand high are damped, as far as held-out photos ask for it.

One temperature for all photos takes it that a certain answer and a doubtful one are wrong about themselves by the same factor.
A model that learnt from smoothed or blended labels is not: its highest logits promise too much beside its low ones. So logits
are divided by a power of their height before the temperature divides them, which changes no order of classes. An exported
graph does so itself, and whoever reads its logits needs to know nothing of it.

What a model does not know has low logits, and is promised more for it: `unknowns` tells it by the height, whose order stays.

Owns the exponent and its fit. A temperature that depends on the logits is Tomani et al.'s, "Parameterized Temperature Scaling",
ECCV 2022; theirs is a network, here it is one number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from models.calibration.probabilities import Floats, Ints, Numbers, fit_temperature, least, nll
from models.calibration.unknowns import height_scores

#: At 1 nothing would be left of the height, which tells unknown subjects.
_EXPONENT_MAX = 0.9
#: Logits that are as good as equal stay so: a share of the usual height.
HEIGHT_MIN = 1e-3
_DIGITS = 2


@dataclass(frozen=True, slots=True)
class Damping:
    """The power of the height that logits are divided by; `usual` is the height at which they stay as they are."""

    exponent: float
    usual: float


def damp(logits: Numbers, damping: Damping) -> Floats:
    """Logits [..., C] divided by a power of their height in units of the usual one."""
    values = np.asarray(logits, np.float64)
    heights = np.maximum(height_scores(values) / damping.usual, HEIGHT_MIN)
    return np.asarray(values / heights[..., None] ** damping.exponent, np.float64)


def fit_damping(logits: Floats, labels: Ints) -> Damping | None:
    """The exponent in 0..0.9 with the least `nll` at its own temperature, from held-out logits [N, C] with labels [N].

    None where a second number gains less than Schwarz's criterion charges for it (Annals of Statistics, 1978), as on few photos.
    """
    usual = round(float(np.median(height_scores(logits))), _DIGITS)
    if usual <= 0:
        return None

    def loss(exponent: float) -> float:
        damped = damp(logits, Damping(exponent, usual))
        return nll(damped, labels, fit_temperature(damped, labels))

    fitted = round(least(loss, 0.0, _EXPONENT_MAX), _DIGITS)
    gain = len(labels) * (loss(0.0) - loss(fitted))
    return Damping(fitted, usual) if gain > 0.5 * math.log(len(labels)) else None
