"""How a question travels to the service, and what its answer is in Python.

Owns the names that may be asked for, the form of a request, and the reading of an answer or a problem document. The
structures are those of `answers.py` and `replies.py`, the exceptions those of `errors.py`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, TypeVar

import httpx
import msgspec
from msgspec import UNSET, UnsetType

from service.answers import ClassifyAnswer, ImageSize, Timing
from service.errors import BY_SLUG, FieldmarkError, from_wire
from service.gateway.problems import CONTENT_TYPE, Problem
from service.replies import GroundAnswer, LookReply, PartProblem, QuestionAnswer

#: Parameters whose length or content has no place in an address, which logs and proxies keep.
_NOT_IN_QUERY = ("text", "candidates", "expression", "expressions", "question", "classify", "ground", "answer")

#: A photo's encoded bytes, or the path of its file.
Photo = bytes | bytearray | memoryview | str | os.PathLike[str]
Reply = TypeVar("Reply")


class SubjectsWishes(TypedDict, total=False):
    """What may be asked of the classification of subjects; what is left out has the service's default."""

    text: str
    domain: str
    model: str
    top_k: int
    candidates: Sequence[str]
    certainty: float
    explain: bool
    force: bool


class Wishes(SubjectsWishes, total=False):
    """What may be asked of a classification, as `/docs` describes it."""

    expression: str
    locate: bool


class GroundWishes(TypedDict, total=False):
    """What may be asked of a grounding beside its expressions."""

    model: str
    force: bool


class AnswerWishes(TypedDict, total=False):
    """What may be asked of an answer beside its question."""

    model: str
    top_k: int
    explain: bool


class LookWishes(TypedDict, total=False):
    """What may be asked of a look: each task with its own parameters, as in `{"ground": {"expression": "the dog"}}`."""

    classify: Mapping[str, object]
    ground: Mapping[str, object]
    answer: Mapping[str, object]


class Unreachable(FieldmarkError):
    """The service could not be reached, or the connection broke off."""

    slug, status, title = "unreachable", 503, "The service cannot be reached"


class UnexpectedAnswer(FieldmarkError):
    """What came back is no answer of the service: most likely something between it and the client spoke."""

    slug, status, title = "unexpected-answer", 502, "Not an answer of the service"


def write_question(photos: Sequence[bytes], wishes: dict[str, object], timeout_ms: int) -> dict[str, Any]:
    """Write a question as httpx takes it: one photo as it is with its parameters in the query, anything else as JSON."""
    given = {name: value for name, value in wishes.items() if value is not None} | {"timeout_ms": timeout_ms}
    if len(photos) == 1 and not any(name in given for name in _NOT_IN_QUERY):
        headers = {"content-type": "application/octet-stream"}
        return {"content": photos[0], "params": given, "headers": headers}
    sent = {"image": photos[0]} if len(photos) == 1 else {"images": photos}
    # msgspec writes bytes as base64.
    return {"content": msgspec.json.encode(sent | given), "headers": {"content-type": "application/json"}}


def decode(response: httpx.Response, kind: type[Reply]) -> Reply:
    """Read an answer.

    Raises:
        UnexpectedAnswer: it is none.
    """
    try:
        return msgspec.json.decode(response.content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnexpectedAnswer(f"The answer of {response.url.path} cannot be read: {error}.") from None


def read_error(response: httpx.Response) -> FieldmarkError:
    """Turn any answer but 200 into the exception that it is."""
    kind = response.headers.get("content-type", "none")
    error: FieldmarkError = UnexpectedAnswer(f"The answer has status {response.status_code} and content type {kind!r}.")
    if kind == CONTENT_TYPE:
        problem = decode(response, Problem)
        if problem.type in BY_SLUG:
            error = from_wire(problem.type, problem.detail)
    after = response.headers.get("retry-after", "")
    error.retry_after_s = int(after) if after.isascii() and after.isdigit() else None
    error.request_id = response.headers.get("x-request-id")
    return error


class _LookParts(msgspec.Struct, frozen=True):
    """A look's answer before it is known which parts are problems."""

    id: str
    timing_ms: Timing
    image: ImageSize
    classify: msgspec.Raw | UnsetType = UNSET
    ground: msgspec.Raw | UnsetType = UNSET
    answer: msgspec.Raw | UnsetType = UNSET


def decode_look(response: httpx.Response) -> LookReply:
    """Read the answer to a look; a part is its task's answer or a problem.

    Raises:
        UnexpectedAnswer: it is none.
    """
    parts = decode(response, _LookParts)
    return LookReply(
        image=parts.image,
        classify=_part(parts.classify, ClassifyAnswer, response),
        ground=_part(parts.ground, GroundAnswer, response),
        answer=_part(parts.answer, QuestionAnswer, response),
        id=parts.id,
        timing_ms=parts.timing_ms,
    )


def _part(raw: msgspec.Raw | UnsetType, kind: type[Reply], response: httpx.Response) -> Reply | PartProblem | UnsetType:
    if isinstance(raw, UnsetType):
        return UNSET
    try:
        return msgspec.json.decode(raw, type=PartProblem)
    except (msgspec.ValidationError, UnicodeDecodeError):
        pass
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnexpectedAnswer(f"The answer of {response.url.path} cannot be read: {error}.") from None
