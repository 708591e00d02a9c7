"""Classify: which of a bundle's classes a photo shows.

Owns the way from logits to the answer: calibrated probabilities, the best classes with their levels, and what the
bundle's calibration allows to say of them (how far up the levels the answer is certain, which labels hold the truth,
whether it is uncertain). The mathematics is `models/calibration.py`, the same that evaluation uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from msgspec import UNSET, UnsetType

from models import calibration
from models.formats import FORMATS, sniff_format
from models.manifest import Label, Manifest
from models.preprocess import ImageError, Pixels, preprocess
from service.answers import (
    ActivationMap,
    ClassifyAnswer,
    Explanation,
    ImageSize,
    LabelSet,
    ModelRef,
    Parameters,
    Prediction,
    Rollup,
)
from service.engine.bundle import Bundle
from service.engine.tasks.base import Finished
from service.errors import UnprocessableImage, UnsupportedMedia

#: A level is reported where its best value is at least this probable.
ROLLUP_CERTAINTY = 0.9
PROBABILITY_DIGITS = 6
ACTIVATION_DIGITS = 3

Row = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Subject:
    """A decoded photo: the graph's input, uint8 [S, S, 3], and the photo's size as a person sees it, in pixels."""

    pixels: Pixels
    width: int
    height: int
    parameters: Parameters


@dataclass(frozen=True, slots=True)
class Scores:
    """The graph's outputs for one photo: `logits` f32 [C], `activation` f32 [h, w] where it was asked for."""

    logits: Row
    activation: Row | None


class ClassifyPlan:
    """Classify with one bundle."""

    def __init__(self, route: str, bundle: Bundle) -> None:
        manifest = bundle.manifest
        self.route = route
        self.model = manifest.identity
        self.curve = bundle.curve
        self.batch_wait_ms = manifest.batch_wait_ms
        self._bundle = bundle
        self._image = manifest.image
        self._has_activation = any(output.name == "activation" for output in manifest.outputs)
        self._reading = _Reading(manifest, bundle.labels)

    def prepare(self, photos: Sequence[bytes | memoryview], parameters: Parameters) -> Subject:
        """Decode the one photo of a request to the bundle's input.

        Raises:
            UnsupportedMedia: its first bytes are of no allowed format.
            UnprocessableImage: it cannot be decoded.
        """
        (encoded,) = photos
        if sniff_format(encoded) is None:
            raise UnsupportedMedia(f"The photo is in none of the allowed formats ({', '.join(FORMATS)}).")
        try:
            pixels, photo = preprocess(encoded, self._image.size_px, self._image.fit)
        except ImageError as error:
            raise UnprocessableImage(str(error)) from error
        return Subject(pixels, photo.width, photo.height, parameters)

    def infer(self, batch: Sequence[Subject]) -> list[Scores]:
        """Run the graph once on all of them."""
        images = batch[0].pixels[None] if len(batch) == 1 else np.stack([subject.pixels for subject in batch])
        explains = self._has_activation and any(subject.parameters.explain for subject in batch)
        results = self._bundle.run(images, ("logits", "activation") if explains else ("logits",))
        logits = np.asarray(results["logits"], np.float32)
        if not explains:
            return [Scores(row, None) for row in logits]
        activation = np.asarray(results["activation"], np.float32)
        return [Scores(row, cells) for row, cells in zip(logits, activation, strict=True)]

    def finish(self, prepared: Subject, inferred: Scores) -> Finished:
        """Turn scores into the answer."""
        explanation: Explanation | UnsetType = UNSET
        if prepared.parameters.explain and inferred.activation is not None:
            explanation = Explanation(self._reading.model.system, map=_activation_map(inferred.activation))
        size = ImageSize(prepared.width, prepared.height)
        answer = self._reading.read(inferred.logits, prepared.parameters.top_k, size, explanation)
        confidence = answer.predictions[0].probability
        return Finished(answer, self.model, confidence, answer.uncertain is True)


class _Reading:
    """What a bundle's logits mean, with all that does not change from photo to photo made once."""

    def __init__(self, manifest: Manifest, labels: Sequence[Label]) -> None:
        fitted = manifest.calibration
        self.model = ModelRef(manifest.name, manifest.version, manifest.system)
        self._temperature = fitted.temperature
        self._uncertain_below = fitted.uncertain_below
        self._coverage, self._quantile = max(
            ((float(coverage), quantile) for coverage, quantile in fitted.conformal.items()), default=(0.0, 0.0)
        )
        self._class_ids = [label.class_id for label in labels]
        self._labels = [label.label for label in labels]
        self._paths = [label.levels or UNSET for label in labels]
        is_calibrated = fitted.uncertain_below is not None or bool(fitted.conformal)
        paths = [list(label.levels.values()) for label in labels]
        self._levels = (
            calibration.Levels(manifest.levels, paths, self._labels) if manifest.levels and is_calibrated else None
        )

    def read(self, logits: Row, top_k: int, size: ImageSize, explanation: Explanation | UnsetType) -> ClassifyAnswer:
        """The answer to logits [C]."""
        probabilities = calibration.softmax(logits, self._temperature)
        order = np.argsort(-probabilities, kind="stable")
        predictions = [self._predict(index, probabilities) for index in order[:top_k].tolist()]
        uncertain, reason = self._judge(float(probabilities[order[0]]))
        return ClassifyAnswer(
            self.model,
            predictions,
            size,
            rollup=self._roll_up(probabilities),
            set=self._set(probabilities),
            uncertain=uncertain,
            reason=reason,
            explanation=explanation,
        )

    def _predict(self, index: int, probabilities: calibration.Floats) -> Prediction:
        probability = round(float(probabilities[index]), PROBABILITY_DIGITS)
        return Prediction(self._class_ids[index], self._labels[index], probability, self._paths[index])

    def _judge(self, best: float) -> tuple[bool | UnsetType, str | UnsetType | None]:
        if self._uncertain_below is None:
            return UNSET, UNSET
        if best >= self._uncertain_below:
            return False, None
        return True, f"the best class has probability {best:.3f}; {self._uncertain_below:.3f} is certain enough"

    def _roll_up(self, probabilities: calibration.Floats) -> Rollup | UnsetType:
        found = self._levels.roll_up(probabilities, ROLLUP_CERTAINTY) if self._levels else None
        if found is None:
            return UNSET
        return Rollup(found.level, found.label, round(found.probability, PROBABILITY_DIGITS))

    def _set(self, probabilities: calibration.Floats) -> LabelSet | UnsetType:
        if not self._coverage:
            return UNSET
        held = calibration.conformal_set(probabilities, self._quantile)
        return LabelSet(self._coverage, [self._class_ids[index] for index in held.tolist()])


def _activation_map(cells: Row) -> ActivationMap:
    """Evidence [h, w] as shares of its maximum, row by row."""
    evidence = np.maximum(cells.astype(np.float64), 0)
    top = float(evidence.max())
    shares = evidence / top if top > 0 else evidence
    rows, columns = cells.shape
    return ActivationMap(rows, columns, [round(value, ACTIVATION_DIGITS) for value in shares.ravel().tolist()])
