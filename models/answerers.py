"""Who answers in an evaluation: the engine that serves, so that what is measured is what is served; a bare graph; a run.

Owns the border between `models.evaluation`, which takes any answerer, and the engine.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import cast

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from export.runtime import Graph, Inputs
from models.calibration import Floats, softmax
from models.cutting import cut
from models.evaluation.asking import LANES, Answered, Refused, Said
from models.evaluation.faithfulness import Run
from models.evaluation.heat import Outputs
from models.evaluation.remote import canonical
from models.manifest import read_classifier, read_manifest
from models.preprocess import ImageError, Photo, Pixels, decode, fit_pixels, preprocess
from models.rams_trans import RAMSTrans
from models.s3n import ENTROPY_GATE, S3N
from models.sections import Arithmetic, TextInput
from models.text import VOCABULARY_NAME, read_vocabulary
from models.training.data import DataError
from models.training.features import PhotoMaps
from models.training.losses import logits_of
from models.training.runs import load_model
from models.training.views import to_tensor
from service.answers import Parameters, Part
from service.catalog import AUTO, SUBJECT, domain_route
from service.engine.backends.base import EngineError
from service.engine.engine import Engine
from service.engine.tasks.classifier import Classifier
from service.engine.tasks.subject import Recognised
from service.errors import FieldmarkError
from service.gateway.fields import TOP_K_LIMIT

#: Classes told of each photo: all that a request may ask for.
CLASSES_TOLD = TOP_K_LIMIT
#: Shares of a photo's sides that the views of a vote show.
VIEW_SHARES = (1.0, 0.8, 0.6)


class EngineAnswers:
    """The engine in this process as an answerer: the three steps that a worker takes, with the logits kept.

    `store` is the folder of bundles, `route` what a request would be queued under; every class is told that a service may be
    asked for. With `locate` the bundle is shown what a detector of the store finds.
    """

    def __init__(self, store: Path, route: str, locate: bool = False, arithmetic: Arithmetic = "exact") -> None:
        self._plan = Engine([store], arithmetic=arithmetic).plan(SUBJECT if locate else route)
        self._route = route
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
        asked = Parameters(top_k=CLASSES_TOLD, text=text)
        if self._find is None:
            return asked
        return Parameters(parts=(Part(self._find, Parameters()), Part(self._route, asked)))


def _told(recognised: Recognised) -> Floats:
    """Logits [C] that give the served probabilities at the bundle's temperature, whether or not the scene counted."""
    classifier: Classifier = recognised.asked.case.classifier
    probabilities = classifier.probabilities(recognised.inferred[0])
    temperature = classifier.bundle.manifest.calibration.temperature
    return temperature * np.log(np.maximum(probabilities, np.finfo(np.float64).tiny))


class Bare:
    """A bundle's graph, asked about photos alone as no service does: one that reads texts, without; a router, by itself."""

    def __init__(self, folder: Path) -> None:
        self._image = read_manifest(folder).image
        self._run = run_of(folder)

    def __call__(self, photo: bytes, text: str | None = None) -> Answered:
        """The logits of one photo, with the text of no phrases where the graph reads one."""
        try:
            pixels, _ = preprocess(photo, self._image.size_px, self._image.fit)
        except ImageError as error:
            raise Refused(str(error)) from error
        logits = np.asarray(self._run(pixels[None])["logits"][0], np.float64)
        return Answered(canonical({"best": int(logits.argmax())}), logits)


class Voting:
    """A bundle that is shown the photo and two middles of it, and averages: the control for what looks three times.

    It computes as much as such a system and chooses nothing. The logits that it gives yield the mean probabilities at the
    bundle's temperature.
    """

    def __init__(self, folder: Path) -> None:
        manifest = read_manifest(folder)
        self._image = manifest.image
        self._temperature = manifest.calibration.temperature
        self._run = run_of(folder)

    def __call__(self, photo: bytes, text: str | None = None) -> Answered:
        """The logits of one photo."""
        need_px = math.ceil(self._image.size_px / min(VIEW_SHARES))
        try:
            whole = decode(photo, need_px)
        except ImageError as error:
            raise Refused(str(error)) from error
        size_px = self._image.size_px
        middles = (cut(whole, _middle(whole, share), size_px) for share in VIEW_SHARES)
        views = [fit_pixels(one.pixels, size_px, self._image.fit, (one.width, one.height)) for one in middles]
        logits = np.asarray(self._run(np.stack(views))["logits"], np.float64)
        mean = softmax(logits, self._temperature).mean(axis=0)
        told = self._temperature * np.log(np.maximum(mean, np.finfo(np.float64).tiny))
        return Answered(canonical({"best": int(told.argmax())}), told)


def _middle(photo: Photo, share: float) -> tuple[int, int, int, int]:
    """So large a share of both sides around the middle: left, top, right and bottom in pixels of the photo."""
    across, down = round(photo.width * (1 - share) / 2), round(photo.height * (1 - share) / 2)
    return across, down, photo.width - across, photo.height - down


class RunAnswers:
    """The averaged model of a training run, before any export: a row of an ablation needs no bundle.

    With `maps` a frozen backbone's maps of the photos are kept there, and read where another run had them made. Of S3N and
    RAMS-Trans each look is heard apart, too; exported graphs leave these heads out.
    """

    def __init__(self, folder: Path, maps: Path | None = None) -> None:
        """Raises DataError where the folder holds no run, or maps are to be kept of a backbone that learnt."""
        record, model, _ = load_model(folder)
        if maps is not None and not record.frozen:
            raise DataError(f"the backbone of {folder} has learnt, and nobody shares its maps; leave --frozen out")
        self._size_px, self._fit = record.size_px, record.fit
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model = model.to(self._device)
        self._maps: PhotoMaps | None = None
        if maps is not None:
            self._maps = PhotoMaps(cast("nn.Module", model.backbone), record.size_px, record.fit, maps)
            model.backbone = nn.Identity()
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // LANES))  # photos are asked side by side
        self._vocabulary = None if record.words is None else read_vocabulary(folder / VOCABULARY_NAME)

    @property
    def learnt(self) -> dict[str, float]:
        """Numbers of its own that the model has learnt: S3N's widths of the attention, beta of its equation (6)."""
        if not isinstance(self._model, S3N):
            return {}
        discriminative, complementary = self._model.beta.tolist()
        return {"beta, discriminative": discriminative, "beta, complementary": complementary}

    def __call__(self, photo: bytes, text: str | None = None) -> Answered:
        """The logits of one photo, with the text where the model reads it."""
        try:
            seen = self._see(photo).to(self._device)
        except ImageError as error:
            raise Refused(str(error)) from error
        phrases = None
        if self._vocabulary is not None:
            ids = self._vocabulary.encode(self._vocabulary.known_phrases(text or ""))
            phrases = torch.from_numpy(ids)[None].to(self._device)
        with torch.inference_mode():
            found, said = _listen(self._model, seen, phrases)
        logits = found[0].double().cpu().numpy()
        return Answered(canonical({"best": int(logits.argmax())}), logits, said)

    def _see(self, photo: bytes) -> Tensor:
        """What the model takes: the photo, or what its backbone made of it."""
        if self._maps is not None:
            return self._maps(photo)
        return to_tensor([preprocess(photo, self._size_px, self._fit)[0]])


def _listen(model: nn.Module, seen: Tensor, phrases: Tensor | None) -> tuple[Tensor, Said | None]:
    """The logits f32 [1, C] of one photo; of a model that looks more than once, what each look says by itself, too.

    Both scales of RAMS-Trans count by their mean probability.
    """
    if isinstance(model, S3N):
        looks = model(seen)
        rules = {"the top class alone makes the map": bool(looks.peaks.entropy < ENTROPY_GATE)}
        names = ("raw", "discriminative", "complementary")
        return looks.logits, Said({name: int(getattr(looks, name).argmax()) for name in names}, rules)
    if isinstance(model, RAMSTrans):
        first = model.explain(seen)
        second = model.closer(seen, first.box_px)
        both = first.logits.softmax(1) + second.softmax(1)
        picks = {"the region alone": int(second.argmax()), "both scales": int(both.argmax())}
        is_whole = bool((first.region == torch.tensor([0.0, 0.0, 1.0, 1.0]).to(seen)).all())
        return first.logits, Said(picks, {"the region is the whole photo": is_whole})
    return logits_of(model, seen, phrases), None


def run_of(folder: Path) -> Run:
    """The bundle's graph, told no phrases where it reads a text."""
    manifest = read_classifier(folder)
    graph = Graph(folder / manifest.graphs["main"])
    lengths = (manifest.text.phrases, manifest.text.words) if isinstance(manifest.text, TextInput) else None

    def run(images: Pixels) -> Outputs:
        phrases = None if lengths is None else np.zeros((len(images), *lengths), np.int64)
        return graph(Inputs(images, phrases))

    return run
