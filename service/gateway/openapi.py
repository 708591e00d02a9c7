"""The API's description (OpenAPI 3.1): what FastAPI derives from the routes, and what stands outside of its sight.

Owns the operation of the hot route, which is a plain ASGI endpoint, and the schemas, which come from the same structures
that are sent. Error responses come from the table of problem types.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
from fastapi.openapi.utils import get_openapi
from msgspec import UNSET, UnsetType
from starlette.routing import BaseRoute

from service.answers import ClassifyAnswer, ClassifyReply, ImageSize, SubjectsReply, Timing
from service.errors import (
    BadRequest,
    DeadlineExceeded,
    FieldmarkError,
    Forbidden,
    Internal,
    InvalidParameter,
    NoKnownSubject,
    NotFound,
    NotReady,
    Overloaded,
    RequestTimeout,
    TooLarge,
    Unauthorized,
    UnprocessableImage,
    UnsupportedMedia,
)
from service.gateway.forms import IMAGES_LIMIT
from service.gateway.problems import CONTENT_TYPE, Problem, problem_table
from service.gateway.schema import PART_TASKS, AskSchema
from service.replies import GroundAnswer, GroundReply, LookReply, PartProblem, QuestionAnswer, QuestionReply

EXAMPLE_PHOTO = Path(__file__).parent / "static" / "example.jpg"

_REFERENCE = "#/components/schemas/{name}"
_BINARY = {"type": "string", "format": "binary"}
_PHOTO_ERRORS: tuple[type[FieldmarkError], ...] = (
    BadRequest,
    NotFound,
    RequestTimeout,
    TooLarge,
    UnsupportedMedia,
    UnprocessableImage,
    InvalidParameter,
    NoKnownSubject,
    Overloaded,
    Internal,
    NotReady,
    DeadlineExceeded,
)

DESCRIPTION = """\
Fieldmark tells which bird species or which car model is in a photo, finds in a photo what words mean, and answers questions
about it, where it serves models that do.

A photo comes as the raw body (`Content-Type: image/*` or `application/octet-stream`, parameters in the query; the fast
way), as `multipart/form-data` (a field `image`, and the parameters as fields), or as JSON (`image` in base64, and the
parameters as members). JPEG, PNG, WebP, GIF, BMP and TIFF are read. A form or JSON may bring up to 5 photos of one subject
as `images` instead, which are answered together.

`Accept: image/png` gets the explanation drawn on the photo in place of the JSON.

The same models are served by the Open Inference Protocol v2 below `/v2`, which its own specification describes.

Every answer carries `X-Request-Id`; one that the client sends is taken over. Failures are problem documents (RFC 9457)
with a stable `type`:

"""


def answers(body: type[msgspec.Struct], *errors: type[FieldmarkError], **others: type[msgspec.Struct]) -> Any:
    """Describe a route's responses as FastAPI takes them.

    `body` is the structure of the 200 answer. `others` gives bodies of further statuses, by name: `unready` is 503.
    """
    responses: dict[int | str, Any] = {200: {"description": "The answer.", "content": _json_content(body)}}
    responses |= _problems(errors)
    if "unready" in others:
        responses[503] = {"description": "It cannot serve now.", "content": _json_content(others["unready"])}
    responses["default"] = _problem("Any other failure.")
    return responses


def describe(
    routes: Iterable[BaseRoute],
    asks: Mapping[str, AskSchema],
    schemas: Iterable[type[msgspec.Struct]],
    open_paths: Collection[str] | None = None,
) -> bytes:
    """Write the document; `asks` are the photo tasks', `schemas` the structures that the other routes' answers name.

    Where keys are asked for, `open_paths` are those that need none.
    """
    document = get_openapi(
        title="Fieldmark",
        version=version("fieldmark"),
        description=DESCRIPTION + problem_table(),
        routes=list(routes),
    )
    photos = {f"/v1/{task}": {"post": _operation(_TASKS[task], ask)} for task, ask in asks.items()}
    document["paths"] = {**photos, **document["paths"]}
    shapes = [shape for task in _TASKS.values() for shape in (task.reply, *task.others)]
    _, components = msgspec.json.schema_components([*shapes, PartProblem, Problem, *schemas], ref_template=_REFERENCE)
    properties = components[_LookShape.__name__]["properties"]
    for part in PART_TASKS:
        properties[part] = {"anyOf": [properties[part], {"$ref": _REFERENCE.format(name=PartProblem.__name__)}]}
    document.setdefault("components", {})["schemas"] = components
    if open_paths is not None:
        _ask_for_keys(document, open_paths)
    return msgspec.json.encode(document)


def _ask_for_keys(document: dict[str, Any], open_paths: Collection[str]) -> None:
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "bearerFormat": "fm_..."}}
    refusals = {str(status): response for status, response in _problems((Unauthorized, Forbidden)).items()}
    for path, operations in document["paths"].items():
        for operation in operations.values() if path not in open_paths else ():
            operation["security"] = [{"key": []}]
            operation["responses"] |= refusals


#: `LookReply` without the problems that its parts can be: a schema cannot be derived of a union of plain structures.
_LookShape = msgspec.defstruct(
    LookReply.__name__,
    [
        ("id", str),
        ("image", ImageSize),
        ("timing_ms", Timing),
        ("classify", ClassifyAnswer | UnsetType, UNSET),
        ("ground", GroundAnswer | UnsetType, UNSET),
        ("answer", QuestionAnswer | UnsetType, UNSET),
    ],
    namespace={"__doc__": LookReply.__doc__},
)


@dataclass(frozen=True, slots=True)
class _Task:
    """How a task is told; `example` are parameters that go with the example photo, `others` replies of another form."""

    summary: str
    reply: type[msgspec.Struct]
    drawn: str
    example: dict[str, Any]
    others: tuple[type[msgspec.Struct], ...] = ()


_TASKS = {
    "classify": _Task(
        "Say what a photo shows",
        ClassifyReply,
        "its explanation drawn on the photo",
        {"top_k": 3},
        (SubjectsReply,),
    ),
    "ground": _Task(
        "Find in a photo what words mean", GroundReply, "the boxes drawn on the photo", {"expression": "the bird"}
    ),
    "answer": _Task(
        "Answer a question about a photo",
        QuestionReply,
        "the cells that were read shown on the photo",
        {"question": "what colour is the bird"},
    ),
    "look": _Task("Do several of these on one photo", _LookShape, "", {"classify": {"top_k": 3}}),
}


def _operation(task: _Task, ask: AskSchema) -> dict[str, Any]:
    picture = f", or {task.drawn} for `Accept: image/png`" if task.drawn else ""
    content = _json_content(task.reply, *task.others) | ({"image/png": {"schema": _BINARY}} if task.drawn else {})
    return {
        "tags": [ask.task],
        "operationId": ask.task,
        "summary": task.summary,
        "description": "Parameters stand in the query; in a form or in JSON they may stand beside the photo instead.",
        "parameters": [
            {"name": field.name, "in": "query", "description": field.description, "schema": field.schema}
            for field in ask.fields.values()
        ],
        "requestBody": {"required": True, "content": _photo_content(ask, task.example)},
        "responses": {
            "200": {"description": f"The answer{picture}.", "content": content},
            **{str(status): response for status, response in _problems(_PHOTO_ERRORS).items()},
        },
    }


def _photo_content(ask: AskSchema, asked: dict[str, Any]) -> dict[str, Any]:
    in_base64 = {"type": "string", "contentEncoding": "base64", "description": "The photo's file in base64."}
    example = base64.b64encode(EXAMPLE_PHOTO.read_bytes()).decode()
    return {
        "image/jpeg": {"schema": _BINARY},
        "application/octet-stream": {"schema": _BINARY},
        "multipart/form-data": {"schema": _body_schema(_BINARY, ask, is_json=False)},
        "application/json": {
            "schema": _body_schema(in_base64, ask, is_json=True),
            "example": {"image": example, **asked},
        },
    }


def _body_schema(photo: dict[str, Any], ask: AskSchema, *, is_json: bool) -> dict[str, Any]:
    """A body of fields with one photo, or for `classify` with several of one subject.

    That it needs one of the two is not written as a schema: pages that show forms cannot draw such a choice.
    """
    photos = {
        "type": "array",
        "items": photo,
        "minItems": 1,
        "maxItems": IMAGES_LIMIT,
        "description": f"Up to {IMAGES_LIMIT} photos of one subject, in place of `image`.",
    }
    fields = {
        field.name: {**((is_json and field.json_schema) or field.schema), "description": field.description}
        for field in ask.fields.values()
    }
    several = {"images": photos} if ask.task == "classify" else {}
    return {
        "type": "object",
        "properties": {"image": photo, **several, **fields},
    }


def _json_content(*bodies: type[msgspec.Struct]) -> dict[str, Any]:
    """A body of one of these forms."""
    schemas = [{"$ref": _REFERENCE.format(name=body.__name__)} for body in bodies]
    return {"application/json": {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}}


def _problems(errors: Iterable[type[FieldmarkError]]) -> dict[int | str, Any]:
    by_status: dict[int, list[str]] = {}
    for error in errors:
        by_status.setdefault(error.status, []).append(error.slug)
    return {status: _problem(" or ".join(f"`{slug}`" for slug in slugs)) for status, slugs in by_status.items()}


def _problem(text: str) -> dict[str, Any]:
    return {"description": text, "content": {CONTENT_TYPE: {"schema": {"$ref": _REFERENCE.format(name="Problem")}}}}
