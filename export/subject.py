"""What an export measures, and on which photos: the held-out tenth to fit on, the test parts to report on.

Owns the choice of both; who measures what on them stands in `export.evidence`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from export.parity import BATCHES
from export.scores import Preparation
from models.calibration import Damping
from models.evaluation.items import Part, parts_of
from models.evaluation.scenes import scene_part
from models.evaluation.texts import with_own
from models.training.data import DataError, Dataset, limited
from models.training.texts import PhotoTexts


@dataclass(frozen=True, slots=True)
class Photos:
    """The data of a run, with a text to each photo where the run reads them; `root` is where it lies."""

    dataset: Dataset
    root: Path
    texts: PhotoTexts | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured: the file, the model with the weights that the file stores, and the file before rounding.

    `damping` is that of the file's logits.
    """

    identity: str
    path: Path
    model: nn.Module
    preparation: Preparation
    photos: Photos
    exact: Path | None = None
    damping: Damping | None = None

    @property
    def class_ids(self) -> tuple[str, ...]:
        """The classes in the order of the outputs."""
        return self.photos.dataset.class_ids


@dataclass(frozen=True, slots=True)
class Trials:
    """The photos of an export: `held_out` to fit on, `tests` to report on, `explained` to judge explanations on.

    `limit` is the number of photos of a part where not all were taken.
    """

    held_out: tuple[Part, ...]
    tests: tuple[Part, ...]
    explained: Part | None
    limit: int | None


def choose_trials(
    photos: Photos, splits: Sequence[str], scenes: Path | None = None, explain: int = 0, limit: int | None = None
) -> Trials:
    """The parts of a data set to measure on, each photo with its own text where there are texts.

    `splits` test, `scenes` is a folder of photos to paste test crops into (nobody says anything of those), and `explain`
    so many fixed test photos judge explanations: whole ones where there are any.

    Raises:
        DataError: there are too few photos to check and calibrate with, or none to judge explanations on.
    """
    dataset = photos.dataset
    held_out = parts_of(dataset, "validation", limit=limit)
    count = sum(len(part.items) for part in held_out)
    if count < max(BATCHES):
        raise DataError(f"{dataset.name} has {count} validation photos; checking and calibrating need {max(BATCHES)}")
    tests = [part for split in splits for part in parts_of(dataset, split, limit=limit)]
    explained = _choose_explained(dataset, explain)
    if photos.texts is not None:
        texts = photos.texts
        held_out, tests, explained = (
            [with_own(part, texts) for part in parts] for parts in (held_out, tests, explained)
        )
    elif scenes is not None:
        tests.append(scene_part(limited(dataset.part("test", "crop"), limit), scenes))
    return Trials(tuple(held_out), tuple(tests), next(iter(explained), None), limit)


def _choose_explained(dataset: Dataset, count: int) -> list[Part]:
    """One part of so many photos, or no part."""
    if not count:
        return []
    parts = parts_of(dataset, "test", "whole", count) or parts_of(dataset, "test", limit=count)
    if not parts:
        raise DataError(f"{dataset.name} has no test photos to judge explanations on; leave --explain out")
    return parts[:1]
