"""The numbers of a bundle's calibration, fitted on what its file answers to held-out photos.

Owns which coverages are stated and on what each number is fitted; the mathematics is `models.calibration`'s. Which score
tells unknown subjects is `export.trust.uncertainty`'s part, the agreement of text and photo that of `export.trust.conflicts`.
"""

from __future__ import annotations

import math

import numpy as np

from models.calibration import (
    LOGIT_SCORES,
    TEMPERATURE_RANGE,
    Damping,
    Floats,
    Ints,
    Levels,
    draw_groups,
    fit_damping,
    fit_pooled_temperature,
    fit_temperature,
    label_scores,
    pair_framings,
    softmax,
    uncertain_threshold,
    widest_quantile,
)
from models.evaluation.figures import Scored
from models.sections import Calibration, UncertaintyScore
from models.training.taxonomy import LabelTable

COVERAGES = (0.9, 0.95)
_DIGITS = 4


def damping_of(parts: list[Scored]) -> Damping | None:
    """How far the logits of held-out parts want damping, before anything else is fitted on them."""
    logits, labels, *_ = _together(parts)
    return fit_damping(logits, labels)


def calibrate(
    parts: list[Scored],
    table: LabelTable,
    score: UncertaintyScore = "max_softmax",
    likeness: Floats | None = None,
    conflict_below: float | None = None,
) -> Calibration:
    """Fit on held-out parts; `parts` differ in how the subject is framed, and sets keep their coverage in each.

    Temperature first; at that temperature the threshold of the uncertainty `score` and the quantiles, at the labels and at
    each level. `likeness` [n] holds the views' values of the score `distance`, `conflict_below` was fitted elsewhere.
    """
    logits, labels, kinds, photos = _together(parts)
    temperature = round(fit_temperature(logits, labels), _DIGITS)
    probabilities = softmax(logits, temperature)
    paths = [[row.levels[level] for level in table.levels] for row in table.rows]
    levels = Levels(table.levels, paths, [row.label for row in table.rows])
    groups, framings = draw_groups(labels, photos), pair_framings(photos, kinds)
    return Calibration(
        temperature=temperature,
        score=score,
        uncertain_below=_down(uncertain_threshold(_known_scores(score, logits, temperature, likeness))),
        conformal=_quantiles(probabilities, labels, kinds),
        conformal_levels={
            level: _quantiles(levels.sums(level, probabilities), levels.groups(level)[labels], kinds)
            for level in levels.names
        },
        pooled_temperature=_pooled_temperature(logits, labels, groups),
        scene_temperature=_pooled_temperature(logits, labels, framings),
        text_conflict_below=None if conflict_below is None else _down(conflict_below),
    )


def _pooled_temperature(logits: Floats, labels: Ints, groups: list[Ints]) -> float | None:
    """None where no group tells one, or none was wrong: any certainty would fit, and the fit ends at its bound."""
    if not groups:
        return None
    fitted = round(fit_pooled_temperature(logits, labels, groups), _DIGITS)
    return fitted if fitted > TEMPERATURE_RANGE[0] else None


def _known_scores(score: UncertaintyScore, logits: Floats, temperature: float, likeness: Floats | None) -> Floats:
    """How known each held-out view looks."""
    if score in LOGIT_SCORES:
        return LOGIT_SCORES[score](logits, temperature)
    if likeness is None:
        raise ValueError("the score 'distance' needs its values on the held-out views")
    return likeness


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
