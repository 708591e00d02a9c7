"""Problem documents: the shape in which a failure leaves the service (RFC 9457), and the one that `/v2` has instead.

Owns their JSON, their headers and the table that documents every `type`. Which error a failure is stands in
`service/errors.py`; that each one leaves in such a form is the edge's affair.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

import msgspec

from service.errors import BY_SLUG, ClientClosed, FieldmarkError

CONTENT_TYPE = "application/problem+json"
#: Below it stands the Open Inference Protocol, which has an error object of its own.
INFERENCE_PATH = "/v2"

Headers = list[tuple[bytes, bytes]]


class Problem(msgspec.Struct, frozen=True):
    """A problem document. `type` is stable and listed in the documentation; `instance` is the request's id."""

    type: str
    title: str
    status: int
    detail: str
    instance: str


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One row of the documented table."""

    slug: str
    status: int
    title: str
    meaning: str


class InferenceError(msgspec.Struct, frozen=True):
    """A failure as the Open Inference Protocol has it; which one it is, the status tells."""

    error: str


def write_failure(error: FieldmarkError, request_id: str, path: str = "") -> tuple[bytes, Headers]:
    """Write one failure in the form of the API that was asked at `path`, and the headers that describe it.

    `Retry-After` is among them where the error names a time, `WWW-Authenticate` where it says which key would help.
    """
    if path == INFERENCE_PATH or path.startswith(f"{INFERENCE_PATH}/"):
        body, content_type = msgspec.json.encode(InferenceError(error.detail)), b"application/json"
    else:
        document = Problem(error.slug, error.title, error.status, error.detail, request_id)
        body, content_type = msgspec.json.encode(document), CONTENT_TYPE.encode()
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    if error.retry_after_s is not None:
        headers.append((b"retry-after", str(error.retry_after_s).encode()))
    if error.challenge is not None:
        headers.append((b"www-authenticate", error.challenge.encode()))
    return body, headers


def write_response(error: FieldmarkError, request_id: str, default_headers: Headers) -> bytes:
    """Write the whole answer to what no route sees; it is the last one of its connection (HTTP/1.1, RFC 9112)."""
    body, described = write_failure(error, request_id)
    ours = (b"x-request-id", request_id.encode()), (b"connection", b"close")
    head = b"".join(b"%b: %b\r\n" % header for header in (*default_headers, *described, *ours))
    status = HTTPStatus(error.status)
    return b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (status, status.phrase.encode(), head, body)


def problem_types() -> list[ProblemType]:
    """List every type that a client can see, by status."""
    seen = [error for error in BY_SLUG.values() if error is not ClientClosed]
    rows = [ProblemType(error.slug, error.status, error.title, _first_sentence(error)) for error in seen]
    return sorted(rows, key=lambda row: (row.status, row.slug))


def problem_table() -> str:
    """Write the table as Markdown."""
    lines = ["| type | status | meaning |", "|---|---|---|"]
    lines += [f"| `{row.slug}` | {row.status} | {row.meaning} |" for row in problem_types()]
    return "\n".join(lines)


def _first_sentence(error: type[FieldmarkError]) -> str:
    return (error.__doc__ or "").split("\n\n")[0].replace("\n    ", " ")
