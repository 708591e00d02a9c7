"""Subjects that a model was never taught: how well each score tells them from known ones, and what of it is style.

Known photos and unknown ones come from different collections, so a score can be right for the wrong reason: sharper photos,
not stranger birds. Two figures beside the score's own tell how much that may be: how well sharpness alone would do, and how
the score does after the unknown photos were softened to the sharpness of the known ones.

Owns the collections of unknown subjects and these figures; the scores are `models.calibration`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from models.calibration import (
    LOGIT_SCORES,
    Auroc,
    Floats,
    ScoreChoice,
    auroc,
    auroc_interval,
    choose_score,
    distance_scores,
)
from models.evaluation.faithfulness import Run
from models.evaluation.items import Item, Part
from models.preprocess import Fit, Pixels, decode, preprocess
from models.sections import Calibration
from models.training.data import read_csv
from models.training.pasting import encode

SIGMAS = (0.0, 0.4, 0.6, 0.8, 1.0, 1.3, 1.6, 2.0)  # of the softening, in pixels of the stored photo


@dataclass(frozen=True, slots=True)
class Seen:
    """What a graph made of photos: logits f64 [n, C], features f64 [n, D], and how sharp each photo is as it sees it."""

    logits: Floats
    features: Floats
    sharpness: Floats


@dataclass(frozen=True, slots=True)
class UnknownFigures:
    """Known photos against one collection of unknown ones; AUROCs by score, the rest by the served one.

    `flagged` is the share of unknown photos below the threshold, `style` the AUROC of sharpness alone, `softened` that of
    the served score on softened photos, or None where they are not sharper.
    """

    name: str
    photos: int
    scores: dict[str, Auroc]
    flagged: float
    style: float
    softened: float | None


def other_birds(root: Path) -> Part:
    """The photos of species that CUB-200-2011 does not have, from `birds525_few`.

    Raises:
        DataError: the table is missing.
    """
    lines = read_csv(root / "index.csv", ("path", "class"))
    items = (Item((root / line["path"]).read_bytes, line["class"], line["path"]) for line in lines)
    return Part("other species", tuple(items))


def see(run: Run, items: Sequence[Item], size_px: int, fit: Fit, advance: Callable[[], None]) -> Seen:
    """Put each photo to a graph on its own; `advance` is called after each."""
    logits, features, sharp = [], [], []
    for item in items:
        image, _ = preprocess(item.read(), size_px, fit)
        outputs = run(image[None])
        logits.append(np.asarray(outputs["logits"][0], np.float64))
        features.append(np.asarray(outputs["features"][0], np.float64))
        sharp.append(sharpness(image))
        advance()
    return Seen(np.array(logits), np.array(features), np.array(sharp))


def scores_of(seen: Seen, temperature: float, directions: Floats | None) -> dict[str, Floats]:
    """Every score of photos by its manifest name, the simplest first; the distance only where the classes' directions are known."""
    scores = {name: score(seen.logits, temperature) for name, score in LOGIT_SCORES.items()}
    return scores if directions is None else scores | {"distance": distance_scores(seen.features, directions)}


def choose(known: Seen, unknown: Seen, temperature: float, directions: Floats | None) -> ScoreChoice:
    """The best score on validation photos: held-out known ones, and unknown ones that are not reported on."""
    return choose_score(scores_of(known, temperature, directions), scores_of(unknown, temperature, directions))


def judge_unknowns(
    name: str,
    known: Seen,
    unknown: Seen,
    served: Calibration,
    directions: Floats | None,
    softer: Seen | None = None,
) -> UnknownFigures:
    """The figures of one collection by the score that is served; `softer` are its photos seen again through `soften`."""
    temperature, chosen = served.temperature, served.score
    threshold = -np.inf if served.uncertain_below is None else served.uncertain_below
    inside, outside = (scores_of(seen, temperature, directions) for seen in (known, unknown))
    return UnknownFigures(
        name=name,
        photos=len(unknown.logits),
        scores={score: auroc_interval(inside[score], outside[score]) for score in inside},
        flagged=float(np.mean(outside[chosen] < threshold)),
        style=auroc(-known.sharpness, -unknown.sharpness),
        softened=None if softer is None else auroc(inside[chosen], scores_of(softer, temperature, directions)[chosen]),
    )


def sharpness(image: Pixels) -> float:
    """How much fine detail a photo has, as its model sees it: the log variance of its grey values' Laplacian."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float(np.log(cv2.Laplacian(grey, cv2.CV_32F).var() + 1e-6))


def soften(part: Part, known_sharpness: Floats, size_px: int, fit: Fit) -> Part | None:
    """The photos blurred as much as brings their median sharpness next to the known ones'; None if they are not sharper."""
    sample = part.items[:: max(1, len(part.items) // 50)]
    aim = float(np.median(known_sharpness))
    gaps: Mapping[float, float] = {sigma: abs(_median_sharpness(sample, sigma, size_px, fit) - aim) for sigma in SIGMAS}
    best = min(gaps, key=lambda sigma: gaps[sigma])
    if best == 0:
        return None
    return Part(f"{part.name}, softened", tuple(_softened(item, best) for item in part.items))


def _median_sharpness(items: Sequence[Item], sigma: float, size_px: int, fit: Fit) -> float:
    images = (preprocess(_softened(item, sigma).read(), size_px, fit)[0] for item in items)
    return float(np.median([sharpness(image) for image in images]))


def _softened(item: Item, sigma: float) -> Item:
    if sigma == 0:
        return item
    return replace(item, read=lambda: _blurred(item.read(), sigma))


def _blurred(photo: bytes, sigma: float) -> bytes:
    return encode(np.asarray(cv2.GaussianBlur(decode(photo).pixels, (0, 0), sigma), np.uint8))
