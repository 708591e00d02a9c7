"""What the Open Inference Protocol's bodies say, and each way in which one can be wrong."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.answers import ClassifyAnswer, ImageSize, ModelRef, Prediction
from service.errors import BadRequest, FieldmarkError, InvalidParameter, TooLarge, UnsupportedMedia
from service.gateway.inference_body import (
    JSON_LIMIT_BYTES,
    OUTPUTS,
    Inference,
    read_inference,
    tabulate,
    write_inference,
)
from service.gateway.tensors import BATCH_LIMIT
from service.gateway.tiff import wrap_rgb
from tests.service.gateway.serving import JPEG

SIZE_PX = 2
SQUARE = bytes(range(12))
NESTED = [[[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]]]


def elements(*photos: bytes) -> bytes:
    """Write BYTES in binary."""
    return b"".join(struct.pack("<I", len(photo)) + photo for photo in photos)


def photo_tensor(count: int = 1, **changes: Any) -> dict[str, Any]:
    data = [base64.b64encode(JPEG).decode()] * count
    return {"name": "photo", "shape": [count], "datatype": "BYTES", "data": data} | changes


def image_tensor(**changes: Any) -> dict[str, Any]:
    shape = [1, SIZE_PX, SIZE_PX, 3]
    return {"name": "image", "shape": shape, "datatype": "UINT8", "data": list(SQUARE)} | changes


def read(tensor: dict[str, Any], **members: Any) -> Inference:
    return read_inference(json.dumps({"inputs": [tensor], **members}).encode(), None, SIZE_PX)


def read_binary(tensor: dict[str, Any], binary: bytes, size: int | None = None) -> Inference:
    parameters = {"binary_data_size": len(binary) if size is None else size}
    tensor = {name: value for name, value in tensor.items() if name != "data"} | {"parameters": parameters}
    text = json.dumps({"inputs": [tensor]}).encode()
    return read_inference(text + binary, str(len(text)).encode(), SIZE_PX)


@pytest.mark.parametrize("shape", [[2], [2, 1]])
def test_photos_come_in_json_and_in_binary(shape: list[int]) -> None:
    tensor = photo_tensor(2, shape=shape)
    assert read(tensor).photos == (JPEG, JPEG)
    assert read_binary(tensor, elements(JPEG, JPEG + b"2")).photos == (JPEG, JPEG + b"2")


def test_a_nested_list_of_photos_is_read() -> None:
    encoded = base64.b64encode(JPEG).decode()
    assert read(photo_tensor(2, shape=[2, 1], data=[[encoded], [encoded]])).photos == (JPEG, JPEG)


@pytest.mark.parametrize("data", [list(SQUARE), NESTED])
def test_pixels_come_flat_or_nested_and_become_files(data: list[Any]) -> None:
    assert read(image_tensor(data=data)).photos == (wrap_rgb(SQUARE, SIZE_PX),)


def test_pixels_come_in_binary() -> None:
    two = image_tensor(shape=[2, SIZE_PX, SIZE_PX, 3])
    assert read_binary(two, SQUARE + bytes(12)).photos == (wrap_rgb(SQUARE, SIZE_PX), wrap_rgb(bytes(12), SIZE_PX))


def test_parameters_are_those_of_classify_with_the_time_in_microseconds() -> None:
    given = {"top_k": 3, "text": "red", "timeout": 1_500_001, "binary_data_output": True}
    inference = read(photo_tensor(), parameters=given, id="42")
    assert inference.parameters == {"top_k": 3, "text": "red", "timeout_ms": 1501}
    assert inference.request_id == "42"


def test_outputs_are_binary_where_it_is_asked_for() -> None:
    every = {"binary_data_output": True}
    assert read(photo_tensor()).outputs == dict.fromkeys(OUTPUTS, False)
    assert read(photo_tensor(), parameters=every).outputs == dict.fromkeys(OUTPUTS, True)
    wanted = [{"name": "probability", "parameters": {"binary_data": False}}, {"name": "label"}]
    assert read(photo_tensor(), parameters=every, outputs=wanted).outputs == {"probability": False, "label": True}


@pytest.mark.parametrize(
    ("tensor", "error", "said"),
    [
        (photo_tensor(name="pixels"), InvalidParameter, "no input 'pixels'. Known: 'photo' and 'image'"),
        (photo_tensor(datatype="FP32"), InvalidParameter, "'FP32'; it must be of 'BYTES'"),
        (photo_tensor(shape=[]), InvalidParameter, r"must be \[N\] or \[N, 1\]"),
        (photo_tensor(shape=[0]), InvalidParameter, "N from 1 to 16"),
        (photo_tensor(shape=[-1]), InvalidParameter, "N from 1 to 16"),
        (photo_tensor(shape=[1, 2]), InvalidParameter, r"shape \[1, 2\]"),
        (photo_tensor(BATCH_LIMIT + 1), InvalidParameter, r"shape \[17\]"),
        (photo_tensor(shape=[2]), BadRequest, "has 1 elements; its shape says 2"),
        (photo_tensor(data=["?"]), BadRequest, "not base64"),
        (photo_tensor(data=[1]), BadRequest, "cannot be read"),
        (photo_tensor(data=[""]), BadRequest, "no photo"),
        (photo_tensor(data=["aGVsbG8="]), UnsupportedMedia, "none of JPEG"),
        (photo_tensor(parameters={"shared_memory_region": "a"}), InvalidParameter, "'shared_memory_region'"),
        (photo_tensor(parameters={"binary_data_size": 7}), BadRequest, "announces 7 binary bytes"),
        (image_tensor(datatype="FP32"), InvalidParameter, "must be of 'UINT8'"),
        (image_tensor(shape=[1, 3, 2, 2]), InvalidParameter, r"must be \[N, 2, 2, 3\]"),
        (image_tensor(data=list(range(11))), BadRequest, "has 11 elements; its shape says 12"),
        (image_tensor(data=[256] * 12), BadRequest, r"\$\[0\] in it is not as its shape"),
        (image_tensor(data=[0.5] * 12), BadRequest, "cannot be read"),
        ({"name": "photo"}, BadRequest, r"\$\.inputs\[0\] is not as the protocol"),
    ],
)
def test_a_wrong_tensor_is_refused_in_a_sentence(
    tensor: dict[str, Any], error: type[FieldmarkError], said: str
) -> None:
    with pytest.raises(error, match=said):
        read(tensor)


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"inputs": []}, "There are 0 inputs"),
        ({"inputs": [photo_tensor(), photo_tensor()]}, "There are 2 inputs"),
        ({"outputs": [{"name": "logits"}]}, "no output 'logits'. Known: label"),
        ({"outputs": [{"name": "label", "parameters": {"classification": 3}}]}, "'classification'"),
        ({"parameters": {"timeout": "soon"}}, "microseconds"),
        ({"parameters": {"timeout": True}}, "microseconds"),
    ],
)
def test_a_wrong_request_is_refused_in_a_sentence(members: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidParameter, match=said):
        read_inference(json.dumps({"inputs": [photo_tensor()], **members}).encode(), None, SIZE_PX)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"id": "\xff", "inputs": []}', b'{"inputs": 1}'])
def test_what_is_no_request_is_said(body: bytes) -> None:
    with pytest.raises(BadRequest, match="inference request"):
        read_inference(body, None, SIZE_PX)


def test_data_that_is_no_text_is_said() -> None:
    body = json.dumps({"inputs": [photo_tensor(data=["#"])]}).encode().replace(b"#", b"\xff")
    with pytest.raises(BadRequest, match=r"cannot be read|not JSON"):
        read_inference(body, None, SIZE_PX)


@pytest.mark.parametrize("length", [b"-1", b"x", b"1000", b"", b"9" * 5000, "²".encode()])
def test_a_length_that_cannot_be_is_refused(length: bytes) -> None:
    with pytest.raises(BadRequest, match="Inference-Header-Content-Length"):
        read_inference(b"{}", length, SIZE_PX)


def test_json_has_a_limit() -> None:
    with pytest.raises(TooLarge, match=f"at most {JSON_LIMIT_BYTES}"):
        read_inference(bytes(JSON_LIMIT_BYTES + 1), None, SIZE_PX)


@pytest.mark.parametrize(
    "binary", [b"\x01", elements(JPEG)[:-1], elements(JPEG) + b"\0", elements(JPEG, JPEG), struct.pack("<I", 2**32 - 1)]
)
def test_binary_elements_that_do_not_fit_are_refused(binary: bytes) -> None:
    with pytest.raises(BadRequest, match="does not hold 1 elements"):
        read_binary(photo_tensor(), binary)


def test_binary_that_is_not_as_long_as_announced_is_refused() -> None:
    with pytest.raises(BadRequest, match="announces 5 binary bytes"):
        read_binary(photo_tensor(), elements(JPEG), size=5)


@given(st.binary(max_size=200), st.one_of(st.none(), st.binary(max_size=6)))
def test_any_bytes_are_read_or_refused(body: bytes, length: bytes | None) -> None:
    try:
        read_inference(body, length, SIZE_PX)
    except FieldmarkError as error:
        assert error.status < 500


def test_a_response_has_its_binary_outputs_behind_it_in_order() -> None:
    predictions = [Prediction("1.A", "Ä", 0.75), Prediction("2.B", "B", 0.25)]
    answer = ClassifyAnswer(ModelRef("birds", "1.0.0", "plain"), predictions, ImageSize(2, 2))
    columns = tabulate([answer, answer], [b'{"a":1}', b'{"a":2}'])
    wanted = {"probability": True, "class_id": False, "label": True, "answer": False}
    content, length = write_inference("birds", "1.0.0", Inference("7", (), {}, wanted), columns)
    assert length is not None
    response = json.loads(content[:length])
    assert (response["model_name"], response["model_version"], response["id"]) == ("birds", "1.0.0", "7")
    assert [output["name"] for output in response["outputs"]] == list(wanted)
    probability, class_id, label, document = response["outputs"]
    assert probability == {
        "name": "probability", "datatype": "FP32", "shape": [2, 2], "parameters": {"binary_data_size": 16},
    }  # fmt: skip
    assert class_id["data"] == ["1.A", "2.B", "1.A", "2.B"]
    assert (document["shape"], document["data"]) == ([2], ['{"a":1}', '{"a":2}'])
    binary = content[length:]
    assert struct.unpack("<4f", binary[:16]) == (0.75, 0.25, 0.75, 0.25)
    assert binary[16:] == elements("Ä".encode(), b"B", "Ä".encode(), b"B")
    assert label["parameters"]["binary_data_size"] == len(binary) - 16


def test_a_response_without_binary_outputs_is_json() -> None:
    answer = ClassifyAnswer(ModelRef("birds", "1.0.0", "plain"), [Prediction("1.A", "A", 1.0)], ImageSize(2, 2))
    columns = tabulate([answer], [b"{}"])
    content, length = write_inference("birds", "1.0.0", Inference("", (), {}, {"label": False}), columns)
    assert length is None
    assert "id" not in json.loads(content)
