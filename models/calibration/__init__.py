"""From raw scores to honest answers; one code for fitting, evaluating and serving. Numpy only, in float64.

- `probabilities`: temperature, calibration error;
- `damping`: a temperature of each photo's own;
- `levels`: certainty summed over species, genus, family;
- `sets`: labels that hold the truth with a stated coverage, and whether test photos agree;
- `unknowns`: how known a photo looks, and the threshold below which an answer is uncertain;
- `pooling`: several photos of one subject;
- `conflict`: whether a text fits what the photo shows.

Fitting takes held-out scores and gives the numbers of a manifest's `calibration`; applying them stands beside.
"""

from models.calibration.conflict import PhraseTable, conflict_score, read_phrase_table, traits_of
from models.calibration.damping import Damping, damp, fit_damping
from models.calibration.levels import Levels, Roll
from models.calibration.pooling import draw_groups, fit_pooled_temperature, pair_framings, pool
from models.calibration.probabilities import (
    ECE_BINS,
    TEMPERATURE_RANGE,
    Floats,
    Ints,
    Numbers,
    brier,
    ece,
    fit_temperature,
    nll,
    softmax,
)
from models.calibration.sets import (
    CoverageCheck,
    check_coverage,
    conformal_quantile,
    conformal_set,
    coverage_interval,
    is_singleton,
    label_scores,
    ranked,
    score_quantile,
    widest_quantile,
)
from models.calibration.unknowns import (
    FLAGGED_LIMIT,
    LOGIT_SCORES,
    Auroc,
    ScoreChoice,
    auroc,
    auroc_interval,
    choose_score,
    class_directions,
    distance_scores,
    energy_scores,
    height_scores,
    uncertain_threshold,
)

__all__ = [
    "ECE_BINS",
    "FLAGGED_LIMIT",
    "LOGIT_SCORES",
    "TEMPERATURE_RANGE",
    "Auroc",
    "CoverageCheck",
    "Damping",
    "Floats",
    "Ints",
    "Levels",
    "Numbers",
    "PhraseTable",
    "Roll",
    "ScoreChoice",
    "auroc",
    "auroc_interval",
    "brier",
    "check_coverage",
    "choose_score",
    "class_directions",
    "conflict_score",
    "conformal_quantile",
    "conformal_set",
    "coverage_interval",
    "damp",
    "distance_scores",
    "draw_groups",
    "ece",
    "energy_scores",
    "fit_damping",
    "fit_pooled_temperature",
    "fit_temperature",
    "height_scores",
    "is_singleton",
    "label_scores",
    "nll",
    "pair_framings",
    "pool",
    "ranked",
    "read_phrase_table",
    "score_quantile",
    "softmax",
    "traits_of",
    "uncertain_threshold",
    "widest_quantile",
]
