"""Every parameter of the tasks: its name, limits and meaning, and how a value that arrives becomes the true one.

One table a task serves the parser (`schema.py`) and the API's documentation. Values come as texts (query, form fields) or
as JSON; both are read by the same rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from service.catalog import AUTO
from service.errors import InvalidParameter
from service.words import EXPRESSIONS_LIMIT, TEXT_LIMIT, WORDS_LIMIT, read_expressions, read_question, read_text

TOP_K_LIMIT = 50
CANDIDATES_LIMIT = 500
CANDIDATE_LIMIT = 120  # characters
CERTAINTY_LEAST, CERTAINTY_MOST = 0.5, 0.999
ALL = "all"
SHOWN_CHARACTERS = 40  # of a wrong value, in an error

#: A value as it arrives: JSON has scalars, lists of texts and objects of both; a query and a form have texts.
Scalar = str | int | float | bool | None
Plain = Scalar | list[str]
Value = Plain | dict[str, Plain]
Given = Mapping[str, Value]

_DOMAIN = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_MODEL = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}(@[A-Za-z0-9][A-Za-z0-9.+!_-]{0,63})?")
_WHOLE = re.compile(r"[0-9]{1,9}")
_DECIMAL = re.compile(r"[0-9]?\.[0-9]{1,17}")  # as many digits as a float may need
_TRUTHS = {"true": True, "false": False, "1": True, "0": False}


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter. `read` turns an arrived value into the true one or raises `InvalidParameter`.

    `schema` and `description` document it; `json_schema` where JSON has a richer form than a text.
    """

    name: str
    read: Callable[[str, Value], Any]
    description: str
    schema: dict[str, Any]
    json_schema: dict[str, Any] | None = None


def fields_of(task: str, timeout_ms: int, timeout_limit_ms: int) -> list[Field]:
    """The parameters of a task, those of `look` without its parts."""
    timeout = Field(
        "timeout_ms",
        _whole(1, timeout_limit_ms),
        "Time for the answer, from the request's arrival; after it comes 504.",
        {"type": "integer", "minimum": 1, "maximum": timeout_limit_ms, "default": timeout_ms},
    )
    table = {"classify": _classify_fields, "ground": _ground_fields, "answer": _answer_fields}
    own = table[task]() if task in table else []
    place = next((number for number, field in enumerate(own) if field.name == "text"), len(own))
    return [*own[:place], timeout, *own[place:]]


def _classify_fields() -> list[Field]:
    return [
        Field(
            "domain",
            _matching(_DOMAIN, "a domain's name (GET /v1/domains)"),
            f"What the photo shows, e.g. `birds`; `{AUTO}` or nothing lets the photo decide.",
            {"type": "string", "maxLength": 64},
        ),
        _model("A bundle by `name` or `name@version`, instead of the domain's default."),
        _top_k("How many predictions to give."),
        _explain("Add what the model looked at."),
        *_subject_fields(),
        Field(
            "candidates",
            _names,
            "What the subject can be, such as a regional checklist: class ids, labels, or values of levels (a family, a "
            "make), with commas between them or as a JSON list. The answer is weighted anew and "
            "`without_candidates` tells the predictions without them.",
            {"type": "string"},
            {
                "type": ["array", "string"],
                "items": {"type": "string", "maxLength": CANDIDATE_LIMIT},
                "minItems": 1,
                "maxItems": CANDIDATES_LIMIT,
            },
        ),
        Field(
            "certainty",
            _share,
            "How probable a level has to be for `rollup` to name it.",
            {"type": "number", "minimum": CERTAINTY_LEAST, "maximum": CERTAINTY_MOST, "default": 0.9},
        ),
        Field(
            "force",
            _truth,
            "Answer by the likeliest domain where the photo shows none that is known.",
            {"type": "boolean", "default": False},
        ),
    ]


def _subject_fields() -> list[Field]:
    """What tells of the subject: how it looks, which one it is, that it shall be found first."""
    return [
        Field(
            "text",
            _text,
            "What the subject looks like, in English: `red crown, white wing bars`. A model that reads texts answers "
            "where one of the phrases is known to it; any other text leaves the answer as it is without, and "
            "`text_reason` says why. A blank text is none.",
            {"type": "string", "maxLength": TEXT_LIMIT},
        ),
        Field(
            "expression",
            _expression,
            "Which of several things is meant, in English: `the bird on the left`. It is found in the photo by a grounding "
            "model, where one is served, and classified alone; the answer has its `box`.",
            {"type": "string", "minLength": 1, "maxLength": WORDS_LIMIT},
        ),
        Field(
            "locate",
            _truth_or_all,
            "Find the subject first, by a detector, where one is served, and classify it alone; the answer has its `box`. Where "
            f"nothing is found the whole photo is classified. `{ALL}` classifies everything that is found, each by itself: the "
            "answer has `subjects`, and `omitted` with what was left out and why.",
            {"type": "string", "enum": ["false", "true", ALL], "default": "false"},
            {"enum": [False, True, ALL], "default": False},
        ),
    ]


def _ground_fields() -> list[Field]:
    words = {"type": "string", "minLength": 1, "maxLength": WORDS_LIMIT}
    return [
        Field(
            "expression",
            _expression,
            "What to find, in English: `the dog on the left`. Words beyond what the model reads are cut, and the answer says "
            "so.",
            words,
        ),
        Field(
            "expressions",
            _expressions,
            "Several of them, in place of `expression`: a JSON list, or one a line. The photo is looked at once.",
            {"type": "string"},
            {"type": ["array", "string"], "items": words, "minItems": 1, "maxItems": EXPRESSIONS_LIMIT},
        ),
        _model(_DEFAULT),
        Field(
            "force",
            _truth,
            "Give the best box also for what seems not to be there.",
            {"type": "boolean", "default": False},
        ),
    ]


def _answer_fields() -> list[Field]:
    return [
        Field(
            "question",
            _question,
            "What to answer, in English: `what colour is the bird`. Words beyond what the model reads are cut, and the "
            "answer says so.",
            {"type": "string", "minLength": 1, "maxLength": WORDS_LIMIT},
        ),
        _model(_DEFAULT),
        _top_k("How many answers to give."),
        _explain("Add how relevant each cell of the photo was."),
    ]


def _model(description: str) -> Field:
    return Field(
        "model",
        _matching(_MODEL, "name or name@version (GET /v1/models)"),
        description,
        {"type": "string", "maxLength": 129},
    )


def _top_k(description: str) -> Field:
    return Field(
        "top_k",
        _whole(1, TOP_K_LIMIT),
        description,
        {"type": "integer", "minimum": 1, "maximum": TOP_K_LIMIT, "default": 5},
    )


def _explain(description: str) -> Field:
    return Field("explain", _truth, description, {"type": "boolean", "default": False})


_DEFAULT = "A bundle by `name` or `name@version`, instead of the default one."


def _matching(pattern: re.Pattern[str], meaning: str) -> Callable[[str, Value], str]:
    def read(name: str, value: Value) -> str:
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
        raise InvalidParameter(f"{name} is {shown(value)}; it must be {meaning}.")

    return read


def _whole(least: int, most: int) -> Callable[[str, Value], int]:
    def read(name: str, value: Value) -> int:
        number = int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else value
        if isinstance(number, int) and not isinstance(number, bool) and least <= number <= most:
            return number
        raise InvalidParameter(f"{name} is {shown(value)}; it must be a whole number from {least} to {most}.")

    return read


def _truth(name: str, value: Value) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUTHS:
        return _TRUTHS[value.lower()]
    raise InvalidParameter(f"{name} is {shown(value)}; it must be true or false.")


def _truth_or_all(name: str, value: Value) -> bool | str:
    if value == ALL:
        return ALL
    try:
        return _truth(name, value)
    except InvalidParameter:
        raise InvalidParameter(f"{name} is {shown(value)}; it must be true, false or {ALL}.") from None


def _share(name: str, value: Value) -> float:
    number = float(value) if isinstance(value, str) and _DECIMAL.fullmatch(value) else value
    if isinstance(number, float) and CERTAINTY_LEAST <= number <= CERTAINTY_MOST:
        return number
    raise InvalidParameter(
        f"{name} is {shown(value)}; it must be a decimal fraction from {CERTAINTY_LEAST} to {CERTAINTY_MOST}."
    )


def _text(name: str, value: Value) -> str | None:
    return read_text(name, _string(name, value)) or None


def _question(name: str, value: Value) -> str:
    return read_question(_string(name, value), name)


def _expression(name: str, value: Value) -> tuple[str, ...]:
    return (read_question(_string(name, value), name),)


def _expressions(name: str, value: Value) -> tuple[str, ...]:
    if isinstance(value, list):
        return read_expressions(value, name)
    return read_expressions([line for line in _string(name, value).splitlines() if line.strip()], name)


def _string(name: str, value: Value) -> str:
    if isinstance(value, str):
        return value
    raise InvalidParameter(f"{name} is {shown(value)}; it must be a text.")


def _names(name: str, value: Value) -> tuple[str, ...]:
    given = value.split(",") if isinstance(value, str) else value
    if not isinstance(given, list):
        raise InvalidParameter(f"{name} is {shown(value)}; it must be a list of names, or names with commas between.")
    names = tuple(dict.fromkeys(word for part in given if (word := part.strip())))
    longest = max(map(len, names), default=0)
    if not 1 <= len(names) <= CANDIDATES_LIMIT or longest > CANDIDATE_LIMIT:
        raise InvalidParameter(
            f"{name} is a list of {len(names)} names, the longest of {longest} characters; it must be 1 to "
            f"{CANDIDATES_LIMIT} names of at most {CANDIDATE_LIMIT} characters."
        )
    return names


def shown(value: Value) -> str:
    """Spell what the caller sent as JSON, cut to a readable length."""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
