"""The strict reading of a request's parameters: from what arrived to a frozen `Ask`.

Owns the rules between parameters: what a task needs, what excludes what, and the parts of a look, which are read as their
own tasks' are. Unknown names are an error that lists the known ones. What a single parameter may be stands in `fields.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from service.answers import Parameters
from service.errors import InvalidParameter
from service.gateway.fields import ALL, Field, Given, Plain, Value, fields_of, shown

QUERIES_KEPT = 64
#: What a look is made of; each has the parameters of its own route, but for the time.
PART_TASKS = ("classify", "ground", "answer")
PHOTO_TASKS = (*PART_TASKS, "look")


class Ask(msgspec.Struct, frozen=True):
    """What a request asks for; `timeout_ms` counts from the ASGI call.

    `parts` are those of a look, by their task; a classification whose subject is to be found first has `ground` or `locate`,
    and is of all subjects where `is_of_all`.
    """

    domain: str | None
    model: str | None
    timeout_ms: int
    parameters: Parameters
    parts: dict[str, Ask] = {}
    is_of_all: bool = False


class AskSchema:
    """Reads the parameters of one task, whose time the service's settings bound."""

    def __init__(self, timeout_ms: int, timeout_limit_ms: int, task: str = "classify") -> None:
        self.task = task
        self._timeout_ms = min(timeout_ms, timeout_limit_ms)
        self.fields = {field.name: field for field in fields_of(task, self._timeout_ms, timeout_limit_ms)}
        tasks = PART_TASKS if task == "look" else ()
        self.parts = {part: AskSchema(timeout_ms, timeout_limit_ms, part) for part in tasks}
        for part, schema in self.parts.items():
            del schema.fields["timeout_ms"]
            if part == "classify":
                del schema.fields["expression"], schema.fields["locate"]  # they are two tasks of their own
            self.fields[part] = _part_field(part, schema)
        # Clients repeat their query; a query is no longer than a request's head may be.
        self.read_query = lru_cache(QUERIES_KEPT)(lambda query: self.read(query_fields(query)))

    def read(self, given: Given) -> Ask:
        """Read parameters that are all known by now.

        Raises:
            InvalidParameter: an unknown name, a value outside its limits, or one that is missing; the detail names it.
        """
        values: dict[str, Any] = {}
        for name, value in given.items():
            field = self.fields.get(name)
            if field is None:
                raise InvalidParameter(f"There is no parameter {shown(name)}. Known: {', '.join(self.fields)}.")
            values[name] = field.read(name, value)
        if self.task != "classify":
            self._complete(values)
        domain, model = values.pop("domain", None), values.pop("model", None)
        timeout_ms = values.pop("timeout_ms", self._timeout_ms)
        parts: dict[str, Ask] = {part: values.pop(part) for part in self.parts if part in values}
        is_of_all = False
        if self.task == "classify":
            expression, locate = values.pop("expression", ()), values.pop("locate", False)
            if expression and locate:
                raise InvalidParameter("Send 'expression', whose subject is found by its words, or 'locate', not both.")
            if expression or locate:
                task = "ground" if expression else "locate"
                parts[task] = Ask(None, None, timeout_ms, Parameters(expressions=expression))
            is_of_all = locate == ALL
        return Ask(domain, model, timeout_ms, Parameters(**values), parts, is_of_all)

    def _complete(self, values: dict[str, Any]) -> None:
        """Require what the task cannot do without."""
        if self.task == "ground":
            if ("expression" in values) == ("expressions" in values):
                raise InvalidParameter("Send one 'expression', or several as 'expressions'.")
            if "expression" in values:
                values["expressions"] = values.pop("expression")
        elif self.task == "answer" and "question" not in values:
            raise InvalidParameter("There is no 'question'.")
        elif self.task == "look" and not any(part in values for part in self.parts):
            raise InvalidParameter(f"Nothing is asked: send one or more of {', '.join(self.parts)}.")


def _part_field(part: str, schema: AskSchema) -> Field:
    """A look's parameter that holds those of another task."""

    def read(name: str, value: Value) -> Ask:
        if isinstance(value, str):
            try:
                value = msgspec.json.decode(value, type=dict[str, Plain])
            except msgspec.MsgspecError:
                raise InvalidParameter(f"{name} is {shown(value)}; it must be a JSON object of parameters.") from None
        if not isinstance(value, dict):
            raise InvalidParameter(f"{name} is {shown(value)}; it must be an object of parameters.")
        try:
            return schema.read(value)
        except InvalidParameter as error:
            raise InvalidParameter(f"{name}: {error.detail}") from None

    description = f"What `POST /v1/{part}` takes beside the photo and `timeout_ms`: {', '.join(schema.fields)}."
    properties = {name: field.json_schema or field.schema for name, field in schema.fields.items()}
    json_schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return Field(part, read, f"{description} In a query or a form, as JSON.", {"type": "string"}, json_schema)


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
            raise InvalidParameter(f"Parameter {shown(name)} is given twice.")
        merged[name] = value
    return merged
