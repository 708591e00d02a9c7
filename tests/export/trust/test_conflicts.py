"""The rule for texts that do not fit is fitted by a student's sight, and catches another class's text."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest

from export.runtime import Inputs, Outputs
from export.scores import Preparation
from export.subject import Photos, choose_trials
from export.trust.companions import Companion
from export.trust.conflicts import fit_conflicts
from models.evaluation import conflicts
from models.text import Vocabulary
from models.training.data import Dataset, Row
from models.training.wording import Noise
from tests.photosets import TINY_PX, write_photo

COLOURS = {"green": (40, 210, 40), "red": (210, 40, 40)}
SAID = {"green": ["grey bill", "black wing"], "red": ["red bill", "black crown"]}
COUNTS = {"train": 8, "validation": 10, "test": 6}
VOCABULARY = Vocabulary(words=("bill", "red", "grey", "crown", "wing", "black"), heads=("bill", "crown", "wing"))


class ClassTexts:
    """Every photo says what its class looks like; its name begins with the class."""

    def said(self, photo: str) -> list[str]:
        """Two phrases."""
        return SAID[photo.partition("-")[0]]

    def text(self, photo: str) -> str:
        """The phrases, a sentence each."""
        return ". ".join(self.said(photo))

    def bent(self, photo: str, rng: Random, noise: Noise) -> list[str]:
        """The same."""
        return self.said(photo)


@pytest.fixture
def photos(tmp_path: Path) -> Photos:
    rows = []
    for split, count in COUNTS.items():
        for name, colour in COLOURS.items():
            for number in range(count):
                photo = f"{name}-{split}-{number}"
                path = write_photo(tmp_path / f"{photo}.png", colour, len(rows))
                rows += [Row(path, name, split, photo, framing) for framing in ("crop", "whole")]
    return Photos(Dataset("colours", tuple(rows), tuple(COLOURS)), tmp_path, ClassTexts())


def see(inputs: Inputs) -> Outputs:
    """A student that tells green from red, equally sure each time."""
    mean = inputs.images.mean((1, 2)).astype(np.float32) / 255
    return {"logits": 8 * (mean[:, [1, 0]] > 0.5).astype(np.float32), "features": mean}


def test_another_class_s_text_is_caught_on_the_test_photos(photos: Photos) -> None:
    student = Companion("student@1.0.0", tuple(COLOURS), Preparation(TINY_PX, "squash"), see, temperature=1.0)
    trials = choose_trials(photos, ("test",))
    assert photos.texts is not None
    found = fit_conflicts(student, photos.dataset, photos.texts, VOCABULARY, trials)
    assert found.rule.table.traits == ("bill grey", "bill red", "crown black", "wing black")
    assert found.student == "student@1.0.0"
    assert found.part == "test crop, own text"
    assert found.figures is not None
    assert (found.figures.photos, found.figures.caught, found.figures.false_alarms) == (12, 1.0, 0.0)


def test_a_photo_is_counted_once_however_many_views_it_has(photos: Photos, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []
    fit = conflicts.fit_table
    monkeypatch.setattr(conflicts, "fit_table", lambda said, *rest: (counted.append(len(said)), fit(said, *rest))[1])
    student = Companion("student@1.0.0", tuple(COLOURS), Preparation(TINY_PX, "squash"), see)
    assert photos.texts is not None
    found = fit_conflicts(student, photos.dataset, photos.texts, VOCABULARY, choose_trials(photos, ()))
    assert counted == [16]
    assert found.figures is None
