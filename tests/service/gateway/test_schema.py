from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.text import TEXT_CHARACTERS_LIMIT
from service.answers import Parameters
from service.errors import InvalidParameter
from service.gateway.fields import CANDIDATE_LIMIT, CANDIDATES_LIMIT, TOP_K_LIMIT
from service.gateway.schema import Ask, AskSchema, merge_fields, query_fields
from service.words import EXPRESSIONS_LIMIT, TEXT_LIMIT

SCHEMA = AskSchema(timeout_ms=10_000, timeout_limit_ms=60_000)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True)
PLAIN = st.characters(exclude_categories=["Cc", "Cs"])
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text(max_size=5), max_size=5)


def test_nothing_given_means_the_defaults() -> None:
    assert SCHEMA.read({}) == Ask(None, None, 10_000, Parameters(top_k=5, explain=False, text=None))


@given(
    domain=NAMES,
    model=NAMES,
    top_k=st.integers(1, TOP_K_LIMIT),
    explain=st.booleans(),
    timeout_ms=st.integers(1, 60_000),
    text=st.text(PLAIN, max_size=50),
    force=st.booleans(),
    certainty=st.floats(0.5, 0.999),
)
def test_a_query_and_json_are_read_alike(**values: Any) -> None:
    as_json = SCHEMA.read(values)
    texts = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in values.items()}
    as_query = SCHEMA.read_query(urlencode(texts).encode())
    assert as_query == as_json
    assert as_json.parameters == Parameters(
        values["top_k"],
        values["explain"],
        values["text"].strip() or None,
        certainty=values["certainty"],
        force=values["force"],
    )
    assert (as_json.domain, as_json.model, as_json.timeout_ms) == (
        values["domain"],
        values["model"],
        values["timeout_ms"],
    )


@given(st.dictionaries(st.sampled_from(sorted(SCHEMA.fields)) | st.text(max_size=10), VALUES))
def test_any_values_are_read_or_refused(values: dict[str, Any]) -> None:
    try:
        ask = SCHEMA.read(values)
    except InvalidParameter as error:
        assert error.detail
    else:
        assert 1 <= ask.parameters.top_k <= TOP_K_LIMIT
        assert 1 <= ask.timeout_ms <= 60_000


@given(st.binary(max_size=200))
def test_any_query_is_split_or_refused(query: bytes) -> None:
    try:
        fields = query_fields(query)
    except InvalidParameter:
        return
    assert all(isinstance(value, str) for value in fields.values())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("top_k", 0),
        ("top_k", 51),
        ("top_k", -1),
        ("top_k", "5.0"),
        ("top_k", " 5"),
        ("top_k", "\u0665"),
        ("top_k", ""),
        ("top_k", True),
        ("top_k", 5.0),
        ("top_k", None),
        ("top_k", "1" * 5000),
        ("timeout_ms", 0),
        ("timeout_ms", 60_001),
        ("explain", "yes"),
        ("explain", 1),
        ("explain", ""),
        ("domain", ""),
        ("domain", "Birds"),
        ("domain", "../birds"),
        ("domain", "a" * 65),
        ("domain", 7),
        ("model", "birds@"),
        ("model", "@1.0"),
        ("model", "birds@1@2"),
        ("text", 5),
        ("text", ["red crown"]),
        ("candidates", 5),
        ("candidates", None),
        ("candidates", []),
        ("candidates", " , ,"),
        ("candidates", ["a" * (CANDIDATE_LIMIT + 1)]),
        ("candidates", [str(number) for number in range(CANDIDATES_LIMIT + 1)]),
        ("top_k", ["5"]),
        ("domain", ["birds"]),
        ("certainty", 0.4),
        ("certainty", "1.0"),
        ("certainty", "90%"),
        ("certainty", 1),
        ("force", "maybe"),
    ],
)
def test_a_value_outside_its_limits_is_named_with_them(name: str, value: Any) -> None:
    with pytest.raises(InvalidParameter) as caught:
        SCHEMA.read({name: value})
    assert caught.value.detail.startswith(f"{name} is ")
    assert "must be" in caught.value.detail
    assert len(caught.value.detail) < 200


@pytest.mark.parametrize(
    "text",
    ["red crown", "\u2764\ufe0f \U0001f426", "un oiseau rouge", "\u7ea2\u8272\u7684\u9e1f", "one\n\ttwo", "x" * 4_000],
)
def test_any_language_is_a_text(text: str) -> None:
    assert SCHEMA.read({"text": f"  {text}\r\n"}).parameters.text == text
    assert SCHEMA.read_query(urlencode({"text": text}).encode()).parameters.text == text


@pytest.mark.parametrize("text", ["", " ", "\n\t \u3000"])
def test_a_blank_text_is_none(text: str) -> None:
    assert SCHEMA.read({"text": text}).parameters.text is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x" * 10_000, r"text has 10,000 characters; it must be at most 4,000\."),
        ("red\x00crown", r"the control character U\+0000 at position 3"),
        ("red \x1b[31m", r"U\+001B"),
        ("bird\x92s", r"U\+0092"),
    ],
)
def test_a_bad_text_is_refused_with_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(InvalidParameter, match=said):
        SCHEMA.read({"text": text})


def test_the_gateway_takes_as_much_text_as_the_models_read() -> None:
    assert TEXT_LIMIT == TEXT_CHARACTERS_LIMIT


@pytest.mark.parametrize("given", ["Cardinal, Blue Jay,,Cardinal", ["Cardinal", " Blue Jay "]])
def test_candidates_come_with_commas_or_as_a_list(given: str | list[str]) -> None:
    assert SCHEMA.read({"candidates": given}).parameters.candidates == ("Cardinal", "Blue Jay")


def test_a_limit_stands_in_the_message() -> None:
    with pytest.raises(InvalidParameter, match=r'top_k is "99"; it must be a whole number from 1 to 50\.'):
        SCHEMA.read({"top_k": "99"})


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InvalidParameter, match=r'"topk". Known: domain, model, top_k, explain, timeout_ms, text, '):
        SCHEMA.read({"topk": "5"})


GROUND, ANSWER, LOOK = (AskSchema(10_000, 60_000, task) for task in ("ground", "answer", "look"))


def test_expressions_come_alone_as_lines_or_as_a_list() -> None:
    assert GROUND.read({"expression": " the dog "}).parameters.expressions == ("the dog",)
    assert GROUND.read_query(b"expressions=the%20dog%0A%0Aa%20cat").parameters.expressions == ("the dog", "a cat")
    assert GROUND.read({"expressions": ["the dog", "a cat"], "force": "true"}).parameters == Parameters(
        expressions=("the dog", "a cat"), force=True
    )


@pytest.mark.parametrize(
    ("schema", "given", "said"),
    [
        (GROUND, {}, "Send one 'expression'"),
        (GROUND, {"expression": "a", "expressions": ["b"]}, "Send one 'expression'"),
        (GROUND, {"expression": " "}, "expression is blank"),
        (GROUND, {"expression": "x" * 2001}, "2,001 characters; it must be at most 2,000"),
        (GROUND, {"expression": "a\x00"}, r"U\+0000"),
        (GROUND, {"expression": 5}, "must be a text"),
        (GROUND, {"expressions": []}, "has 0 expressions; it must be 1 to 20"),
        (GROUND, {"expressions": ["a"] * (EXPRESSIONS_LIMIT + 1)}, "has 21 expressions"),
        (GROUND, {"question": "what"}, "There is no parameter"),
        (SCHEMA, {"expression": "a", "locate": "true"}, "not both"),
        (LOOK, {"classify": {"locate": True}}, "There is no parameter"),
        (ANSWER, {}, "There is no 'question'"),
        (ANSWER, {"question": "?" * 2001}, "2,001 characters"),
        (LOOK, {}, "send one or more of classify, ground, answer"),
        (LOOK, {"ground": "dog"}, "must be a JSON object"),
        (LOOK, {"ground": 5}, "must be an object"),
        (LOOK, {"ground": {"expression": ""}}, "ground: expression is blank"),
        (LOOK, {"answer": {"question": "what", "timeout_ms": 5}}, "answer: There is no parameter"),
    ],
)
def test_what_a_task_cannot_take_is_refused_in_a_sentence(schema: AskSchema, given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidParameter, match=said):
        schema.read(given)


def test_a_look_reads_each_part_as_its_own_task_in_json_and_in_a_query() -> None:
    parts = {"classify": {"domain": "birds", "top_k": 3}, "ground": {"expression": "the dog"}}
    asked = LOOK.read({**parts, "timeout_ms": 900})
    assert asked.timeout_ms == 900
    assert asked.parts["ground"].parameters.expressions == ("the dog",)
    assert (asked.parts["classify"].domain, asked.parts["classify"].parameters.top_k) == ("birds", 3)
    query = urlencode({name: json.dumps(part) for name, part in parts.items()}).encode()
    assert LOOK.read_query(query).parts == asked.parts


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="given twice"):
        query_fields(b"top_k=5&top_k=5")
    with pytest.raises(InvalidParameter, match="given twice"):
        merge_fields({"top_k": "5"}, [("top_k", 5)])


def test_a_default_time_above_the_limit_is_cut_to_it() -> None:
    assert AskSchema(timeout_ms=10_000, timeout_limit_ms=500).read({}).timeout_ms == 500
