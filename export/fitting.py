"""The numbers of a bundle's calibration, fitted on what its file answers to held-out photos.

Owns which coverages are stated and on what each number is fitted; the mathematics is `models.calibration`'s. Scores other
than the highest probability and the agreement of text and photo need more than a run's own photos: they are left out.
"""

from __future__ import annotations

import math

import numpy as np

from models.calibration import (
    Floats,
    Ints,
    Levels,
    draw_groups,
    fit_pooled_temperature,
    fit_temperature,
    label_scores,
    softmax,
    uncertain_threshold,
    widest_quantile,
)
from models.evaluation.figures import Scored
from models.manifest import Calibration
from models.training.taxonomy import LabelTable

COVERAGES = (0.9, 0.95)
_DIGITS = 4


def calibrate(parts: list[Scored], table: LabelTable) -> Calibration:
    """Fit on held-out parts; `parts` differ in how the subject is framed, and sets keep their coverage in each.

    Temperature first; at that temperature the uncertainty threshold and the quantiles, at the labels and at each level.
    """
    logits, labels, kinds, photos = _together(parts)
    temperature = round(fit_temperature(logits, labels), _DIGITS)
    probabilities = softmax(logits, temperature)
    paths = [[row.levels[level] for level in table.levels] for row in table.rows]
    levels = Levels(table.levels, paths, [row.label for row in table.rows])
    groups = draw_groups(labels, photos)
    return Calibration(
        temperature=temperature,
        uncertain_below=_down(uncertain_threshold(probabilities.max(axis=1))),
        conformal=_quantiles(probabilities, labels, kinds),
        conformal_levels={
            level: _quantiles(levels.sums(level, probabilities), levels.groups(level)[labels], kinds)
            for level in levels.names
        },
        pooled_temperature=round(fit_pooled_temperature(logits, labels, groups), _DIGITS) if groups else None,
    )


def _together(parts: list[Scored]) -> tuple[Floats, Ints, list[str], list[str]]:
    """All parts as one: logits, labels, and for each view its part's name and its photo's."""
    kinds = [scored.part.name for scored in parts for _ in scored.part.items]
    photos = [item.photo for scored in parts for item in scored.part.items]
    return np.concatenate([s.logits for s in parts]), np.concatenate([s.labels for s in parts]), kinds, photos


def _quantiles(probabilities: Floats, labels: Ints, kinds: list[str]) -> dict[str, float]:
    scores = label_scores(probabilities, labels)
    return {str(coverage): _up(widest_quantile(scores, kinds, coverage)) for coverage in COVERAGES}


def _up(value: float) -> float:
    """Rounded so that no set loses its coverage."""
    return min(1.0, math.ceil(value * 10**_DIGITS) / 10**_DIGITS)


def _down(value: float) -> float:
    """Rounded so that no more photos are flagged."""
    return math.floor(value * 10**_DIGITS) / 10**_DIGITS
