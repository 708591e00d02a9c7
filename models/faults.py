"""What pydantic finds wrong, in words for a person: the value, what it must be, and where it stands.

Owns the sentences, which the settings, the command line and the files of a bundle share. A kind of fault that has none
here keeps pydantic's own.
"""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_VALUE_CHARACTERS = 80
_SENTENCES = {
    "missing": "it is missing",
    "extra_forbidden": "there is no such field",
    "greater_than": "it must be above {gt}",
    "greater_than_equal": "it must be at least {ge}",
    "less_than": "it must be below {lt}",
    "less_than_equal": "it must be at most {le}",
    "finite_number": "it must be a finite number",
    "string_pattern_mismatch": "it must have the form {pattern}",
    "string_too_short": "it must have at least {min_length} characters",
    "string_too_long": "it must have at most {max_length} characters",
    "too_short": "it must have at least {min_length} entries",
    "too_long": "it must have at most {max_length} entries",
    "literal_error": "it must be {expected}",
    "path_type": "it must be a path",
    "enum": "it must be {expected}",
    "union_tag_invalid": "its {discriminator} must be one of {expected_tags}",
    "union_tag_not_found": "its {discriminator} is missing",
    "value_error": "{error}",
}
#: Of the kinds of fault that begin so: a value of another type, or a text that does not spell one.
_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "list": "a list",
    "tuple": "a list",
    "dict": "an object",
    "model": "an object",
}


def in_words(fault: ErrorDetails) -> str:
    """Say what a value must be; the value itself is the caller's to show."""
    kind, _, ending = fault["type"].partition("_")
    if kind in _TYPES and ending in ("type", "parsing", "from_float", "attributes_type"):
        return f"it must be {_TYPES[kind]}"
    sentence = _SENTENCES.get(fault["type"])
    if sentence is None:
        return fault["msg"][:1].lower() + fault["msg"][1:]
    return sentence.format(**fault.get("ctx", {}))


def faults_of(error: ValidationError, whole: str) -> list[str]:
    """Say each fault with its place and, where that is short, its value; `whole` names what has no place of its own."""
    return [_placed(fault, whole) for fault in error.errors()]


def _placed(fault: ErrorDetails, whole: str) -> str:
    place = ".".join(map(str, fault["loc"])) or whole
    value = fault["input"]
    if fault["type"] != "missing" and isinstance(value, str | int | float | None):
        shown = repr(value)
        place += f" = {shown if len(shown) <= _VALUE_CHARACTERS else f'{shown[:_VALUE_CHARACTERS]}...'}"
    return f"{place}: {in_words(fault)}"
