"""What a bundle's scores say: calibrated predictions, how far up the levels they hold, which labels hold the truth.

Owns the way from logits to the parts of an answer that rest on them alone. The mathematics is `models/calibration`, the
same that evaluation uses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import UNSET, UnsetType

from models import calibration
from models.calibration import Floats, Ints
from models.labels import Label
from models.manifest import Manifest
from service.answers import ClassifyAnswer, ImageSize, LabelSet, LevelSet, ModelRef, Parameters, Prediction, Rollup
from service.engine.backends.base import Array
from service.engine.bundle import Bundle
from service.engine.tasks.selection import Selection

PROBABILITY_DIGITS = 6
#: What a reason says before the value of a score of the logits.
_SAID = {
    "height": "the best class stands above the mean of all by",
    "energy": "the photo's energy score is",
}

Rows = npt.NDArray[np.float32]


class Scores(msgspec.Struct, frozen=True):
    """A graph's outputs for the K photos of one subject: `logits` f32 [K, C], `features` f32 [K, D] where they count.

    `parts` are the outputs that explain, each with a row a photo, where that was asked for. `scene` [C] are the logits of
    the scene that the one photo was cut out of.
    """

    logits: Rows
    features: Rows | None = None
    parts: Mapping[str, Array] | None = None
    scene: Rows | None = None


@dataclass(frozen=True, slots=True)
class _LevelRule:
    """How one level's set is made: the groups [C], their labels and the quantile for the coverage."""

    name: str
    groups: Ints
    labels: tuple[str, ...]
    coverage: float
    quantile: float


class Reading:
    """Reads the logits of one bundle, with all that does not change from photo to photo made once."""

    def __init__(self, bundle: Bundle) -> None:
        manifest = bundle.manifest
        fitted = manifest.calibration
        self.model = ModelRef(manifest.name, manifest.version, manifest.system)
        self.needs_features = fitted.score == "distance" and fitted.uncertain_below is not None
        self.counts_scenes = fitted.scene_temperature is not None
        self._fitted = fitted
        self._directions = bundle.directions
        self._coverage, self._quantile = _strictest(fitted.conformal)
        self._class_ids = [label.class_id for label in bundle.labels]
        self._classes = [(label.class_id, label.label, label.levels or UNSET) for label in bundle.labels]
        is_calibrated = fitted.uncertain_below is not None or bool(fitted.conformal)
        self._levels = _levels(manifest, bundle.labels) if manifest.levels and is_calibrated else None
        self._level_rules = _level_rules(manifest, self._levels) if self._levels else ()

    def probabilities(self, scores: Scores) -> Floats:
        """Calibrated probabilities [C] of one subject, of the logits of its photos or of it and the scene around it."""
        logits = scores.logits
        if scores.scene is not None and self._fitted.scene_temperature is not None:
            return calibration.pool(np.stack([logits[0], scores.scene]), self._fitted.scene_temperature)
        if len(logits) == 1:
            return calibration.softmax(logits[0], self._fitted.temperature)
        # Where none was fitted, several photos are as sure as one: too unsure rather than too sure.
        return calibration.pool(logits, self._fitted.pooled_temperature or self._fitted.temperature)

    def read(self, scores: Scores, size: ImageSize, asked: Parameters, chosen: Selection | None) -> ClassifyAnswer:
        """The answer to one subject's scores, among all classes or those that were chosen."""
        probabilities = self.probabilities(scores)
        order = calibration.ranked(probabilities)
        uncertain, reason = self._judge(float(probabilities[order[0]]), scores)
        if chosen is None:
            return ClassifyAnswer(
                self.model,
                self._predict(probabilities, order[: asked.top_k]),
                size,
                rollup=self._roll_up(probabilities, asked.certainty),
                set=self._set(probabilities, order, None),
                uncertain=uncertain,
                reason=reason,
            )
        weighed = chosen.weigh(probabilities)
        return ClassifyAnswer(
            self.model,
            self.predict(weighed, min(asked.top_k, chosen.count)),
            size,
            rollup=self._roll_up(weighed, asked.certainty),
            set=self._set(probabilities, order, chosen),
            uncertain=uncertain,
            reason=reason,
            without_candidates=self._predict(probabilities, order[: asked.top_k]),
            unknown_candidates=chosen.unknown or UNSET,
        )

    def predict(self, probabilities: Floats, top_k: int) -> list[Prediction]:
        """The best classes; of equal ones the first."""
        return self._predict(probabilities, calibration.ranked(probabilities)[:top_k])

    def _predict(self, probabilities: Floats, best: Ints) -> list[Prediction]:
        found = map(self._classes.__getitem__, best.tolist())
        return [
            Prediction(class_id, label, round(value, PROBABILITY_DIGITS), levels)
            for (class_id, label, levels), value in zip(found, probabilities[best].tolist(), strict=True)
        ]

    def _judge(self, best: float, scores: Scores) -> tuple[bool | UnsetType, str | UnsetType | None]:
        """Whether the subject looks unknown, and why, given the best probability; over several photos the mean counts.

        Candidates are left out of it: being the only one allowed makes no bird known.
        """
        least = self._fitted.uncertain_below
        if least is None:
            return UNSET, UNSET
        if self._fitted.score == "max_softmax":
            score, name = best, "the best class has probability"
        elif self._fitted.score in _SAID:
            score_of, name = calibration.LOGIT_SCORES[self._fitted.score], _SAID[self._fitted.score]
            score = float(score_of(scores.logits, self._fitted.temperature).mean())
        elif scores.features is None or self._directions is None:
            return UNSET, UNSET
        else:
            score = float(calibration.distance_scores(scores.features, self._directions).mean())
            name = "the photo's likeness to the nearest class is"
        return (False, None) if score >= least else (True, f"{name} {score:.3f}; {least:.3f} is certain enough")

    def _roll_up(self, probabilities: Floats, certainty: float) -> Rollup | UnsetType:
        found = self._levels.roll_up(probabilities, certainty) if self._levels else None
        if found is None:
            return UNSET
        return Rollup(found.level, found.label, round(found.probability, PROBABILITY_DIGITS))

    def _set(self, probabilities: Floats, order: Ints, chosen: Selection | None) -> LabelSet | UnsetType:
        """The set by the probabilities of all classes, which is what was fitted; of it the candidates.

        If the truth is among the candidates, this holds it as often as the whole set does.
        """
        if not self._coverage:
            return UNSET
        held = calibration.conformal_set(probabilities, self._quantile, order)
        if chosen is not None:
            held = _among(held, chosen.is_candidate, probabilities)
        levels = {rule.name: _level_set(rule, probabilities, chosen) for rule in self._level_rules}
        return LabelSet(self._coverage, [self._class_ids[index] for index in held.tolist()], levels or UNSET)


def _level_set(rule: _LevelRule, probabilities: Floats, chosen: Selection | None) -> LevelSet:
    sums = np.bincount(rule.groups, probabilities, len(rule.labels)).astype(np.float64)
    held = calibration.conformal_set(sums, rule.quantile)
    if chosen is not None:
        is_candidate = np.bincount(rule.groups, chosen.is_candidate, len(rule.labels)) > 0
        held = _among(held, is_candidate, sums)
    return LevelSet(rule.coverage, [rule.labels[index] for index in held.tolist()])


def _among(held: Ints, is_candidate: npt.NDArray[np.bool_], probabilities: Floats) -> Ints:
    """The candidates of a set; where it has none, the best candidate, so that no set is empty."""
    kept = held[is_candidate[held]]
    return kept if len(kept) else np.array([np.where(is_candidate, probabilities, -1.0).argmax()])


def _levels(manifest: Manifest, labels: Sequence[Label]) -> calibration.Levels:
    paths = [list(label.levels.values()) for label in labels]
    return calibration.Levels(manifest.levels, paths, [label.label for label in labels])


def _level_rules(manifest: Manifest, levels: calibration.Levels) -> tuple[_LevelRule, ...]:
    fitted = manifest.calibration.conformal_levels
    return tuple(
        _LevelRule(name, levels.groups(name), levels.labels(name), *_strictest(fitted[name]))
        for name in manifest.levels
        if fitted.get(name)
    )


def _strictest(quantiles: dict[str, float]) -> tuple[float, float]:
    """The highest coverage and its quantile; 0, 0 without any."""
    return max(((float(coverage), quantile) for coverage, quantile in quantiles.items()), default=(0.0, 0.0))
