"""Every way a request can fail, as one small tree.

A class is a point in the request's way: it carries the stable slug, the HTTP status and a message that is safe to show
to the caller. Details belong in the log. The gateway renders them as RFC 9457 problem documents; over the bus they
travel as slug and message.

    FieldmarkError
    ├── request could not be read    BadRequest 400, RequestTimeout 408, TooLarge 413, UnsupportedMedia 415,
    │                                HeadersTooLarge 431, MethodNotAllowed 405, NotFound 404
    ├── its content is not usable    InvalidParameter 422, UnprocessableImage 422, NoKnownSubject 422
    ├── it may not or cannot now     Unauthorized 401, Forbidden 403, Overloaded 429, NotReady 503
    └── accepted, but not answered   DeadlineExceeded 504, Poison 500, Internal 500, ClientClosed 499 (log only)
"""

from __future__ import annotations

from typing import ClassVar


class FieldmarkError(Exception):
    """A failure with a stable slug, an HTTP status and a safe message.

    `retry_after_s` asks the client to come back after so many whole seconds, `challenge` says which key would help
    (RFC 9110, section 11.6.1). `request_id` is the id under which the service's log has a failure that a client was told;
    nobody but the client sets it.
    """

    slug: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str = "", *, retry_after_s: int | None = None, challenge: str | None = None) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.retry_after_s = retry_after_s
        self.challenge = challenge
        self.request_id: str | None = None


class BadRequest(FieldmarkError):
    """The request's form is wrong: broken multipart, broken JSON, no image."""

    slug, status, title = "bad-request", 400, "Bad request"


class Unauthorized(FieldmarkError):
    """No key, or an unknown one."""

    slug, status, title = "unauthorized", 401, "A key is needed"


class Forbidden(FieldmarkError):
    """The key does not have the scope."""

    slug, status, title = "forbidden", 403, "Not allowed with this key"


class NotFound(FieldmarkError):
    """No such route, model or domain."""

    slug, status, title = "not-found", 404, "Not found"


class MethodNotAllowed(FieldmarkError):
    """The route exists, with other methods."""

    slug, status, title = "method-not-allowed", 405, "Method not allowed"


class RequestTimeout(FieldmarkError):
    """The client sent its request too slowly."""

    slug, status, title = "request-timeout", 408, "The request came too slowly"


class TooLarge(FieldmarkError):
    """More bytes than the limit."""

    slug, status, title = "too-large", 413, "Too large"


class UnsupportedMedia(FieldmarkError):
    """Not an image in an allowed format, or an unknown content type."""

    slug, status, title = "unsupported-media", 415, "Unsupported media type"


class UnprocessableImage(FieldmarkError):
    """An image by its first bytes, but it cannot be decoded within the limits."""

    slug, status, title = "unprocessable-image", 422, "The image cannot be decoded"


class InvalidParameter(FieldmarkError):
    """A parameter has a value that is not possible."""

    slug, status, title = "invalid-parameter", 422, "Invalid parameter"


class NoKnownSubject(FieldmarkError):
    """The photo shows nothing that a domain knows."""

    slug, status, title = "no-known-subject", 422, "No known subject"


class Overloaded(FieldmarkError):
    """Admission refused the request: it would have waited too long."""

    slug, status, title = "overloaded", 429, "Overloaded"


class HeadersTooLarge(FieldmarkError):
    """The request's headers exceed the limit."""

    slug, status, title = "headers-too-large", 431, "Request headers too large"


class ClientClosed(FieldmarkError):
    """The client left before its answer; seen in logs and metrics only."""

    slug, status, title = "client-closed", 499, "Client closed the connection"


class Internal(FieldmarkError):
    """A fault of ours; the details are in the log under the request's id."""

    slug, status, title = "internal", 500, "Internal error"


class Poison(FieldmarkError):
    """This request alone brought a worker down, twice."""

    slug, status, title = "poison", 500, "The request made a worker fail"


class NotReady(FieldmarkError):
    """No worker can take the request now."""

    slug, status, title = "not-ready", 503, "Not ready"


class DeadlineExceeded(FieldmarkError):
    """The request's time ran out before its answer."""

    slug, status, title = "deadline", 504, "Deadline exceeded"


BY_SLUG: dict[str, type[FieldmarkError]] = {
    error.slug: error
    for error in (
        BadRequest,
        Unauthorized,
        Forbidden,
        NotFound,
        MethodNotAllowed,
        RequestTimeout,
        TooLarge,
        UnsupportedMedia,
        UnprocessableImage,
        InvalidParameter,
        NoKnownSubject,
        Overloaded,
        HeadersTooLarge,
        ClientClosed,
        Internal,
        Poison,
        NotReady,
        DeadlineExceeded,
    )
}


def from_wire(slug: str, detail: str) -> FieldmarkError:
    """Rebuild the error that a worker reported; an unknown slug is an internal error."""
    return BY_SLUG.get(slug, Internal)(detail)
