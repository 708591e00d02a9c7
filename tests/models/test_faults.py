from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from models.faults import faults_of


class _Part(BaseModel):
    size: float = Field(1.0, gt=0, lt=9)


class _Round(BaseModel):
    kind: Literal["round"] = "round"


class _Flat(BaseModel):
    kind: Literal["flat"] = "flat"


class _Whole(BaseModel):
    model_config = ConfigDict(extra="forbid")

    count: int = Field(1, ge=1, le=5)
    name: str = Field("a", min_length=1, max_length=3, pattern="^[a-z]*$")
    words: tuple[str, ...] = Field((), max_length=2)
    table: dict[str, int] = {}
    is_open: bool = False
    part: _Part = _Part()
    place: Path = Path()
    shape: Annotated[_Round | _Flat, Field(discriminator="kind")] = _Round()
    needed: int

    @field_validator("name")
    @classmethod
    def _is_kind(cls, name: str) -> str:
        if name == "bad":
            raise ValueError("bad is no name")
        return name


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"count": 0}, "count = 0: it must be at least 1"),
        ({"count": 6}, "count = 6: it must be at most 5"),
        ({"count": "x"}, "count = 'x': it must be a whole number"),
        ({"count": 1.5}, "count = 1.5: it must be a whole number"),
        ({"count": []}, "count: it must be a whole number"),
        ({"part": {"size": 0}}, "part.size = 0: it must be above 0.0"),
        ({"part": {"size": 9}}, "part.size = 9: it must be below 9.0"),
        ({"part": {"size": "x"}}, "part.size = 'x': it must be a number"),
        ({"part": 3}, "part = 3: it must be an object"),
        ({"name": ""}, "name = '': it must have at least 1 characters"),
        ({"name": "aaaa"}, "name = 'aaaa': it must have at most 3 characters"),
        ({"name": "A"}, "name = 'A': it must have the form ^[a-z]*$"),
        ({"name": None}, "name = None: it must be text"),
        ({"name": "bad"}, "name = 'bad': bad is no name"),
        ({"words": "ab"}, "words = 'ab': it must be a list"),
        ({"words": ["a", "b", "c"]}, "words: it must have at most 2 entries"),
        ({"words": ["a", 2]}, "words.1 = 2: it must be text"),
        ({"table": 4}, "table = 4: it must be an object"),
        ({"is_open": "perhaps"}, "is_open = 'perhaps': it must be true or false"),
        ({"place": 3}, "place = 3: it must be a path"),
        ({"shape": {"kind": "steep"}}, "shape: its 'kind' must be one of 'round', 'flat'"),
        ({"shape": {}}, "shape: its 'kind' is missing"),
        ({"surprise": 1}, "surprise = 1: there is no such field"),
        ({"needed": None}, "needed = None: it must be a whole number"),
        ({"name": "x" * 200}, f"name = '{'x' * 79}...: it must have at most 3 characters"),
    ],
)
def test_a_fault_is_said_with_its_place_its_value_and_what_it_must_be(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        _Whole.model_validate({"needed": 1} | given)
    assert faults_of(caught.value, "file") == [sentence]


def test_what_is_missing_and_what_is_no_object_is_said_of_the_whole() -> None:
    with pytest.raises(ValidationError) as missing:
        _Whole.model_validate({})
    assert faults_of(missing.value, "file") == ["needed: it is missing"]
    with pytest.raises(ValidationError) as other:
        _Whole.model_validate([])
    assert faults_of(other.value, "file") == ["file: it must be an object"]
