"""The Open Inference Protocol's inference request and response, in JSON with or without binary tensors.

Owns their grammar and its limits. Photos go in, as `photo` (BYTES: files as they are) or as `image` (UINT8: raw squares as
the model takes them); the columns of `OUTPUTS` come out. Which model answers is the route's affair.

Binary tensors stand behind the JSON in the order in which it names them, little-endian, each element of BYTES behind its
length in 4 bytes. In JSON an element of BYTES is base64, because JSON has no bytes.

Sources: Open Inference Protocol v2, REST (kserve/open-inference-protocol); Triton's binary tensor data extension.
"""

from __future__ import annotations

import binascii
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from service.answers import ClassifyAnswer
from service.errors import BadRequest, InvalidParameter, TooLarge
from service.gateway.fields import Value
from service.gateway.tiff import CHANNELS, wrap_rgb
from service.gateway.uploads import check_photo

PHOTO, IMAGE = "photo", "image"
#: Name and datatype of everything that can be asked for; all but `answer` have a row of predictions for each photo.
OUTPUTS = {"label": "BYTES", "class_id": "BYTES", "probability": "FP32", "answer": "BYTES"}
BATCH_LIMIT = 16
#: Of a request's JSON, which is read in one go while others wait; what is larger can come in binary.
JSON_LIMIT_BYTES = 4 << 20

_LENGTH = struct.Struct("<I")
_LENGTH_DIGITS = 9
_MICROSECONDS = 1000  # in a millisecond
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


class Wanted(msgspec.Struct, frozen=True):
    """An output that is asked for."""

    name: str
    parameters: dict[str, Scalar] = {}


class InferenceRequest(msgspec.Struct, frozen=True):
    """The JSON of a request."""

    inputs: list[Tensor]
    id: str = ""
    parameters: dict[str, Scalar] = {}
    outputs: list[Wanted] = []


class OutputTensor(msgspec.Struct, frozen=True, omit_defaults=True):
    """An output, with its content in JSON or the size of its binary one."""

    name: str
    datatype: str
    shape: list[int]
    data: list[str | float] | UnsetType = UNSET
    parameters: dict[str, int] | UnsetType = UNSET


class InferenceResponse(msgspec.Struct, frozen=True):
    """The JSON of a response."""

    model_name: str
    model_version: str
    outputs: list[OutputTensor]
    id: str | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class Inference:
    """A request that was read: photos that a worker can decode, and for each wanted output whether it is binary.

    `parameters` are those of `POST /v1/classify`.
    """

    request_id: str
    photos: tuple[bytes, ...]
    parameters: dict[str, Value]
    outputs: dict[str, bool]


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


def read_inference(body: bytes, json_length: bytes | None, size_px: int) -> Inference:
    """Read a request to a model whose input is a square of `size_px`.

    `json_length` is the header Inference-Header-Content-Length: how many bytes of the body are JSON, None for all.

    Raises:
        BadRequest: the request does not follow the protocol, or a size is not the one announced.
        TooLarge: there is more JSON than `JSON_LIMIT_BYTES`.
        InvalidParameter: a tensor, a shape or a parameter that is not taken here.
        UnsupportedMedia: a photo is in none of the allowed formats.
    """
    text, binary = _split(memoryview(body), json_length)
    if len(text) > JSON_LIMIT_BYTES:
        raise TooLarge(f"The JSON has {len(text)} bytes; at most {JSON_LIMIT_BYTES} are read. Send tensors in binary.")
    try:
        request = msgspec.json.decode(text, type=InferenceRequest)
    except msgspec.ValidationError as error:
        raise BadRequest(f"The JSON is no inference request: {_place(error)} is not as the protocol has it.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest("The inference request is not JSON.") from None
    if len(request.inputs) != 1:
        raise InvalidParameter(f"There are {len(request.inputs)} inputs; send one, {PHOTO!r} or {IMAGE!r}.")
    (tensor,) = request.inputs
    content = _binary_content(tensor, binary)
    photos = _read_photos(tensor, content) if tensor.name == PHOTO else _read_pixels(tensor, content, size_px)
    return Inference(request.id, photos, _parameters(request), _wanted(request))


def tabulate(answers: Sequence[ClassifyAnswer], documents: Sequence[bytes]) -> dict[str, Column]:
    """Put the answers to a batch into columns; `documents` are the same answers as JSON."""
    count = min(len(answer.predictions) for answer in answers)
    predictions = [prediction for answer in answers for prediction in answer.predictions[:count]]
    shape = [len(answers), count]
    return {
        "label": Column("BYTES", shape, [prediction.label for prediction in predictions]),
        "class_id": Column("BYTES", shape, [prediction.class_id for prediction in predictions]),
        "probability": Column("FP32", shape, [prediction.probability for prediction in predictions]),
        "answer": Column("BYTES", [len(answers)], [document.decode() for document in documents]),
    }


def write_inference(
    model: str, version: str, inference: Inference, columns: dict[str, Column]
) -> tuple[bytes, int | None]:
    """Write a response and tell how many of its bytes are JSON, None where all are."""
    outputs: list[OutputTensor] = []
    binary: list[bytes] = []
    for name, is_binary in inference.outputs.items():
        column = columns[name]
        if is_binary:
            binary.append(column.pack())
            size = {"binary_data_size": len(binary[-1])}
            outputs.append(OutputTensor(name, column.datatype, column.shape, parameters=size))
        else:
            outputs.append(OutputTensor(name, column.datatype, column.shape, data=column.values))
    response = InferenceResponse(model, version, outputs, inference.request_id or UNSET)
    text = msgspec.json.encode(response)
    return b"".join([text, *binary]), len(text) if binary else None


def _split(body: memoryview, json_length: bytes | None) -> tuple[memoryview, memoryview]:
    length = len(body)
    if json_length is not None:
        is_number = json_length.isdigit() and len(json_length) <= _LENGTH_DIGITS
        length = int(json_length) if is_number else length + 1
        if length > len(body):
            shown = json_length[: 2 * _LENGTH_DIGITS].decode("ascii", errors="replace")
            raise BadRequest(
                f"Inference-Header-Content-Length is {shown!r}; it must be a number up to the body's {len(body)} bytes."
            )
    return body[:length], body[length:]


def _binary_content(tensor: Tensor, binary: memoryview) -> memoryview | None:
    _check_names("Input", tensor.name, tensor.parameters, "binary_data_size")
    size = tensor.parameters.get("binary_data_size", 0)
    if size != len(binary):
        raise BadRequest(f"The input announces {size} binary bytes; behind the JSON stand {len(binary)}.")
    return binary if "binary_data_size" in tensor.parameters else None


def _read_photos(tensor: Tensor, content: memoryview | None) -> tuple[bytes, ...]:
    count = _batch(tensor, "BYTES", "[N] or [N, 1]", tensor.shape[1:] in ([], [1]))
    photos = _decode_base64(tensor) if content is None else _cut(content, count)
    if len(photos) != count:
        raise BadRequest(f"Input {PHOTO!r} has {len(photos)} elements; its shape says {count}.")
    return tuple(check_photo(photo) for photo in photos)


def _read_pixels(tensor: Tensor, content: memoryview | None, size_px: int) -> tuple[bytes, ...]:
    if tensor.name != IMAGE:
        raise InvalidParameter(f"There is no input {_shown(tensor.name)}. Known: {PHOTO!r} and {IMAGE!r}.")
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
        raise InvalidParameter(f"Input {tensor.name!r} is of {_shown(tensor.datatype)}; it must be of {datatype!r}.")
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
            f"The data of input {tensor.name!r} cannot be read: {_place(error)} in it is not as its shape and datatype say."
        ) from None


def _place(error: Exception) -> str:
    """Where a fault was found, as a path into the JSON; `$` is all of it."""
    return str(error).rpartition(" - at ")[2].strip("`") if " - at " in str(error) else "$"


def _parameters(request: InferenceRequest) -> dict[str, Value]:
    """Give what is asked of the model, with Triton's time in microseconds as this service's own."""
    given: dict[str, Value] = {**request.parameters}
    given.pop("binary_data_output", None)
    timeout = given.pop("timeout", None)
    if timeout is not None:
        if not isinstance(timeout, int) or isinstance(timeout, bool):
            raise InvalidParameter(f"timeout is {_shown(str(timeout))}; it must be a whole number of microseconds.")
        given["timeout_ms"] = -(-timeout // _MICROSECONDS)
    return given


def _wanted(request: InferenceRequest) -> dict[str, bool]:
    """Tell for each output that is asked for whether it is to be binary; nothing asked for is everything."""
    is_binary = request.parameters.get("binary_data_output") is True
    if not request.outputs:
        return dict.fromkeys(OUTPUTS, is_binary)
    wanted = {}
    for output in request.outputs:
        if output.name not in OUTPUTS:
            raise InvalidParameter(f"There is no output {_shown(output.name)}. Known: {', '.join(OUTPUTS)}.")
        _check_names("Output", output.name, output.parameters, "binary_data")
        wanted[output.name] = output.parameters.get("binary_data", is_binary) is True
    return wanted


def _check_names(part: str, name: str, parameters: dict[str, Scalar], known: str) -> None:
    for parameter in parameters:
        if parameter != known:
            raise InvalidParameter(
                f"{part} {_shown(name)} has the parameter {_shown(parameter)}; the only one that is taken is {known!r}."
            )


def _shown(name: str) -> str:
    return repr(name[:_SHOWN_CHARACTERS])
