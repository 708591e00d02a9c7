"""Bodies that carry a photo among fields: multipart/form-data (RFC 7578) and JSON with base64.

Owns their grammar and their limits: size and number of fields and of photos. What a field means is the schema's affair,
what the photos' bytes are is the uploads'. Everything stays in memory; nothing is written to disk.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass, field

import msgspec
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.errors import BadRequest, InvalidParameter, TooLarge
from service.gateway.fields import Value

#: The field that holds the photo, in both forms; and that of several photos of one subject: repeated, or a list.
IMAGE = "image"
IMAGES = "images"
IMAGES_LIMIT = 5
FIELDS_LIMIT = 32
PART_HEADERS_LIMIT = 8
PART_HEADER_LIMIT_BYTES = 4096
#: What msgspec raises, the second for a text that is not UTF-8.
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError)


@dataclass(slots=True)
class Form:
    """A form's content; `image` is None and `images` empty where they were not sent."""

    fields: dict[str, Value] = field(default_factory=dict)
    image: bytes | None = None
    images: list[bytes] = field(default_factory=list)


class _Photos(msgspec.Struct):
    """What may be large of a JSON object; everything else is read over."""

    image: msgspec.Raw = msgspec.Raw()
    images: msgspec.Raw = msgspec.Raw()


#: The first items of a list, one more than are allowed; everything behind them is read over.
_FirstPhotos = msgspec.defstruct(
    "_FirstPhotos", [(f"image_{n}", msgspec.Raw, msgspec.Raw()) for n in range(IMAGES_LIMIT + 1)], array_like=True
)


class MultipartForm:
    """Reads multipart/form-data as it arrives.

    `write` takes pieces of any size; `finish` gives the form. Both raise:
        BadRequest: the body is not multipart, breaks off, or has more than `FIELDS_LIMIT` fields.
        InvalidParameter: a field is given twice, or is not UTF-8; there are more than `IMAGES_LIMIT` images.
        TooLarge: a field other than a photo is above its limit.
    """

    def __init__(self, content_type: bytes, field_limit_bytes: int) -> None:
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        if not boundary:
            raise BadRequest("The multipart Content-Type names no boundary.")
        self._field_limit_bytes = field_limit_bytes
        self._form = Form()
        self._names: set[str] = set()
        self._is_whole = False
        self._start_part()
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._start_part,
                    "on_header_field": self._add_header_name,
                    "on_header_value": self._add_header_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._name_part,
                    "on_part_data": self._add_data,
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
                max_header_count=PART_HEADERS_LIMIT,
                max_header_size=PART_HEADER_LIMIT_BYTES,
            )
        except FormParserError:
            raise BadRequest(f"The multipart boundary has {len(boundary)} bytes; at most 256 are allowed.") from None

    def write(self, data: bytes) -> None:
        """Take the next piece of the body."""
        try:
            self._parser.write(data)
        except FormParserError:
            raise BadRequest(
                f"The multipart body does not follow its boundary, or a part has more than {PART_HEADERS_LIMIT} header lines "
                f"or one of more than {PART_HEADER_LIMIT_BYTES:,} bytes."
            ) from None

    def finish(self) -> Form:
        """Give the form, now that the body is over."""
        if not self._is_whole:
            raise BadRequest("The multipart body breaks off before its last boundary.")
        return self._form

    def _start_part(self) -> None:
        self._name = ""
        self._size = 0
        self._pieces: list[bytes] = []
        self._header_name = b""
        self._header_value = b""

    def _add_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _add_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            kind, options = parse_options_header(self._header_value)
            if kind == b"form-data":
                self._name = _as_text("name", options.get(b"name", b""))
        self._header_name = self._header_value = b""

    def _name_part(self) -> None:
        if not self._name:
            raise BadRequest('A part of the multipart body has no Content-Disposition: form-data with a name="...".')
        if self._name in self._names:
            if self._name != IMAGES:
                raise InvalidParameter(f"Field {self._name[:64]!r} is given twice.")
            if len(self._form.images) == IMAGES_LIMIT:
                raise _too_many_images()
        if len(self._names) == FIELDS_LIMIT:
            raise BadRequest(f"The form has more than {FIELDS_LIMIT} fields.")
        self._names.add(self._name)

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._size > self._field_limit_bytes and self._name not in (IMAGE, IMAGES):
            raise _field_too_large(self._name, self._field_limit_bytes)
        self._pieces.append(data[start:end])

    def _end_part(self) -> None:
        pieces = self._pieces
        content = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if self._name == IMAGE:
            self._form.image = content
        elif self._name == IMAGES:
            self._form.images.append(content)
        else:
            self._form.fields[self._name] = _as_text(self._name, content)

    def _end(self) -> None:
        self._is_whole = True


def read_json(body: bytes, field_limit_bytes: int) -> Form:
    """Read a JSON object with the photo as base64 in `image`, or several in `images`, and scalars or texts as fields.

    Raises:
        BadRequest: not JSON, not an object, more than `FIELDS_LIMIT` fields, or a photo is not base64.
        InvalidParameter: a field is nested deeper than lists of texts and objects of them; too many images.
        TooLarge: a field other than a photo is above its limit, or all of them together are.
    """
    try:
        _bound_rest(body, msgspec.json.decode(body, type=_Photos), field_limit_bytes)
        parts = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError:
        raise BadRequest('The JSON body is not an object: send {"image": "<base64>", ...}.') from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest("The body is not JSON.") from None
    if len(parts) > FIELDS_LIMIT:
        raise BadRequest(f"The JSON object has {len(parts)} fields; at most {FIELDS_LIMIT} are allowed.")
    form = Form()
    for name, raw in parts.items():
        if name == IMAGE:
            form.image = _from_base64(IMAGE, raw)
        elif name == IMAGES:
            form.images = _read_images(raw)
        elif len(memoryview(raw)) > field_limit_bytes:
            raise _field_too_large(name, field_limit_bytes)
        else:
            form.fields[name] = _value(name, raw)
    return form


def _bound_rest(body: bytes, photos: _Photos, field_limit_bytes: int) -> None:
    """Refuse what is too large for the fields that are allowed before each becomes an object of many times its bytes."""
    size = len(body) - len(memoryview(photos.image)) - len(memoryview(photos.images))
    limit = FIELDS_LIMIT * (field_limit_bytes + PART_HEADER_LIMIT_BYTES)
    if size > limit:
        raise TooLarge(f"Beside its photos the JSON object has {size} bytes; its fields may have {limit} together.")


def _value(name: str, raw: msgspec.Raw) -> Value:
    try:
        value: Value = msgspec.json.decode(raw, type=Value)
    except UnicodeDecodeError:
        raise _not_utf8(name) from None
    except msgspec.MsgspecError:
        raise InvalidParameter(
            f"Field {name[:64]!r} must be a text, a number, true or false, a list of texts, or an object of these."
        ) from None
    return value


def _read_images(raw: msgspec.Raw) -> list[bytes]:
    try:
        photos = msgspec.json.decode(raw, type=_FirstPhotos)
    except _UNREADABLE:
        raise BadRequest("Field 'images' must be a list of texts in base64.") from None
    images = [image for image in msgspec.structs.astuple(photos) if memoryview(image)]
    if len(images) > IMAGES_LIMIT:
        raise _too_many_images()
    return [_from_base64(IMAGES, image) for image in images]


def _from_base64(name: str, raw: msgspec.Raw) -> bytes:
    try:
        text = msgspec.json.decode(raw, type=str)
    except _UNREADABLE:
        raise BadRequest(f"Field {name!r} must be a text in base64.") from None
    if text.startswith("data:"):
        raise BadRequest(f"Field {name!r} is a data: URL; send only what follows its comma.")
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        raise BadRequest(f"Field {name!r} is not base64 (RFC 4648, with padding and without line breaks).") from None


def _too_many_images() -> InvalidParameter:
    return InvalidParameter(f"There are more than {IMAGES_LIMIT} images, the most of one subject that are taken.")


def _field_too_large(name: str, limit_bytes: int) -> TooLarge:
    return TooLarge(f"Field {name[:64]!r} is larger than {limit_bytes} bytes, the most that a field may have.")


def _as_text(name: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise _not_utf8(name) from None


def _not_utf8(name: str) -> InvalidParameter:
    return InvalidParameter(f"Field {name[:64]!r} is not UTF-8.")
