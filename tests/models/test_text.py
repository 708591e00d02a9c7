"""Any string is a text: it has tokens, a tag each and phrases, or its length is refused by name."""

import sys
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.text import TEXT_CHARACTERS_LIMIT, TextTooLong, parse, read_phrases, tokenise

# Surrogates too: a JSON body may bring them.
ANYTHING = st.text(st.characters(), max_size=200)
SMALL_WORDS = st.sampled_from(
    [
        "a",
        "no",
        "the",
        "very",
        "all",
        "black",
        ",",
        "and",
        "&",
        "/",
        "-",
        "'s",
        "that",
        "is",
        "with",
        "to",
        "on",
        "wing",
    ]
)


def test_words_keep_their_hyphens_and_signs_stand_alone() -> None:
    assert tokenise("A hawk-like beak, black&white.") == ["a", "hawk-like", "beak", ",", "black", "&", "white", "."]


def test_a_possessive_mark_is_a_token_and_a_contraction_is_one() -> None:
    assert tokenise("The bird’s crest; it's red, isn't it") == [
        *["the", "bird", "'s", "crest", ";", "it's", "red", ",", "isn't", "it"]
    ]


def test_full_width_letters_and_other_spaces_are_read_as_plain_ones() -> None:
    assert tokenise("\uff32\uff45\uff44\u00a0crown\ufffdand\twing") == ["red", "crown", "and", "wing"]


@pytest.mark.parametrize("text", ["", " \n", "____", "\x00\x07\u202e\u200d", '"""'])
def test_a_text_without_words_has_no_tokens(text: str) -> None:
    assert tokenise(text) == []
    assert read_phrases(text) == []


@pytest.mark.parametrize("text", ["😀🦜☠️", "- - -", "'s", "?!", "black", "it is very black and white"])
def test_a_text_without_a_noun_has_no_phrase(text: str) -> None:
    assert read_phrases(text) == []


def test_another_script_gives_phrases_without_a_fault() -> None:
    assert read_phrases("这是一只红色的鸟") == ["这是一只红色的鸟"]


def test_control_characters_part_words() -> None:
    assert read_phrases("\x00red\x07crown\ud800") == ["red crown"]


def test_a_text_at_the_limit_is_read_and_one_above_it_is_refused_with_both_numbers() -> None:
    assert read_phrases("a" * TEXT_CHARACTERS_LIMIT) == ["a" * TEXT_CHARACTERS_LIMIT]
    with pytest.raises(TextTooLong, match=r"10,000 characters .* 4,000"):
        read_phrases("a" * 10_000)


@given(ANYTHING | st.lists(SMALL_WORDS).map(" ".join))
def test_every_text_has_phrases_of_plain_words(text: str) -> None:
    parsed = parse(text)
    assert len(parsed.tags) == len(parsed.tokens)
    end = 0
    for chunk in parsed.chunks:
        assert end <= chunk.start <= chunk.head < chunk.end <= len(parsed.tokens)
        end = chunk.end
    for phrase in read_phrases(text):
        assert phrase
        assert phrase == " ".join(phrase.split())


@pytest.mark.parametrize("unit", ["red,", "all ", "black and ", "wing is ", "to ", "s'", "-a", "is red, ", "white on "])
def test_the_work_grows_no_faster_than_the_text(unit: str) -> None:
    half, whole = (_lines_run(unit * (length // len(unit))) for length in (1_500, 3_000))
    assert whole <= 2.2 * half


def _lines_run(text: str) -> int:
    """How many lines of Python reading a text runs: a clock that no busy machine disturbs."""
    count = 0

    def trace(frame: FrameType, event: str, arg: object) -> object:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        read_phrases(text)
    finally:
        sys.settrace(before)
    return count
