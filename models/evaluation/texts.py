"""What is told a model beside each photo: its own words, none, another photo's, people's, or words about cars.

Owns the rows of an evaluation with text. A photo's own words come from that photo's ticks alone, as in training; people's
sentences exist for the test photos of ten classes only and are never trained on. What a text becomes in a model is
`models.text`'s part.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Literal

from models.evaluation.items import Item, Part
from models.training.data import DataError
from models.training.texts import PhotoTexts

#: `other` is a photo of another class, `shuffled` another photo of the same one.
TextKind = Literal["own", "none", "other", "shuffled", "human", "cars"]
SENTENCES = 3  # of people's ten on a photo, and of what is written about a car
CAPTIONS_NAME = "captions_classes_001-010.jsonl.gz"
CARS_NAME = "class_descriptions.json"


@dataclass(frozen=True, slots=True)
class Telling:
    """What to tell: `texts` are those of the photos; `root` holds people's sentences, `cars` what is said of cars."""

    kind: TextKind
    texts: PhotoTexts
    root: Path
    cars: Path | None = None


def tell(parts: Sequence[Part], telling: Telling) -> list[Part]:
    """Each part with the texts of one kind.

    Raises:
        DataError: the texts of that kind are not there.
    """
    texts = telling.texts
    if telling.kind == "human":
        captions = read_captions(telling.root)
        return [with_human(part, captions) for part in parts]
    if telling.kind == "cars":
        if telling.cars is None:
            raise DataError("texts about cars come from the folder of stanford_cars, which is not named")
        sentences = read_car_sentences(telling.cars)
        return [with_cars(part, sentences) for part in parts]
    if telling.kind == "none":
        return [with_none(part) for part in parts]
    if telling.kind == "own":
        return [with_own(part, texts) for part in parts]
    if telling.kind == "other":
        return [with_other(part, texts) for part in parts]
    return [with_shuffled(part, texts) for part in parts]


def with_own(part: Part, texts: PhotoTexts) -> Part:
    """Each photo with what its own ticks say, a phrase a sentence, or with what its owner wrote."""
    return _told(part, "own text", lambda item: texts.text(item.photo))


def with_none(part: Part) -> Part:
    """The photos alone, put to a model that knows texts."""
    return replace(part, name=f"{part.name}, text withheld")


def with_other(part: Part, texts: PhotoTexts, seed: int = 0) -> Part:
    """Each photo with the words of a random photo of another class."""
    rng = Random(seed)

    def draw(item: Item) -> str:
        others = [one.photo for one in part.items if one.class_id != item.class_id]
        if not others:
            raise DataError(f"{part.name} has one class only; there is no other to take a text from")
        return texts.text(rng.choice(others))

    return _told(part, "text of another class", draw)


def with_shuffled(part: Part, texts: PhotoTexts, seed: int = 0) -> Part:
    """Each photo with the words of another photo of its class, or its own where it is the only one."""
    rng = Random(seed)

    def draw(item: Item) -> str:
        others = [one.photo for one in part.items if one.class_id == item.class_id and one.photo != item.photo]
        return texts.text(rng.choice(others or [item.photo]))

    return _told(part, "text of another photo of the class", draw)


def with_human(part: Part, captions: dict[str, list[str]]) -> Part:
    """Those photos that people described, with the first of their sentences."""
    described = Part(part.name, tuple(item for item in part.items if item.photo in captions))
    return _told(described, "people's sentences", lambda item: ". ".join(captions[item.photo][:SENTENCES]))


def with_cars(part: Part, sentences: Sequence[str], seed: int = 0) -> Part:
    """Each photo with random sentences about cars."""
    rng = Random(seed)
    return _told(part, "text about cars", lambda _: " ".join(rng.sample(sentences, SENTENCES)))


def read_captions(root: Path) -> dict[str, list[str]]:
    """People's sentences by photo, of the test photos that have them.

    Raises:
        DataError: the file is missing or a line is not as it should be.
    """
    path = root / CAPTIONS_NAME
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        return {str(line["image_id"]): list(line["captions"]) for line in lines if line["split"] == "test"}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} cannot be read as sentences on photos") from error


def read_car_sentences(root: Path) -> list[str]:
    """What was written about car models.

    Raises:
        DataError: the file is missing or is not as it should be.
    """
    path = root / CARS_NAME
    try:
        classes = json.loads(path.read_bytes())["classes"]
        return [sentence for one in classes for sentence in one["gpt4_adaptclipzs"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} cannot be read as sentences about cars") from error


def _told(part: Part, row: str, text: Callable[[Item], str]) -> Part:
    return Part(f"{part.name}, {row}", tuple(replace(item, text=text(item)) for item in part.items))
