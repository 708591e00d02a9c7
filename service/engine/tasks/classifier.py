"""One bundle as a classifier: decoded photos in, scores out, and the answer that they make.

A plan (`classify.py`, `auto.py`) decides which bundles a request needs; here is what each of them does. Owns the running
of graphs on several requests at once, and the putting together of what an answer rests on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import msgspec
import numpy as np

from models.calibration import Floats
from models.cutting import cut
from models.preprocess import Photo, Pixels, fit_pixels
from service.answers import ClassifyAnswer, Explanation, ImageSize, Parameters, PhotoPart
from service.engine.backends.base import Array
from service.engine.backends.providers import RUN_LIMIT
from service.engine.bundle import Bundle
from service.engine.tasks.explaining import Explaining
from service.engine.tasks.hearing import Heard
from service.engine.tasks.photos import frame_of
from service.engine.tasks.reading import Reading, Scores
from service.engine.tasks.selection import Checklist, Selection


class Case(msgspec.Struct, frozen=True):
    """One request as a classifier takes it: its photos as the graph's input, uint8 [S, S, 3] each, and their sizes.

    `pixels` has a row more than `sizes` where the one photo was cut out of a scene that counts, too.
    """

    classifier: Classifier
    pixels: list[Pixels]
    sizes: list[ImageSize]
    parameters: Parameters
    chosen: Selection | None
    heard: Heard | None


class Classifier:
    """Classifies with one bundle."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.identity = bundle.manifest.identity
        self.size_px = bundle.manifest.image.size_px
        self.reading = Reading(bundle)
        self._fit = bundle.manifest.image.fit
        self._image = bundle.manifest.image
        self._explaining = Explaining(bundle.manifest)
        self._needed = ("logits", "features") if self.reading.needs_features else ("logits",)

    def case(self, photos: Sequence[Photo], parameters: Parameters, heard: Heard | None = None) -> Case:
        """Fit the photos of a request.

        Raises:
            InvalidParameter: none of its candidates is known here.
        """
        chosen = self._checklist.select(parameters.candidates) if parameters.candidates else None
        pixels = [self._fitted(photo) for photo in photos]
        scene = photos[0].scene if len(photos) == 1 and self.reading.counts_scenes else None
        if scene is not None:  # decoded finely enough to cut subjects out of it
            pixels.append(self._fitted(cut(scene, (0, 0, scene.width, scene.height), self.size_px)))
        sizes = [ImageSize(photo.width, photo.height) for photo in photos]
        return Case(self, pixels, sizes, parameters, chosen, heard)

    def score(self, cases: Sequence[Case]) -> list[Scores]:
        """Run the graph on the photos of some requests at once.

        Raises:
            EngineError: the graph failed.
        """
        explained = self._explaining.outputs if any(case.parameters.explain for case in cases) else ()
        results = self._run(cases, self._needed + explained)
        scores, start = [], 0
        for case in cases:
            rows = slice(start, start + len(case.sizes))
            start += len(case.pixels)
            scene = results["logits"][rows.stop] if start > rows.stop else None
            parts = {name: results[name][rows] for name in explained} if case.parameters.explain else None
            features = results["features"][rows] if "features" in self._needed else None
            scores.append(Scores(results["logits"][rows], features, parts, scene))  # type: ignore[arg-type]
        return scores

    def answer(self, case: Case, scores: Scores) -> ClassifyAnswer:
        """Make the answer to one request."""
        answer = self.reading.read(scores, case.sizes[0], case.parameters, case.chosen)
        if len(case.sizes) > 1:
            parts = [self._photo_part(case, scores, row) for row in range(len(case.sizes))]
            return msgspec.structs.replace(answer, photos=parts)
        if scores.parts:
            return msgspec.structs.replace(answer, explanation=self._explain(case, scores.parts, 0))
        return answer

    def probabilities(self, scores: Scores) -> Floats:
        """Calibrated probabilities [C]."""
        return self.reading.probabilities(scores)

    @cached_property
    def _checklist(self) -> Checklist:
        """Made when a request first brings candidates: most services see none."""
        return Checklist(self.bundle.labels)

    def _fitted(self, photo: Photo) -> Pixels:
        return fit_pixels(photo.pixels, self.size_px, self._fit, (photo.width, photo.height))

    def _photo_part(self, case: Case, scores: Scores, row: int) -> PhotoPart:
        (prediction,) = self.reading.predict(self.reading.probabilities(Scores(scores.logits[row : row + 1])), 1)
        if scores.parts:
            return PhotoPart(case.sizes[row], prediction, self._explain(case, scores.parts, row))
        return PhotoPart(case.sizes[row], prediction)

    def _explain(self, case: Case, parts: Mapping[str, Array], row: int) -> Explanation:
        frame = frame_of(case.sizes[row].width, case.sizes[row].height, self._image)
        phrases = case.heard.phrases.known if case.heard is not None else ()
        return self._explaining.explain({name: values[row] for name, values in parts.items()}, frame, phrases)

    def _run(self, cases: Sequence[Case], outputs: tuple[str, ...]) -> Mapping[str, Array]:
        pixels = [photo for case in cases for photo in case.pixels]
        phrases: list[Array] = []
        if self.bundle.vocabulary is not None:
            phrases = [case.heard.ids for case in cases for _ in case.pixels if case.heard is not None]
        if len(pixels) <= RUN_LIMIT:
            return self._run_together(pixels, phrases, outputs)
        spans = [slice(start, start + RUN_LIMIT) for start in range(0, len(pixels), RUN_LIMIT)]
        runs = [self._run_together(pixels[span], phrases[span], outputs) for span in spans]
        return {name: np.concatenate([run[name] for run in runs]) for name in outputs}

    def _run_together(
        self, pixels: Sequence[Array], phrases: Sequence[Array], outputs: tuple[str, ...]
    ) -> Mapping[str, Array]:
        return self.bundle.run(_stack(pixels), outputs, _stack(phrases) if phrases else None)


def score_all(cases: Sequence[Case]) -> list[Scores]:
    """Score requests of several classifiers, each classifier once; the results are in the order of the cases."""
    if len(cases) == 1:
        return cases[0].classifier.score(cases)
    found: list[Scores | None] = [None] * len(cases)
    for classifier in dict.fromkeys(case.classifier for case in cases):
        places = [place for place, case in enumerate(cases) if case.classifier is classifier]
        for place, scores in zip(places, classifier.score([cases[place] for place in places]), strict=True):
            found[place] = scores
    return [scores for scores in found if scores is not None]


def _stack(arrays: Sequence[Array]) -> Array:
    """Stack without a copy where there is one."""
    return arrays[0][None] if len(arrays) == 1 else np.stack(arrays)
