"""The parameters of `POST /v1/classify`: their names, limits and meaning, and their strict reading.

One table serves the parser and the API's documentation. Values come as texts (query, form fields) or as JSON scalars; both
are read by the same rules into a frozen `Ask`. Unknown names are an error that lists the known ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from service.answers import Parameters
from service.catalog import AUTO
from service.errors import InvalidParameter

TOP_K_LIMIT = 50
#: What `models.text` reads at most; that package needs numpy, which the gateway does without. A test holds them equal.
TEXT_LIMIT = 4_000
CANDIDATES_LIMIT = 500
CANDIDATE_LIMIT = 120  # characters
CERTAINTY_LEAST, CERTAINTY_MOST = 0.5, 0.999
QUERIES_KEPT = 64
SHOWN_CHARACTERS = 40  # of a wrong value, in an error

#: A value as it arrives: JSON has scalars and lists of texts, a query and a form have texts.
Scalar = str | int | float | bool | None
Value = Scalar | list[str]
Given = Mapping[str, Value]

_DOMAIN = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_MODEL = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}(@[A-Za-z0-9][A-Za-z0-9.+!_-]{0,63})?")
_WHOLE = re.compile(r"[0-9]{1,9}")
_DECIMAL = re.compile(r"[0-9]?\.[0-9]{1,9}")
#: Control characters but for those that part words and lines: the marks of a text in another encoding.
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_TRUTHS = {"true": True, "false": False, "1": True, "0": False}


class Ask(msgspec.Struct, frozen=True):
    """What a request asks for; `timeout_ms` counts from the ASGI call."""

    domain: str | None
    model: str | None
    timeout_ms: int
    parameters: Parameters


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


class AskSchema:
    """Reads the parameters of one service, whose settings bound the time."""

    def __init__(self, timeout_ms: int, timeout_limit_ms: int) -> None:
        self._timeout_ms = min(timeout_ms, timeout_limit_ms)
        self.fields = {field.name: field for field in _fields(self._timeout_ms, timeout_limit_ms)}
        # Clients repeat their query; a query is no longer than a request's head may be.
        self.read_query = lru_cache(QUERIES_KEPT)(lambda query: self.read(query_fields(query)))

    def read(self, given: Given) -> Ask:
        """Read parameters that are all known by now.

        Raises:
            InvalidParameter: an unknown name, or a value outside its limits; the detail names both.
        """
        values: dict[str, Any] = {}
        for name, value in given.items():
            field = self.fields.get(name)
            if field is None:
                raise InvalidParameter(f"There is no parameter {_shown(name)}. Known: {', '.join(self.fields)}.")
            values[name] = field.read(name, value)
        domain, model = values.pop("domain", None), values.pop("model", None)
        return Ask(domain, model, values.pop("timeout_ms", self._timeout_ms), Parameters(**values))


def query_fields(query: bytes) -> dict[str, Value]:
    """Split a query string.

    Raises:
        InvalidParameter: it is not percent-encoded UTF-8, or a name is given twice.
    """
    if not query:
        return {}
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise InvalidParameter("The query is not percent-encoded UTF-8.") from None
    return merge_fields({}, pairs)


def merge_fields(fields: Given, more: Iterable[tuple[str, Value]]) -> dict[str, Value]:
    """Add parameters to others.

    Raises:
        InvalidParameter: a name is there already.
    """
    merged = dict(fields)
    for name, value in more:
        if name in merged:
            raise InvalidParameter(f"Parameter {_shown(name)} is given twice.")
        merged[name] = value
    return merged


def _fields(timeout_ms: int, timeout_limit_ms: int) -> list[Field]:
    return [
        Field(
            "domain",
            _matching(_DOMAIN, "a domain's name (GET /v1/domains)"),
            f"What the photo shows, e.g. `birds`; `{AUTO}` or nothing lets the photo decide.",
            {"type": "string", "maxLength": 64},
        ),
        Field(
            "model",
            _matching(_MODEL, "name or name@version (GET /v1/models)"),
            "A bundle by `name` or `name@version`, instead of the domain's default.",
            {"type": "string", "maxLength": 129},
        ),
        Field(
            "top_k",
            _whole(1, TOP_K_LIMIT),
            "How many predictions to give.",
            {"type": "integer", "minimum": 1, "maximum": TOP_K_LIMIT, "default": 5},
        ),
        Field(
            "explain",
            _truth,
            "Add what the model looked at.",
            {"type": "boolean", "default": False},
        ),
        Field(
            "timeout_ms",
            _whole(1, timeout_limit_ms),
            "Time for the answer, from the request's arrival; after it comes 504.",
            {"type": "integer", "minimum": 1, "maximum": timeout_limit_ms, "default": timeout_ms},
        ),
        Field(
            "text",
            _text,
            "What the subject looks like, in English: `red crown, white wing bars`. A model that reads texts answers "
            "where one of the phrases is known to it; any other text leaves the answer as it is without, and "
            "`text_reason` says why. A blank text is none.",
            {"type": "string", "maxLength": TEXT_LIMIT},
        ),
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


def _matching(pattern: re.Pattern[str], meaning: str) -> Callable[[str, Value], str]:
    def read(name: str, value: Value) -> str:
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
        raise InvalidParameter(f"{name} is {_shown(value)}; it must be {meaning}.")

    return read


def _whole(least: int, most: int) -> Callable[[str, Value], int]:
    def read(name: str, value: Value) -> int:
        number = int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else value
        if isinstance(number, int) and not isinstance(number, bool) and least <= number <= most:
            return number
        raise InvalidParameter(f"{name} is {_shown(value)}; it must be a whole number from {least} to {most}.")

    return read


def _truth(name: str, value: Value) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUTHS:
        return _TRUTHS[value.lower()]
    raise InvalidParameter(f"{name} is {_shown(value)}; it must be true or false.")


def _share(name: str, value: Value) -> float:
    number = float(value) if isinstance(value, str) and _DECIMAL.fullmatch(value) else value
    if isinstance(number, float) and CERTAINTY_LEAST <= number <= CERTAINTY_MOST:
        return number
    raise InvalidParameter(
        f"{name} is {_shown(value)}; it must be a decimal fraction from {CERTAINTY_LEAST} to {CERTAINTY_MOST}."
    )


def _text(name: str, value: Value) -> str | None:
    if not isinstance(value, str):
        raise InvalidParameter(f"{name} is {_shown(value)}; it must be a text.")
    text = value.strip()
    if len(text) > TEXT_LIMIT:
        raise InvalidParameter(f"{name} has {len(text):,} characters; it must be at most {TEXT_LIMIT:,}.")
    if strange := _CONTROL.search(text):
        raise InvalidParameter(
            f"{name} has the control character U+{ord(strange[0]):04X} at position {strange.start()}; it must be plain "
            "text in UTF-8."
        )
    return text or None


def _names(name: str, value: Value) -> tuple[str, ...]:
    given = value.split(",") if isinstance(value, str) else value
    if not isinstance(given, list):
        raise InvalidParameter(f"{name} is {_shown(value)}; it must be a list of names, or names with commas between.")
    names = tuple(dict.fromkeys(word for part in given if (word := part.strip())))
    longest = max(map(len, names), default=0)
    if not 1 <= len(names) <= CANDIDATES_LIMIT or longest > CANDIDATE_LIMIT:
        raise InvalidParameter(
            f"{name} is a list of {len(names)} names, the longest of {longest} characters; it must be 1 to "
            f"{CANDIDATES_LIMIT} names of at most {CANDIDATE_LIMIT} characters."
        )
    return names


def _shown(value: Value) -> str:
    """Spell what the caller sent as JSON, cut to a readable length."""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
