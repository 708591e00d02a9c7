"""Problem documents: the one shape in which a failure leaves the service (RFC 9457).

Owns their JSON, their headers and the table that documents every `type`. Which error a failure is stands in
`service/errors.py`; that each one becomes such a document is the edge's affair.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from service.errors import BY_SLUG, ClientClosed, FieldmarkError

CONTENT_TYPE = "application/problem+json"

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


def problem_body(error: FieldmarkError, request_id: str) -> bytes:
    """Write the document of one failure."""
    return msgspec.json.encode(Problem(error.slug, error.title, error.status, error.detail, request_id))


def problem_headers(error: FieldmarkError, body: bytes) -> Headers:
    """Give the headers that describe the document, with `Retry-After` where the error names a time."""
    headers = [
        (b"content-type", CONTENT_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    if error.retry_after_s is not None:
        headers.append((b"retry-after", str(error.retry_after_s).encode()))
    return headers


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
