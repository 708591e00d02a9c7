"""Expressions as word pieces: BERT's way of taking words apart, whole words up to the length, and what was unknown."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.manifest import BundleError
from models.text.expressions import (
    CLS,
    FIRST_PIECE,
    SEP,
    SPECIAL_PIECES,
    PieceVocabulary,
    cut_vocabulary,
    piece_words,
)
from models.text.questions import QuestionVocabulary
from models.text.tokens import TEXT_CHARACTERS_LIMIT, TextTooLong
from models.text.word_files import read_words, write_words

PIECES = ("the", "dog", "##s", "un", "##aff", "##able", "cafe", "-", "left", "\u9e1f")
WORDS = PieceVocabulary(length=8, pieces=PIECES)
PLACE = {piece: number for number, piece in enumerate(WORDS.pieces, FIRST_PIECE)}


def ids(*pieces: str) -> list[int]:
    return [PLACE[piece] for piece in pieces]


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("The Dog", ["the", "dog"]),
        ("caf\u00e9-dog's", ["cafe", "-", "dog", "'", "s"]),
        ("\u7ea2\u8272 dog", ["\u7ea2", "\u8272", "dog"]),
        ("a\u00a0b\tc\x00d", ["a", "b", "c", "d"]),
        (" ", []),
        ("\u00bfdog\u2026", ["\u00bf", "dog", "\u2026"]),
    ],
)
def test_words_are_bare_and_signs_stand_alone(expression: str, words: list[str]) -> None:
    assert piece_words(expression) == words


def test_a_word_is_the_longest_pieces_from_the_left() -> None:
    assert WORDS.split("unaffable") == ids("un", "##aff", "##able")
    assert WORDS.split("dogs") == ids("dog", "##s")
    assert WORDS.split("unaffordable") == [1]
    assert WORDS.split("d" * 101) == [1]


def test_an_expression_is_framed_and_padded() -> None:
    found = WORDS.encode("The dogs \u9e1f")
    assert found.tokens.tolist() == [CLS, *ids("the", "dog", "##s", "\u9e1f"), SEP, 0, 0]
    assert found.mask.tolist() == [1, 1, 1, 1, 1, 1, 0, 0]
    assert (found.words, found.unknown, found.read, found.is_known) == (3, (), None, True)


def test_whole_words_are_cut_and_told() -> None:
    found = WORDS.encode("the the left dogs unaffable")
    assert found.tokens.tolist() == [CLS, *ids("the", "the", "left", "dog", "##s"), SEP, 0]
    assert found.read == "the the left dogs"
    assert WORDS.encode("the the left dogs dog").read is None


def test_unknown_words_are_named() -> None:
    found = WORDS.encode("the purple dog")
    assert (found.unknown, found.is_known) == (("purple",), True)
    assert not WORDS.encode("\u7ea2\u8272").is_known
    assert not WORDS.encode("").is_known


@given(st.text(max_size=60))
def test_any_string_is_an_expression(text: str) -> None:
    found = WORDS.encode(text)
    assert found.tokens.shape == found.mask.shape == (8,)
    assert found.tokens[0] == CLS
    assert found.tokens[int(found.mask.sum()) - 1] == SEP


def test_only_the_length_has_a_limit() -> None:
    with pytest.raises(TextTooLong):
        WORDS.encode("x" * (TEXT_CHARACTERS_LIMIT + 1))


def test_a_published_vocabulary_is_cut_to_what_is_used() -> None:
    published = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "a", "dog", "##s", "cat"]
    cut = cut_vocabulary(["Dogs", "a dog"], published, length=24)
    assert cut.pieces == ("a", "dog", "##s")
    assert cut.rows(published) == [0, 2, 3, 4, 5, 6, 7]
    with pytest.raises(ValueError, match="lacks dog, ##s"):
        cut.rows([*SPECIAL_PIECES, "a"])


def test_the_file_is_strict_and_of_one_kind(tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.json"
    write_words(path, WORDS)
    assert read_words(path, PieceVocabulary) == WORDS
    with pytest.raises(BundleError) as caught:
        read_words(path, QuestionVocabulary)
    assert any("kind" in fault for fault in caught.value.faults)


@pytest.mark.parametrize(("pieces", "fault"), [(("a", "a"), "not unique"), (("a", "[CLS]"), "ids of their own")])
def test_pieces_are_unique_and_not_special(pieces: tuple[str, ...], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        PieceVocabulary(pieces=pieces)
