"""The Open Inference Protocol's inference request and response, in JSON with or without binary tensors.

Owns their grammar and its limits. One input goes in (`tensors.py`), the columns of `OUTPUTS` come out. Which model answers is
the route's affair. Binary tensors stand behind the JSON in the order in which it names them.

Sources: Open Inference Protocol v2, REST (kserve/open-inference-protocol); Triton's binary tensor data extension.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from msgspec import UNSET, UnsetType

from service.answers import ClassifyAnswer
from service.errors import BadRequest, InvalidParameter, TooLarge
from service.gateway.fields import Value
from service.gateway.tensors import IMAGE, PHOTO, Column, Scalar, Tensor, check_names, place, read_photos, shown

#: Name and datatype of everything that can be asked for; all but `answer` have a row of predictions for each photo.
OUTPUTS = {"label": "BYTES", "class_id": "BYTES", "probability": "FP32", "answer": "BYTES"}
#: Of a request's JSON, which is read in one go while others wait; what is larger can come in binary.
JSON_LIMIT_BYTES = 4 << 20

_LENGTH_DIGITS = 9
_MICROSECONDS = 1000  # in a millisecond


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
        raise BadRequest(f"The JSON is no inference request: {place(error)} is not as the protocol has it.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest("The inference request is not JSON.") from None
    if len(request.inputs) != 1:
        raise InvalidParameter(f"There are {len(request.inputs)} inputs; send one, {PHOTO!r} or {IMAGE!r}.")
    (tensor,) = request.inputs
    photos = read_photos(tensor, binary, size_px)
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


def _parameters(request: InferenceRequest) -> dict[str, Value]:
    """Give what is asked of the model, with Triton's time in microseconds as this service's own."""
    given: dict[str, Value] = {**request.parameters}
    given.pop("binary_data_output", None)
    timeout = given.pop("timeout", None)
    if timeout is not None:
        if not isinstance(timeout, int) or isinstance(timeout, bool):
            raise InvalidParameter(f"timeout is {shown(str(timeout))}; it must be a whole number of microseconds.")
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
            raise InvalidParameter(f"There is no output {shown(output.name)}. Known: {', '.join(OUTPUTS)}.")
        check_names("Output", output.name, output.parameters, "binary_data")
        wanted[output.name] = output.parameters.get("binary_data", is_binary) is True
    return wanted
