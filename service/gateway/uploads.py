"""The three ways to send a photo, on every route: raw body, multipart/form-data, JSON with base64.

Owns the reading of the body under its limit of bytes, and the check of the photo's first bytes. Forms are parsed in
`forms.py`; how long a body may take is the connection's affair. The photo is handed on exactly as it came.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from starlette.types import Receive

from models.formats import FORMATS, sniff_format
from service.errors import BadRequest, ClientClosed, TooLarge, UnsupportedMedia
from service.gateway.exchange import Exchange
from service.gateway.forms import Form, MultipartForm, read_json

#: Of the longest number that the parser lets through, 64 bits; int() refuses more zeros before it than a head can hold.
_LENGTH_DIGITS = 20


class Way(Enum):
    """How the photo comes."""

    RAW = auto()
    MULTIPART = auto()
    JSON = auto()


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """The most that an upload may take."""

    body_bytes: int
    field_bytes: int


def way_of(exchange: Exchange, limits: UploadLimits) -> Way:
    """Tell from the headers alone how the photo comes; refuses early what the body cannot mend.

    Raises:
        UnsupportedMedia: a content type or encoding that no way has.
        TooLarge: the announced length is above the limit.
    """
    headers = exchange.headers
    encoding = headers.get(b"content-encoding", b"identity").lower()
    if encoding != b"identity":
        raise UnsupportedMedia(f"Content-Encoding {_shown(encoding)} is not taken: send the body as it is.")
    length = int(headers.get(b"content-length", b"0").lstrip(b"0")[:_LENGTH_DIGITS] or b"0")
    if length > limits.body_bytes:
        raise _too_large(length, limits)
    content_type = headers.get(b"content-type")
    if content_type is None:
        return Way.RAW
    kind = content_type.partition(b";")[0].strip().lower()
    if kind.startswith(b"image/") or kind == b"application/octet-stream":
        return Way.RAW
    if kind == b"multipart/form-data":
        return Way.MULTIPART
    if kind == b"application/json":
        return Way.JSON
    raise UnsupportedMedia(
        f"Content-Type {_shown(kind)} is not taken: send image/*, application/octet-stream, multipart/form-data or "
        "application/json."
    )


async def read_raw(exchange: Exchange, receive: Receive, limits: UploadLimits) -> bytes:
    """Read a body that is the photo."""
    pieces: list[bytes] = []
    await _read(exchange, receive, limits, pieces.append)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def read_form(exchange: Exchange, receive: Receive, limits: UploadLimits, way: Way) -> Form:
    """Read a body of fields."""
    if way is Way.MULTIPART:
        form = MultipartForm(exchange.headers[b"content-type"], limits.field_bytes)
        await _read(exchange, receive, limits, form.write)
        return form.finish()
    return read_json(await read_raw(exchange, receive, limits), limits.field_bytes)


def check_photos(form: Form) -> tuple[bytes, ...]:
    """Give a form's photos, one or several of one subject, if a worker could decode them.

    Raises:
        BadRequest: there is none, or there are both `image` and `images`.
        UnsupportedMedia: one is in none of the allowed formats.
    """
    if not form.images:
        return (check_photo(form.image),)
    if form.image is not None:
        raise BadRequest("There are both 'image' and 'images'; send one photo as 'image', or all of them as 'images'.")
    return tuple(check_photo(photo) for photo in form.images)


def check_photo(photo: bytes | None) -> bytes:
    """Give the photo if a worker could decode it, judged by its first bytes.

    Raises:
        BadRequest: there is none.
        UnsupportedMedia: not one of the allowed formats.
    """
    if not photo:
        raise BadRequest("There is no photo: the body, or the field 'image', is empty.")
    if sniff_format(photo) is None:
        raise UnsupportedMedia(f"By its first bytes this is none of {', '.join(FORMATS)}.")
    return photo


async def _read(exchange: Exchange, receive: Receive, limits: UploadLimits, take: Callable[[bytes], None]) -> None:
    """Hand each piece of the body on.

    Raises:
        TooLarge: more bytes than the limit came.
        FieldmarkError: what the connection refuses, as a body that comes too slowly.
        ClientClosed: the client left.
    """
    size = 0
    while True:
        message = await receive()
        if exchange.wire.refusal is not None:
            raise exchange.wire.refusal
        if message["type"] == "http.disconnect":
            raise ClientClosed
        piece = message["body"]
        size += len(piece)
        if size > limits.body_bytes:
            raise _too_large(size, limits)
        if piece:
            take(piece)
        if not message["more_body"]:
            return


def _too_large(size: int, limits: UploadLimits) -> TooLarge:
    return TooLarge(f"The body has {size} bytes or more; at most {limits.body_bytes} are allowed.")


def _shown(value: bytes) -> str:
    return repr(value[:64].decode("ascii", errors="replace"))
