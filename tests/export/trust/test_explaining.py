"""Explanations are judged with each photo's own text, and point where people marked the subject."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from export.runtime import Inputs, Outputs
from export.scores import Preparation
from export.subject import Photos
from export.trust.explaining import judge_explanations, places_in
from models.evaluation.items import Item, Part
from models.evaluation.places import Place
from models.text import Vocabulary
from models.training.data import Dataset

SIZE = 64
CORNER = slice(0, 16)
VOCABULARY = Vocabulary(phrases=3, length=2, words=("red", "grey", "crown"), heads=("crown",))


class TextualCorner:
    """Sees class 1 as far as the top left corner is a fine board, and says so; keeps the first word that it is told."""

    def __init__(self) -> None:
        self.told: list[set[int]] = []

    def __call__(self, inputs: Inputs) -> Outputs:
        """Logits by the contrast in the corner."""
        assert inputs.phrases is not None
        self.told.append(set(inputs.phrases[:, 0, 0].tolist()))
        contrast = inputs.images[:, CORNER, CORNER, 0].astype(np.float32).std((1, 2)) / 16
        logits = np.stack([np.full(len(contrast), 2.0, np.float32), contrast], axis=1)
        cells = np.zeros((len(contrast), 4, 4), np.float32)
        cells[:, 0, 0] = 1
        return {"logits": logits, "activation": cells}


def board(number: int) -> bytes:
    """A fine board, as PNG."""
    pixels = (np.indices((SIZE, SIZE)).sum(0) % 2 * 200).astype(np.uint8) + np.uint8(number)
    buffer = io.BytesIO()
    Image.fromarray(np.repeat(pixels[:, :, None], 3, axis=2)).save(buffer, "PNG")
    return buffer.getvalue()


def item(number: int) -> Item:
    return Item(lambda: board(number), "a", str(number), f"a {('red', 'grey')[number % 2]} crown")


def test_a_photo_keeps_its_text_while_it_is_blurred() -> None:
    ask = TextualCorner()
    part = Part("test whole, own text", tuple(map(item, range(6))))
    place = Place("0", 100, 100, 0.0, 0.0, 0.5, 0.5, ((0.1, 0.1),))
    found = judge_explanations(ask, Preparation(SIZE, "squash", VOCABULARY), part, 1.0, {"0": place})
    assert found.part == "test whole, own text"
    assert found.faithfulness.count == 6
    assert found.faithfulness.is_faithful
    red, grey = (VOCABULARY.encode([word])[0, 0] for word in ("red", "grey"))
    a_photo = len(ask.told) // 6
    assert ask.told == [words for number in range(6) for words in [{(red, grey)[number % 2]}] * a_photo]
    assert found.pointing is not None
    assert (found.pointing.box.count, found.pointing.box.value, found.pointing.middle_box.value) == (1, 1.0, 1.0)
    assert found.pointing.part.value == 1.0
    assert found.pointing.middle_part.value == 0.0


def test_without_marks_nothing_is_pointed_at() -> None:
    part = Part("test whole", (item(0),))
    found = judge_explanations(TextualCorner(), Preparation(SIZE, "squash", VOCABULARY), part, 1.0, {})
    assert found.pointing is None


@pytest.mark.parametrize(("name", "fit"), [("folder", "squash"), ("cub_birds", "crop")])
def test_marks_hold_for_the_birds_as_they_are_squashed(name: str, fit: str) -> None:
    photos = Photos(Dataset(name, ()), Path("nowhere"))
    assert places_in(photos, Preparation(SIZE, fit)) == {}  # type: ignore[arg-type]
