"""Questions as word ids: what is known, what is cut, and that any text is read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.text import TEXT_CHARACTERS_LIMIT, TextTooLong
from models.text.questions import QuestionVocabulary, build_question_vocabulary, question_words

VOCABULARY = QuestionVocabulary(length=6, words=("what", "colour", "is", "the", "bird", "crown"))


def test_words_become_ids_and_signs_are_passed_over() -> None:
    encoded = VOCABULARY.encode("What colour is the CROWN ?")
    assert encoded.tokens.tolist() == [2, 3, 4, 5, 7, 0]
    assert encoded.mask.tolist() == [1, 1, 1, 1, 1, 0]
    assert (encoded.known, encoded.is_cut) == (5, False)
    assert encoded.tokens.dtype == np.int64
    assert encoded.mask.dtype == np.float32


def test_an_unknown_word_is_read_as_such() -> None:
    encoded = VOCABULARY.encode("what eats the bird")
    assert encoded.tokens.tolist() == [2, 1, 5, 6, 0, 0]
    assert encoded.known == 3


def test_what_is_too_long_is_cut_and_said_so() -> None:
    assert VOCABULARY.encode("the " * 6).is_cut is False
    encoded = VOCABULARY.encode("the " * 6 + "bird")
    assert encoded.is_cut is True
    assert encoded.tokens.tolist() == [5] * 6


@pytest.mark.parametrize("text", ["", "   ", "?!", "\u200b", "🐦"])
def test_a_text_without_words_is_all_padding(text: str) -> None:
    encoded = VOCABULARY.encode(text)
    assert encoded.mask.sum() == 0
    assert encoded.known == 0


def test_another_language_has_words_but_none_that_is_known() -> None:
    encoded = VOCABULARY.encode("这只鸟是什么颜色")
    assert encoded.known == 0
    assert encoded.mask.sum() > 0


def test_a_possessive_is_a_word_of_its_own() -> None:
    assert question_words("What colour is the bird's crown?") == ["what", "colour", "is", "the", "bird", "'s", "crown"]


def test_a_text_above_the_limit_is_refused() -> None:
    with pytest.raises(TextTooLong):
        VOCABULARY.encode("a" * (TEXT_CHARACTERS_LIMIT + 1))


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    encoded = VOCABULARY.encode(text)
    length = int(encoded.mask.sum())
    assert (encoded.mask[:length] == 1).all()
    assert (encoded.tokens[:length] >= 1).all()
    assert (encoded.tokens[length:] == 0).all()
    assert encoded.tokens.max(initial=0) < VOCABULARY.size


def test_the_vocabulary_holds_frequent_words_the_most_frequent_first() -> None:
    asked = ["is there a dog?", "is there a cat?", "Is a dog there"]
    assert build_question_vocabulary(asked).words == ("a", "is", "there", "dog", "cat")
    assert build_question_vocabulary(asked, minimum=2).words == ("a", "is", "there", "dog")
    with pytest.raises(ValueError, match="at least 1 item"):
        build_question_vocabulary(asked, minimum=4)


def test_a_vocabulary_survives_its_own_form_and_repeats_are_refused() -> None:
    again = QuestionVocabulary.model_validate_json(VOCABULARY.model_dump_json())
    assert again == VOCABULARY
    with pytest.raises(ValidationError, match="not unique"):
        QuestionVocabulary(words=("a", "a"))
