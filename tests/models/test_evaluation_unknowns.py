"""Unknown subjects: readers, scores by name, and style told apart from strangeness."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.evaluation.items import Item, Part
from models.evaluation.unknowns import (
    Seen,
    choose,
    judge_unknowns,
    other_birds,
    scores_of,
    see,
    sharpness,
    soften,
)
from models.preprocess import Pixels
from models.sections import Calibration
from models.training.pasting import encode

PX = 32


def noise(number: int, sigma: float) -> bytes:
    """A photo of noise, blurred."""
    pixels = np.random.default_rng(number).integers(0, 256, (64, 64, 3), np.uint8)
    return encode(cv2.GaussianBlur(pixels, (0, 0), sigma) if sigma else pixels)


def part(count: int, sigma: float, name: str = "x") -> Part:
    items = [Item(lambda n=number: noise(n, sigma), f"c{number % 4}", str(number)) for number in range(count)]  # type: ignore[misc]
    return Part(name, tuple(items))


def graph(images: Pixels) -> dict[str, np.ndarray]:
    """Two classes, told by red and green; the features are the mean colour."""
    mean = images.mean((1, 2)).astype(np.float32) / 32
    return {"logits": mean[:, :2], "features": mean}


def seen(logits: list[list[float]], features: list[list[float]], sharp: float = 0.0) -> Seen:
    return Seen(np.array(logits), np.array(features), np.full(len(logits), sharp))


def test_every_score_has_its_manifest_name() -> None:
    one = seen([[2.0, 0.0]], [[3.0, 4.0]])
    directions = np.array([[1.0, 0.0], [0.0, 1.0]])
    scores = scores_of(one, 2.0, directions)
    assert scores["max_softmax"].tolist() == pytest.approx([1 / (1 + np.exp(-1))])
    assert scores["energy"].tolist() == pytest.approx([2 * np.log(np.exp(1) + 1)])
    assert scores["height"].tolist() == pytest.approx([1.0])
    assert scores["distance"].tolist() == pytest.approx([0.8])
    assert "distance" not in scores_of(one, 2.0, None)


def apart() -> tuple[Seen, Seen, np.ndarray]:
    """Known and unknown photos whose features differ and whose logits do not, and the classes' directions."""
    random = np.random.default_rng(0)
    logits = random.normal(size=(200, 2))
    directions = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    known = Seen(logits, np.tile([1.0, 0.1, 0.0], (200, 1)) + random.normal(scale=0.05, size=(200, 3)), np.zeros(200))
    unknown = Seen(logits, np.tile([0.0, 0.1, 1.0], (200, 1)) + random.normal(scale=0.05, size=(200, 3)), np.ones(200))
    return known, unknown, directions


def test_the_score_that_sees_the_difference_is_chosen() -> None:
    known, unknown, directions = apart()
    assert choose(known, unknown, 1.0, directions).score == "distance"


def test_unknown_photos_are_judged_by_the_score_and_the_threshold_that_are_served() -> None:
    known, unknown, directions = apart()
    served = Calibration(score="distance", uncertain_below=0.9)
    found = judge_unknowns("others", known, unknown, served, directions, unknown)
    assert found.scores["distance"].value == found.flagged == 1.0
    assert found.scores["max_softmax"].value == pytest.approx(0.5)
    assert found.style == 1.0  # sharpness alone would do as well
    assert found.softened == 1.0
    assert judge_unknowns("others", known, unknown, Calibration(), directions).flagged == 0.0


def test_photos_are_seen_one_by_one_as_serving_sees_them() -> None:
    calls: list[None] = []
    found = see(graph, part(3, 0).items, PX, "squash", lambda: calls.append(None))
    assert found.logits.shape == (3, 2)
    assert found.features.shape == (3, 3)
    assert len(calls) == 3


def test_blurring_lowers_the_sharpness() -> None:
    images = [see(graph, part(4, sigma).items, PX, "squash", lambda: None).sharpness.mean() for sigma in (0, 1, 2)]
    assert images == sorted(images, reverse=True)
    assert sharpness(np.full((8, 8, 3), 9, np.uint8)) == pytest.approx(np.log(1e-6))


def test_sharper_photos_are_softened_to_the_known_ones() -> None:
    known = see(graph, part(30, 1.3).items, PX, "squash", lambda: None).sharpness
    softer = soften(part(30, 0), known, PX, "squash")
    assert softer is not None
    found = see(graph, softer.items, PX, "squash", lambda: None).sharpness
    assert np.median(found) == pytest.approx(np.median(known), abs=0.2)


def test_photos_that_are_not_sharper_stay_as_they_are() -> None:
    known = see(graph, part(10, 0).items, PX, "squash", lambda: None).sharpness
    assert soften(part(10, 2.0), known, PX, "squash") is None


@pytest.mark.data
def test_other_species_are_446_with_three_photos_each(data_folder: Path) -> None:
    birds = other_birds(data_folder / "birds525_few")
    assert len(birds.items) == 1338
    assert len({item.class_id for item in birds.items}) == 446
    assert birds.items[0].read()[:4] == b"RIFF"
