"""Texts of photos: each from its own photo alone, and a vocabulary that training fits to."""

from __future__ import annotations

from pathlib import Path
from random import Random

import torch

from models.text import read_phrases
from models.training.data import Dataset, Row
from models.training.texts import TextReader, TickedTexts, WrittenTexts, read_texts, vocabulary_of
from models.training.ticks import Attributes
from models.training.wording import Noise

ATTRIBUTES = Attributes(
    {
        "has_crown_color": ((0, "red"), (1, "black"), (2, "yellow")),
        "has_belly_color": ((3, "white"), (4, "grey"), (5, "brown")),
        "has_bill_shape": ((6, "cone"), (7, "dagger"), (8, "hooked")),
    },
    9,
)
#: Photos of one class, whose ticks differ.
STATES = {"1": "100100100", "2": "010010010", "3": "001001001"}
#: Enough photos with the same ticks for their words to be kept.
MANY = {f"{photo}{copy}": states for copy in "abc" for photo, states in STATES.items()}
LENGTHS = (12, 6)


def ticked(states: dict[str, str]) -> TickedTexts:
    return TickedTexts(states, ATTRIBUTES)


def test_photos_of_one_class_that_change_their_ticks_change_their_texts() -> None:
    texts = ticked(STATES)
    shuffled = ticked(dict(zip(STATES, [*list(STATES.values())[1:], STATES["1"]], strict=True)))
    reader = TextReader(texts, vocabulary_of(ticked(MANY), MANY, LENGTHS))
    other = TextReader(shuffled, reader.vocabulary)
    for photo in STATES:
        assert sorted(texts.said(photo)) != sorted(shuffled.said(photo))
        assert not torch.equal(reader.said([photo]), other.said([photo]))
        drawn, redrawn = (one.bent([photo] * 40, Random(1)) for one in (reader, other))
        assert not torch.equal(drawn, redrawn)


def test_the_text_of_a_photo_is_read_back_as_what_is_said_of_it() -> None:
    attributes = Attributes(
        {"has_shape": ((0, "duck-like"), (1, "tree-clinging-like")), "has_bill_shape": ((2, "all-purpose"),)}, 3
    )
    for states in ("101", "011", "001", "000"):
        texts = TickedTexts({"1": states}, attributes)
        assert read_phrases(texts.text("1")) == texts.said("1")
    written = WrittenTexts({"1": "A duck-like bird, with a red crown."})
    assert read_phrases(written.text("1")) == written.said("1")


def test_a_text_is_its_own_photos_whatever_the_others_say() -> None:
    alone = ticked({"1": STATES["1"]})
    assert alone.said("1") == ticked(STATES).said("1")
    noise = Noise()
    assert alone.bent("1", Random(5), noise) == ticked(STATES).bent("1", Random(5), noise)


def test_training_words_a_photo_anew_each_time_and_validation_does_not() -> None:
    texts = ticked(STATES)
    reader = TextReader(texts, vocabulary_of(ticked(MANY), MANY, LENGTHS))
    rng = Random(0)
    assert len({reader.bent(["1"], rng).numpy().tobytes() for _ in range(20)}) > 5
    assert torch.equal(reader.said(["1"]), reader.said(["1"]))
    assert reader.said(["1", "2"]).shape == (2, *LENGTHS)


def test_a_photo_without_ticks_has_no_text() -> None:
    texts = ticked(STATES)
    reader = TextReader(texts, vocabulary_of(ticked(MANY), MANY, LENGTHS))
    assert reader.said(["unknown photo"]).sum() == 0
    assert reader.bent(["unknown photo"], Random(0)).sum() == 0


def test_a_users_texts_are_read_from_their_column(tmp_path: Path) -> None:
    rows = tuple(
        Row(tmp_path / f"{number}.png", "a", "train", str(number), text=text)
        for number, text in enumerate(["a red bird with a long bill", "a red bird with a short bill", ""])
    )
    texts = read_texts(Dataset("folder", rows, ("a", "b")), tmp_path)
    assert isinstance(texts, WrittenTexts)
    assert texts.said("0") == ["red bird", "long bill"]
    assert texts.said("2") == []
    assert {"red", "bird", "bill"} <= set(vocabulary_of(texts, "012", LENGTHS).words)


def test_a_word_of_one_photo_alone_stays_unknown() -> None:
    texts = WrittenTexts({"0": "a red bird", "1": "a red bird", "2": "a purple bird"})
    words = vocabulary_of(texts, "012", LENGTHS).words
    assert "red" in words
    assert "purple" not in words
