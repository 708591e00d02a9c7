"""Texts put beside photos: each row tells what its name says, from the right photo, the same each time."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from random import Random

import pytest

from models.evaluation.items import Item, Part
from models.evaluation.texts import (
    read_captions,
    read_car_sentences,
    with_cars,
    with_human,
    with_none,
    with_other,
    with_own,
    with_shuffled,
)
from models.training.data import DataError
from models.training.wording import Noise

PART = Part("test crop", tuple(Item(bytes, name[0], name) for name in ("a1", "a2", "a3", "b1", "b2", "c1")))


class OwnName:
    """Says the photo's name."""

    def said(self, photo: str) -> list[str]:
        """Two phrases."""
        return [f"{photo} bill", "crest"]

    def text(self, photo: str) -> str:
        """The phrases, a sentence each."""
        return ". ".join(self.said(photo))

    def bent(self, photo: str, rng: Random, noise: Noise) -> list[str]:
        """Not asked for in evaluation."""
        raise AssertionError


def told(part: Part) -> list[str]:
    return [(item.text or "").split()[0] for item in part.items]


def test_a_photo_s_own_words_are_its_own() -> None:
    part = with_own(PART, OwnName())
    assert part.name == "test crop, own text"
    assert told(part) == [item.photo for item in PART.items]
    assert part.items[0].text == "a1 bill. crest"


def test_another_text_is_of_another_class_and_a_shuffled_one_of_the_same() -> None:
    for item, name in zip(PART.items, told(with_other(PART, OwnName())), strict=True):
        assert name[0] != item.class_id
    for item, name in zip(PART.items, told(with_shuffled(PART, OwnName())), strict=True):
        assert name[0] == item.class_id
        assert (name != item.photo) is (item.photo != "c1")
    assert told(with_other(PART, OwnName())) == told(with_other(PART, OwnName()))


def test_one_class_has_no_other() -> None:
    with pytest.raises(DataError, match="one class only"):
        with_other(Part("x", PART.items[:3]), OwnName())


def test_a_withheld_text_is_none() -> None:
    assert [item.text for item in with_none(PART).items] == [None] * 6


def test_people_s_sentences_restrict_the_photos(tmp_path: Path) -> None:
    lines = [
        {"image_id": "a1", "split": "test", "captions": ["one", "two", "three", "four"]},
        {"image_id": "b1", "split": "train", "captions": ["no"]},
    ]
    with gzip.open(tmp_path / "captions_classes_001-010.jsonl.gz", "wt") as file:
        file.write("".join(json.dumps(line) + "\n" for line in lines))
    part = with_human(PART, read_captions(tmp_path))
    assert [(item.photo, item.text) for item in part.items] == [("a1", "one. two. three")]


def test_sentences_about_cars_come_from_what_was_written_about_them(tmp_path: Path) -> None:
    written = {"classes": [{"gpt4_adaptclipzs": ["A car.", "Wheels."]}, {"gpt4_adaptclipzs": ["A roof."]}]}
    (tmp_path / "class_descriptions.json").write_text(json.dumps(written))
    part = with_cars(PART, read_car_sentences(tmp_path))
    assert sorted((part.items[0].text or "").split()) == ["A", "A", "Wheels.", "car.", "roof."]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="sentences on photos"):
        read_captions(tmp_path)
    with pytest.raises(DataError, match="sentences about cars"):
        read_car_sentences(tmp_path)


@pytest.mark.data
def test_people_described_the_test_photos_of_ten_classes(data_folder: Path) -> None:
    captions = read_captions(data_folder / "cub_birds")
    assert len(captions) == 243
    assert {len(sentences) for sentences in captions.values()} == {10}
    assert len(read_car_sentences(data_folder / "stanford_cars")) > 1000
