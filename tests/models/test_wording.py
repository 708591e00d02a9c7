"""Sentences say what the phrases say, and the noise of training leaves a text that is still true."""

from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.text import SYNONYMS, build_vocabulary, read_phrases
from models.training.ticks import Attributes, draw_phrases, read_attributes, read_states
from models.training.wording import STRANGE_WORDS, Noise, bend, photo_sentence, training_phrases

COLOURS = ("brown", "grey", "black", "white", "red", "buff")
VALUES = {
    "has_size": ("small_(5_-_9_in)", "very_large_(32_-_72_in)"),
    "has_shape": ("chicken-like-marsh", "perching-like", "owl-like"),
    "has_bill_length": ("shorter_than_head", "longer_than_head"),
    "has_bill_shape": ("all-purpose", "cone", "curved_(up_or_down)"),
    "has_wing_pattern": ("multi-colored", "striped"),
    "has_tail_shape": ("fan-shaped_tail", "forked_tail"),
    "has_head_pattern": ("malar", "eyering", "plain"),
    **{
        f"has_{part}_color": COLOURS for part in ("primary", "bill", "wing", "belly", "upper_tail", "eye", "under_tail")
    },
}
NAMES = [(group, value) for group, values in VALUES.items() for value in values]
ATTRIBUTES = Attributes(
    {group: tuple((at, name) for at, (of, name) in enumerate(NAMES) if of == group) for group in VALUES}, len(NAMES)
)
STATES = st.text("01?", min_size=len(NAMES), max_size=len(NAMES))
SEEDS = st.integers(0, 2**32)
NONE = Noise(phrase=0, few=0, word=0, paraphrase=0, strange=0, sentence=0)


@given(STATES, SEEDS)
def test_a_sentence_is_read_back_as_the_phrases_that_it_was_made_of(states: str, seed: int) -> None:
    phrases = {str(phrase) for phrase in draw_phrases(states, ATTRIBUTES, Random(seed))}
    found = set(read_phrases(photo_sentence(states, ATTRIBUTES, Random(seed))))
    assert found <= phrases | {"bird"}
    assert bool(found) == bool(phrases)


def test_a_photo_without_ticks_has_no_sentence() -> None:
    assert photo_sentence("?" * len(NAMES), ATTRIBUTES, Random(0)) == ""
    assert training_phrases("0" * len(NAMES), ATTRIBUTES, Random(0), Noise()) == []


def test_without_noise_phrases_are_only_shuffled() -> None:
    phrases = ["red crown", "white belly", "black and white wings"]
    assert sorted(bend(phrases, Random(1), NONE)) == sorted(phrases)


@given(SEEDS)
def test_one_phrase_and_its_noun_are_always_left(seed: int) -> None:
    everything = Noise(phrase=1, few=1, word=1, paraphrase=0, strange=0)
    (left,) = bend(["black and white wings", "red crown"], Random(seed), everything)
    assert left in {"black wings", "white wings", "red crown"}


@given(SEEDS)
def test_dropping_words_leaves_no_and_that_joins_nothing(seed: int) -> None:
    (left,) = bend(
        ["brown black and white wings"], Random(seed), Noise(phrase=0, few=0, word=0.5, paraphrase=0, strange=0)
    )
    words = left.split()
    assert words[0] != "and"
    assert words[-2:-1] != ["and"]
    assert len(words) > 1


@given(SEEDS)
def test_a_paraphrase_means_the_same_to_a_vocabulary(seed: int) -> None:
    phrases = ["short grey bill", "small buff bird", "white belly", "black wings"]
    vocabulary = build_vocabulary(phrases * 2, minimum=1)
    said = bend(phrases, Random(seed), Noise(phrase=0, few=0, word=0, paraphrase=1, strange=0))
    rows = {tuple(row) for row in vocabulary.encode(said).tolist()}
    assert rows == {tuple(row) for row in vocabulary.encode(phrases).tolist()}


def test_strange_words_stand_before_the_noun() -> None:
    for seed in range(20):
        (said,) = bend(["white belly"], Random(seed), Noise(phrase=0, few=0, word=0, paraphrase=0, strange=1))
        assert set(said.split()) & set(STRANGE_WORDS)
        assert said.endswith(" belly")


def test_no_strange_word_is_known_under_another_name() -> None:
    assert set(STRANGE_WORDS).isdisjoint(SYNONYMS)


@pytest.mark.data
def test_sentences_of_real_photos_are_read_back(data_folder: Path) -> None:
    attributes = read_attributes(data_folder / "cub_birds" / "attributes.csv")
    states = read_states(data_folder / "cub_birds" / "image_attributes.csv.gz")
    for photo in list(states)[::10]:
        phrases = {str(phrase) for phrase in draw_phrases(states[photo], attributes, Random(photo))}
        found = set(read_phrases(photo_sentence(states[photo], attributes, Random(photo))))
        assert found <= phrases | {"bird"}
