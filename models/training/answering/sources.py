"""The materials that an answerer learns from: which questions there are, about which pictures.

Owns the choice of sources and how much of each is taken. Each question keeps its source in its kind, and its photo's
name is unique among all. The questions of a material are always the same ones, whatever the seed of a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from models.preprocess import Pixels
from models.training import sort_of_clevr
from models.training.daquar import read_daquar
from models.training.data import DataError
from models.training.questions import Question
from models.training.recipes.answering import Material
from models.training.scene_questions import scene_questions
from models.training.subject_questions import bird_questions, car_questions
from models.training.voc import read_voc

QUESTIONS_SEED = 12
#: Of the cars' photos every n-th is asked about: a few thousand show what a make looks like, and cells take time.
_CARS_STEP = {"train": 2, "validation": 1, "test": 4}


@dataclass(frozen=True, slots=True)
class Asked:
    """Questions of one source, and the pictures that are asked about where they are drawn and not stored.

    `drawn` is uint8 [n, S, S, 3] in the order in which the questions first name their photos.
    """

    source: str
    questions: tuple[Question, ...]
    drawn: Pixels | None = None


def read_material(material: Material, root: Path | None, limit: int | None = None) -> list[Asked]:
    """The sources of a material; `limit` takes so many photos of each part of each, for a trial.

    `root` is the folder of DAQUAR, or for the mixed material the one in which the four collections lie.

    Raises:
        DataError: there is no folder, or something in it cannot be read.
    """
    if material == "sort_of_clevr":
        return [drawn_scenes(limit)]
    if root is None:
        raise DataError(f"{material} needs --data: the folder of {_NEEDS[material]}")
    if material == "daquar":
        return [_asked("rooms", read_daquar(root), limit)]
    return [
        _asked("rooms", read_daquar(root / "daquar"), limit),
        _asked("scenes", scene_questions(read_voc(root / "voc"), QUESTIONS_SEED), limit),
        _asked("birds", bird_questions(root / "cub_birds", QUESTIONS_SEED), limit),
        _asked("cars", list(_some_cars(car_questions(root / "stanford_cars", QUESTIONS_SEED))), limit),
    ]


_NEEDS = {"daquar": "DAQUAR", "mixed": "daquar, voc, cub_birds and stanford_cars"}


def drawn_scenes(limit: int | None = None) -> Asked:
    """Sort-of-CLEVR: three parts, each from its own seed; a question's kind is its subtype."""
    questions: list[Question] = []
    pictures: list[Pixels] = []
    for split, (count, seed) in sort_of_clevr.PARTS.items():
        scenes = sort_of_clevr.generate_scenes(min(count, limit or count), seed)
        for number, scene in enumerate(scenes):
            pictures.append(scene.draw())
            photo = f"{split}/{number}"
            questions += (
                Question(Path(photo), photo, split, one.text, (one.answer,), f"{one.kind} {one.subtype}")
                for one in scene.questions
            )
    return Asked("drawn", tuple(questions), np.stack(pictures))


def _some_cars(questions: Iterable[Question]) -> Iterator[Question]:
    """Every n-th photo of a part with all its questions."""
    seen: dict[str, dict[str, int]] = {}
    for one in questions:
        numbers = seen.setdefault(one.split, {})
        if numbers.setdefault(one.photo, len(numbers)) % _CARS_STEP[one.split] == 0:
            yield one


def _asked(source: str, questions: Sequence[Question], limit: int | None) -> Asked:
    if limit is not None:
        questions = _limited(questions, limit)
    named = (replace(one, photo=f"{source}/{one.photo}", kind=f"{source} {one.kind}") for one in questions)
    return Asked(source, tuple(named))


def _limited(questions: Sequence[Question], limit: int) -> list[Question]:
    """The questions about the first photos of each part."""
    photos: dict[str, dict[str, None]] = {}
    for one in questions:
        photos.setdefault(one.split, {})[one.photo] = None
    kept = {photo for names in photos.values() for photo in list(names)[:limit]}
    return [one for one in questions if one.photo in kept]
