"""Tensors of the Open Inference Protocol: how an input's content is read and an output's is written.

Photos go in, as `photo` (BYTES: files as they are) or as `image` (UINT8: raw squares as the model takes them). Binary content
is little-endian, each element of BYTES behind its length in 4 bytes. In JSON an element of BYTES is base64, because JSON
has no bytes.

Sources: Open Inference Protocol v2, REST (kserve/open-inference-protocol); Triton's binary tensor data extension.
"""

from __future__ import annotations

import binascii
import re
import struct
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any

import msgspec

from service.errors import BadRequest, InvalidParameter
from service.gateway.tiff import CHANNELS, wrap_rgb
from service.gateway.uploads import check_photo

PHOTO, IMAGE = "photo", "image"
BATCH_LIMIT = 16

_LENGTH = struct.Struct("<I")
_SHOWN_CHARACTERS = 64  # of a name that is not known, in an error
_NESTED = re.compile(rb"\s*\[\s*\[")

Scalar = str | int | float | bool
_Row = list[Annotated[int, msgspec.Meta(ge=0, le=255)]]


class Tensor(msgspec.Struct, frozen=True):
    """An input as it is announced; `data` is its content in JSON, empty where that is binary."""

    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Scalar] = {}
    data: msgspec.Raw = msgspec.Raw()


@dataclass(frozen=True, slots=True)
class Column:
    """An output's content, row by row: texts for BYTES, numbers for FP32."""

    datatype: str
    shape: list[int]
    values: list[str | float]

    def pack(self) -> bytes:
        """Write it in binary."""
        if self.datatype == "FP32":
            return struct.pack(f"<{len(self.values)}f", *self.values)
        texts = [str(value).encode() for value in self.values]
        return b"".join(chain.from_iterable((_LENGTH.pack(len(text)), text) for text in texts))


def read_photos(tensor: Tensor, binary: memoryview, size_px: int) -> tuple[bytes, ...]:
    """Read an input as photos that a worker can decode; `binary` is what stands behind the JSON.

    Raises:
        BadRequest: the content is not as announced.
        InvalidParameter: an input, a shape or a parameter that is not taken here.
        UnsupportedMedia: a photo is in none of the allowed formats.
    """
    content = _binary_content(tensor, binary)
    return _read_files(tensor, content) if tensor.name == PHOTO else _read_pixels(tensor, content, size_px)


def _binary_content(tensor: Tensor, binary: memoryview) -> memoryview | None:
    check_names("Input", tensor.name, tensor.parameters, "binary_data_size")
    size = tensor.parameters.get("binary_data_size", 0)
    if size != len(binary):
        raise BadRequest(f"The input announces {size} binary bytes; behind the JSON stand {len(binary)}.")
    return binary if "binary_data_size" in tensor.parameters else None


def _read_files(tensor: Tensor, content: memoryview | None) -> tuple[bytes, ...]:
    count = _batch(tensor, "BYTES", "[N] or [N, 1]", tensor.shape[1:] in ([], [1]))
    photos = _decode_base64(tensor) if content is None else _cut(content, count)
    if len(photos) != count:
        raise BadRequest(f"Input {PHOTO!r} has {len(photos)} elements; its shape says {count}.")
    return tuple(check_photo(photo) for photo in photos)


def _read_pixels(tensor: Tensor, content: memoryview | None, size_px: int) -> tuple[bytes, ...]:
    if tensor.name != IMAGE:
        raise InvalidParameter(f"There is no input {shown(tensor.name)}. Known: {PHOTO!r} and {IMAGE!r}.")
    square = [size_px, size_px, CHANNELS]
    count = _batch(tensor, "UINT8", f"[N, {size_px}, {size_px}, {CHANNELS}]", tensor.shape[1:] == square)
    pixels = content if content is not None else memoryview(_decode_pixels(tensor))
    size = size_px * size_px * CHANNELS
    if len(pixels) != count * size:
        raise BadRequest(f"Input {IMAGE!r} has {len(pixels)} elements; its shape says {count * size}.")
    return tuple(wrap_rgb(pixels[start : start + size], size_px) for start in range(0, len(pixels), size))


def _batch(tensor: Tensor, datatype: str, shape: str, is_shape: bool) -> int:
    """Give the number of photos, once datatype and shape are those of the input."""
    if tensor.datatype != datatype:
        raise InvalidParameter(f"Input {tensor.name!r} is of {shown(tensor.datatype)}; it must be of {datatype!r}.")
    if not tensor.shape or not is_shape or not 1 <= tensor.shape[0] <= BATCH_LIMIT:
        raise InvalidParameter(
            f"Input {tensor.name!r} has the shape {tensor.shape[:8]}; it must be {shape} with N from 1 to {BATCH_LIMIT}."
        )
    return tensor.shape[0]


def _cut(content: memoryview, count: int) -> list[bytes]:
    """Cut binary BYTES into their elements, `count` at most."""
    elements: list[bytes] = []
    at = 0
    while at < len(content):
        start = at + _LENGTH.size
        at = start + _LENGTH.unpack_from(content, at)[0] if start <= len(content) else start
        if at > len(content) or len(elements) == count:
            raise BadRequest(f"Input {PHOTO!r} does not hold {count} elements with their lengths before them.")
        elements.append(bytes(content[start:at]))
    return elements


def _decode_base64(tensor: Tensor) -> list[bytes]:
    texts = _decode_data(tensor, list[str | list[str]])
    flat = chain.from_iterable([text] if isinstance(text, str) else text for text in texts)
    try:
        return [binascii.a2b_base64(text, strict_mode=True) for text in flat]
    except (binascii.Error, ValueError):
        raise BadRequest(
            f"Input {PHOTO!r} is not base64; in JSON its elements must be. Binary it takes files."
        ) from None


def _decode_pixels(tensor: Tensor) -> bytes:
    """Read numbers in a flat list, or nested as the shape is."""
    if _NESTED.match(memoryview(tensor.data)):
        rows = _decode_data(tensor, list[list[list[_Row]]])
        return bytes(chain.from_iterable(chain.from_iterable(chain.from_iterable(rows))))
    return bytes(_decode_data(tensor, _Row))


def _decode_data(tensor: Tensor, kind: Any) -> Any:
    try:
        return msgspec.json.decode(tensor.data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadRequest(
            f"The data of input {tensor.name!r} cannot be read: {place(error)} in it is not as its shape and datatype say."
        ) from None


def place(error: Exception) -> str:
    """Where a fault was found, as a path into the JSON; `$` is all of it."""
    return str(error).rpartition(" - at ")[2].strip("`") if " - at " in str(error) else "$"


def check_names(part: str, name: str, parameters: dict[str, Scalar], known: str) -> None:
    """Refuse parameters other than the `known` one, of the part of a request that has this name."""
    for parameter in parameters:
        if parameter != known:
            raise InvalidParameter(
                f"{part} {shown(name)} has the parameter {shown(parameter)}; the only one that is taken is {known!r}."
            )


def shown(name: str) -> str:
    """Give a name as an error quotes it."""
    return repr(name[:_SHOWN_CHARACTERS])
