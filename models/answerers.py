"""Who answers in an evaluation: the engine that serves, so that what is measured is what is served, or a bare graph.

Owns the border between `models.evaluation`, which takes any answerer, and the engine.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from export.runtime import Graph, Inputs
from models.calibration import Floats
from models.evaluation.asking import Answered, Refused
from models.evaluation.faithfulness import Run
from models.evaluation.heat import Outputs
from models.evaluation.remote import canonical
from models.manifest import read_manifest
from models.preprocess import ImageError, Pixels, preprocess
from models.sections import TextInput
from service.answers import Parameters, Part
from service.catalog import AUTO, SUBJECT, domain_route
from service.engine.backends.base import EngineError
from service.engine.engine import Engine
from service.engine.tasks.classifier import Classifier
from service.engine.tasks.subject import Recognised
from service.errors import FieldmarkError


class EngineAnswers:
    """The engine in this process as an answerer: the three steps that a worker takes, with the logits kept."""

    def __init__(self, engine: Engine, route: str, top_k: int, locate: bool) -> None:
        self._plan = engine.plan(SUBJECT if locate else route)
        self._route = route
        self._top_k = top_k
        self._find = domain_route("locate", AUTO) if locate else None

    def __call__(self, photo: bytes, text: str | None = None) -> Answered:
        """Answer one photo."""
        try:
            subject = self._plan.prepare([photo], self._parameters(text))
            (inferred,) = self._plan.infer([subject])
            answer = self._plan.finish(subject, inferred).answer
        except (FieldmarkError, EngineError) as error:
            raise Refused(str(error)) from error
        logits = _told(inferred) if isinstance(inferred, Recognised) else inferred[0].logits[0]
        return Answered(canonical(msgspec.to_builtins(answer)), logits)

    def _parameters(self, text: str | None) -> Parameters:
        asked = Parameters(top_k=self._top_k, text=text)
        if self._find is None:
            return asked
        return Parameters(parts=(Part(self._find, Parameters()), Part(self._route, asked)))


def _told(recognised: Recognised) -> Floats:
    """Logits [C] that give the served probabilities at the bundle's temperature, whether or not the scene counted."""
    classifier: Classifier = recognised.asked.case.classifier
    probabilities = classifier.probabilities(recognised.inferred[0])
    temperature = classifier.bundle.manifest.calibration.temperature
    return temperature * np.log(np.maximum(probabilities, np.finfo(np.float64).tiny))


class Withheld:
    """A bundle that reads texts, asked without one: what serving never does, to show why it does not."""

    def __init__(self, folder: Path) -> None:
        self._image = read_manifest(folder).image
        self._run = run_of(folder)

    def __call__(self, photo: bytes, text: str | None = None) -> Answered:
        """The logits of one photo, with the text of no phrases."""
        try:
            pixels, _ = preprocess(photo, self._image.size_px, self._image.fit)
        except ImageError as error:
            raise Refused(str(error)) from error
        logits = np.asarray(self._run(pixels[None])["logits"][0], np.float64)
        return Answered(canonical({"best": int(logits.argmax())}), logits)


def run_of(folder: Path) -> Run:
    """The bundle's graph, told no phrases where it reads a text."""
    manifest = read_manifest(folder)
    graph = Graph(folder / manifest.graphs["main"])
    lengths = (manifest.text.phrases, manifest.text.words) if isinstance(manifest.text, TextInput) else None

    def run(images: Pixels) -> Outputs:
        phrases = None if lengths is None else np.zeros((len(images), *lengths), np.int64)
        return graph(Inputs(images, phrases))

    return run
