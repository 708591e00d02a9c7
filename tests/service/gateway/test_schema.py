from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.answers import Parameters
from service.errors import InvalidParameter
from service.gateway.schema import TOP_K_LIMIT, Ask, AskSchema, merge_fields, query_fields

SCHEMA = AskSchema(timeout_ms=10_000, timeout_limit_ms=60_000)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


def test_nothing_given_means_the_defaults() -> None:
    assert SCHEMA.read({}) == Ask(None, None, 10_000, Parameters(top_k=5, explain=False, text=None))


@given(
    domain=NAMES,
    model=NAMES,
    top_k=st.integers(1, TOP_K_LIMIT),
    explain=st.booleans(),
    timeout_ms=st.integers(1, 60_000),
    text=st.text(max_size=50),
)
def test_a_query_and_json_are_read_alike(**values: Any) -> None:
    as_json = SCHEMA.read(values)
    texts = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in values.items()}
    as_query = SCHEMA.read_query(urlencode(texts).encode())
    assert as_query == as_json
    assert as_json.parameters == Parameters(values["top_k"], values["explain"], values["text"])
    assert (as_json.domain, as_json.model, as_json.timeout_ms) == (
        values["domain"],
        values["model"],
        values["timeout_ms"],
    )


@given(st.dictionaries(st.sampled_from(sorted(SCHEMA.fields)) | st.text(max_size=10), SCALARS))
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
    ],
)
def test_a_value_outside_its_limits_is_named_with_them(name: str, value: Any) -> None:
    with pytest.raises(InvalidParameter) as caught:
        SCHEMA.read({name: value})
    assert caught.value.detail.startswith(f"{name} is ")
    assert "must be" in caught.value.detail
    assert len(caught.value.detail) < 200


def test_a_limit_stands_in_the_message() -> None:
    with pytest.raises(InvalidParameter, match=r'top_k is "99"; it must be a whole number from 1 to 50\.'):
        SCHEMA.read({"top_k": "99"})


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InvalidParameter, match=r'"topk". Known: domain, model, top_k, explain, timeout_ms\.'):
        SCHEMA.read({"topk": "5"})


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="given twice"):
        query_fields(b"top_k=5&top_k=5")
    with pytest.raises(InvalidParameter, match="given twice"):
        merge_fields({"top_k": "5"}, [("top_k", 5)])


def test_a_default_time_above_the_limit_is_cut_to_it() -> None:
    assert AskSchema(timeout_ms=10_000, timeout_limit_ms=500).read({}).timeout_ms == 500
