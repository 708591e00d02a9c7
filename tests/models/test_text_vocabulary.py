"""A vocabulary folds what people call by several names, says what it knows, and survives its file."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.manifest import BundleError
from models.text import (
    SYNONYMS,
    VOCABULARY_NAME,
    TextTooLong,
    Vocabulary,
    build_vocabulary,
    read_vocabulary,
    write_vocabulary,
)
from models.text.word_files import WORD_FILE_BYTES_LIMIT

TRAINING = ["red crown", "white belly", "black and white wings", "short bill", "small bird", "eyering"] * 3 + [
    "rare nape"
]


@pytest.fixture(scope="module")
def birds() -> Vocabulary:
    return build_vocabulary(TRAINING, minimum=2)


def ids(vocabulary: Vocabulary, *words: str) -> list[int]:
    row = [vocabulary.words.index(word) + 2 if word in vocabulary.words else 1 for word in words]
    return row + [0] * (vocabulary.length - len(row))


def test_words_below_the_minimum_are_unknown(birds: Vocabulary) -> None:
    assert {"rare", "nape"}.isdisjoint(birds.words)
    assert birds.heads == ("belly", "bill", "bird", "crown", "eyering", "wing")
    assert birds.alone == ("eyering",)
    assert birds.size == 2 + len(birds.words)


def test_phrases_become_rows_of_ids_with_zeros_behind(birds: Vocabulary) -> None:
    encoded = birds.encode(["red crown", "glowing belly"])
    assert encoded.shape == (12, 6)
    assert encoded.dtype == np.int64
    assert encoded[0].tolist() == ids(birds, "red", "crown")
    assert encoded[1].tolist() == [1, *ids(birds, "belly")[:-1]]
    assert not encoded[2:].any()


def test_the_last_words_of_a_long_phrase_are_kept(birds: Vocabulary) -> None:
    assert birds.encode(["short red white small black and white wings"])[0].tolist() == ids(
        birds, "white", "small", "black", "and", "white", "wing"
    )


def test_repeats_are_removed_before_phrases_are_counted(birds: Vocabulary) -> None:
    encoded = birds.encode(["short bill", "short beak", "short bill", "white belly"])
    assert encoded[1].tolist() == ids(birds, "white", "belly")


def test_more_phrases_than_the_model_reads_are_cut(birds: Vocabulary) -> None:
    assert birds.encode([f"strange{number} bill" for number in range(40)])[:, 1].all()


@pytest.mark.parametrize(("said", "known"), [("a stubby beak", "short bill"), ("its tummy is whitish", "white belly")])
def test_people_are_understood_in_their_own_words(birds: Vocabulary, said: str, known: str) -> None:
    assert (birds.encode(birds.known_phrases(said)) == birds.encode([known])).all()


@pytest.mark.parametrize(
    "text", ["", "😀", "my holiday", "这是一只鸟", "what bird is this?", "a rare nape", "a car with big wheels"]
)
def test_a_text_without_a_known_phrase_is_reported_by_an_empty_answer(birds: Vocabulary, text: str) -> None:
    assert birds.known_phrases(text) == ()


def test_a_noun_without_a_modifier_is_known_only_where_training_had_it_so(birds: Vocabulary) -> None:
    assert birds.known_phrases("a crown, a bill and an eyering") == ("eyering",)


def test_rows_of_known_phrases_are_in_their_order(birds: Vocabulary) -> None:
    known = birds.known_phrases("A red crown, my holiday, a pale red crown and a short beak.")
    assert known == ("red crown", "short beak")
    assert birds.encode(known)[1].tolist() == ids(birds, "short", "bill")


def test_a_text_that_is_too_long_is_refused(birds: Vocabulary) -> None:
    with pytest.raises(TextTooLong):
        birds.known_phrases("red crown " * 1_000)


@given(st.lists(st.text(max_size=30), max_size=20))
def test_any_phrases_can_be_encoded(phrases: list[str]) -> None:
    vocabulary = build_vocabulary(TRAINING, minimum=2)
    encoded = vocabulary.encode(phrases)
    assert ((encoded >= 0) & (encoded < vocabulary.size)).all()
    is_word = encoded > 0
    assert (is_word[:, :-1] >= is_word[:, 1:]).all()


def test_the_table_of_synonyms_is_at_rest() -> None:
    assert [word for word in SYNONYMS.values() if word in SYNONYMS] == []


def test_only_synonyms_of_its_words_are_in_a_vocabulary(birds: Vocabulary) -> None:
    assert "beak" in birds.synonyms
    assert "gray" not in birds.synonyms


def test_a_vocabulary_survives_its_file(birds: Vocabulary, tmp_path: Path) -> None:
    path = tmp_path / VOCABULARY_NAME
    write_vocabulary(path, birds)
    assert read_vocabulary(path) == birds


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"format": 2}, "format"),
        ({"words": ["red", "red"]}, "not unique"),
        ({"heads": ["door"]}, "door are not among the words"),
        ({"alone": ["red"]}, "red are not among the heads"),
        ({"words": ["two words"]}, "words.0"),
        ({"words": ["w" * 65]}, "words.0"),
        ({"phrases": 2}, "phrases"),
        ({"length": 33}, "length"),
        ({"synonyms": {"a b c": "red"}}, "synonyms"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_file_with_a_fault_is_refused_by_its_name(
    birds: Vocabulary, tmp_path: Path, change: dict[str, object], fault: str
) -> None:
    path = tmp_path / VOCABULARY_NAME
    path.write_text(json.dumps(birds.model_dump(mode="json") | change))
    with pytest.raises(BundleError, match=fault):
        read_vocabulary(path)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "file: "),
        (b" " * (WORD_FILE_BYTES_LIMIT + 1), "larger than 1,048,576 bytes"),
    ],
    ids=["cut", "bytes", "deep", "list", "large"],
)
def test_a_file_that_is_no_vocabulary_is_refused(tmp_path: Path, content: bytes, fault: str) -> None:
    path = tmp_path / VOCABULARY_NAME
    path.write_bytes(content)
    with pytest.raises(BundleError, match=fault):
        read_vocabulary(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot be read"):
        read_vocabulary(tmp_path / VOCABULARY_NAME)
