"""The Open Inference Protocol as Triton's own client speaks it, against the true gateway and a whole service."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from models.preprocess import decode
from service.answers import Parameters
from service.bus.base import Job
from service.errors import DeadlineExceeded, Overloaded, UnprocessableImage
from tests.bundles import COLOURS, make_bundle, solid_photo
from tests.drills.service_process import service
from tests.service.gateway.fake_bus import WAIT_S, FakeBus, Fate, make_hello
from tests.service.gateway.serving import JPEG, RunningGateway, request

SIZE_PX = 224  # of the fake bus's models
BROKEN = JPEG + b"broken"


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[triton.InferenceServerClient]:
    with triton_client(gateway.url) as client:
        yield client


def triton_client(url: str) -> triton.InferenceServerClient:
    return triton.InferenceServerClient(url.removeprefix("http://"))


def photos(*encoded: bytes, is_binary: bool = True) -> list[triton.InferInput]:
    tensor = triton.InferInput("photo", [len(encoded)], "BYTES")
    elements = encoded if is_binary else [base64.b64encode(photo) for photo in encoded]
    tensor.set_data_from_numpy(np.array(elements, dtype=object), binary_data=is_binary)
    return [tensor]


def pixels(image: npt.NDArray[np.uint8], *, is_binary: bool = True) -> list[triton.InferInput]:
    tensor = triton.InferInput("image", list(image.shape), "UINT8")
    tensor.set_data_from_numpy(image, binary_data=is_binary)
    return [tensor]


def body_of(*encoded: bytes, **members: Any) -> bytes:
    """Write a request in JSON without the client."""
    data = [base64.b64encode(photo).decode() for photo in encoded]
    tensor = {"name": "photo", "shape": [len(encoded)], "datatype": "BYTES", "data": data}
    return json.dumps({"inputs": [tensor], **members}).encode()


def test_the_server_lives_is_ready_and_describes_itself(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    metadata = client.get_server_metadata()
    assert metadata["name"] == "fieldmark"
    assert metadata["extensions"] == ["binary_tensor_data", "parameters"]


def test_a_gateway_without_workers_lives_and_is_not_ready() -> None:
    with RunningGateway(FakeBus(hellos=[])) as gateway, triton_client(gateway.url) as client:
        assert client.is_server_live()
        assert not client.is_server_ready()
        assert not client.is_model_ready("birds")


def test_a_model_is_ready_while_a_worker_has_it() -> None:
    bus = FakeBus()
    with RunningGateway(bus) as gateway, triton_client(gateway.url) as client:
        assert client.is_model_ready("birds")
        assert client.is_model_ready("birds", "1.0.0")
        assert not client.is_model_ready("birds", "2.0.0")
        assert not client.is_model_ready("broken")
        bus.draining.add("0")
        assert not client.is_model_ready("birds")


def test_a_model_is_described_with_its_versions() -> None:
    bus = FakeBus(hellos=[make_hello(versions=("1.0.0", "2.0.0"))])
    with RunningGateway(bus) as gateway, triton_client(gateway.url) as client:
        metadata = client.get_model_metadata("birds", "1.0.0")
        assert client.get_model_metadata("birds") == metadata
    assert metadata["name"] == "birds"
    assert metadata["versions"] == ["2.0.0", "1.0.0"]
    assert metadata["inputs"] == [
        {"name": "photo", "datatype": "BYTES", "shape": [-1]},
        {"name": "image", "datatype": "UINT8", "shape": [-1, SIZE_PX, SIZE_PX, 3]},
    ]
    assert {output["name"]: output["datatype"] for output in metadata["outputs"]} == {
        "label": "BYTES", "class_id": "BYTES", "probability": "FP32", "answer": "BYTES",
    }  # fmt: skip


def test_an_encoded_photo_gets_every_output(client: triton.InferenceServerClient) -> None:
    result = client.infer("birds", photos(JPEG), request_id="42")
    assert result.as_numpy("label").tolist() == [[b"Northern Cardinal"]]
    assert result.as_numpy("class_id").tolist() == [[b"017.Cardinal"]]
    assert result.as_numpy("probability").dtype == np.float32
    assert result.as_numpy("probability").tolist() == [[pytest.approx(0.97)]]
    answer = json.loads(result.as_numpy("answer")[0])
    assert list(answer) == ["id", "model", "predictions", "image", "timing_ms"]
    response = result.get_response()
    assert (response["id"], response["model_name"], response["model_version"]) == ("42", "birds", "1.0.0")


def test_everything_can_be_json(client: triton.InferenceServerClient) -> None:
    wanted = [triton.InferRequestedOutput(name, binary_data=False) for name in ("probability", "label")]
    result = client.infer("birds", photos(JPEG, JPEG, is_binary=False), outputs=wanted)
    assert [output["name"] for output in result.get_response()["outputs"]] == ["probability", "label"]
    assert result.as_numpy("label").tolist() == [["Northern Cardinal"]] * 2
    assert result.as_numpy("answer") is None


def test_an_asynchronous_request_is_answered(client: triton.InferenceServerClient) -> None:
    asked = client.async_infer("birds", photos(JPEG))
    assert asked.get_result(timeout=WAIT_S).as_numpy("label").tolist() == [[b"Northern Cardinal"]]


def test_each_photo_of_a_batch_is_a_job_on_the_models_route() -> None:
    bus = FakeBus(hellos=[make_hello(versions=("1.0.0", "2.0.0"))])
    sent = [JPEG + bytes([number]) for number in range(3)]
    with RunningGateway(bus) as gateway, triton_client(gateway.url) as client:
        result = client.infer("birds", photos(*sent), model_version="1.0.0", parameters={"top_k": 3, "text": "red"})
    assert result.as_numpy("label").shape == (3, 1)
    jobs = [bus.arrived.get(timeout=WAIT_S) for _ in sent]
    assert [list(job.images) for job in jobs] == [[photo] for photo in sent]
    assert {job.route for job in jobs} == {"classify/birds@1.0.0"}
    assert [job.parameters for job in jobs] == [Parameters(top_k=3, text="red")] * 3


@pytest.mark.parametrize("is_binary", [True, False])
def test_raw_pixels_reach_the_worker_as_they_are(is_binary: bool) -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, SIZE_PX, SIZE_PX, 3), np.uint8)
    bus = FakeBus()
    with RunningGateway(bus) as gateway, triton_client(gateway.url) as client:
        client.infer("birds", pixels(image, is_binary=is_binary))
    (file,) = bus.arrived.get(timeout=WAIT_S).images
    assert np.array_equal(decode(file).pixels, image[0])


def test_the_clients_time_is_the_deadline() -> None:
    with (
        RunningGateway(FakeBus(rule=lambda _: None)) as gateway,
        triton_client(gateway.url) as client,
        pytest.raises(InferenceServerException, match="time ran out") as raised,
    ):
        client.infer("birds", photos(JPEG), timeout=20_000)
    assert raised.value.status() == str(DeadlineExceeded.status)


@pytest.mark.parametrize(
    ("name", "changes", "status", "said"),
    [
        ("boats", {}, "404", "'boats' does not exist"),
        ("birds", {"model_version": "9"}, "404", "'birds@9' does not exist"),
        ("Birds!", {}, "422", "must be name or name@version"),
        ("birds", {"parameters": {"model": "birds"}}, "422", "given twice"),
        ("birds", {"parameters": {"domain": "birds"}}, "422", "domain is not taken here: the path names birds@1.0.0"),
        ("birds", {"parameters": {"flavour": "sour"}}, "422", '"flavour"'),
        ("birds", {"priority": 1}, "422", '"priority"'),
        ("birds", {"outputs": [triton.InferRequestedOutput("logits")]}, "422", "no output 'logits'"),
        ("birds", {"request_compression_algorithm": "gzip"}, "415", "Content-Encoding 'gzip'"),
    ],
)
def test_a_refusal_is_the_protocols_error(
    client: triton.InferenceServerClient, name: str, changes: dict[str, Any], status: str, said: str
) -> None:
    with pytest.raises(InferenceServerException, match=said) as raised:
        client.infer(name, photos(JPEG), **changes)
    assert raised.value.status() == status


@pytest.mark.parametrize(("name", "version"), [("", ""), ("birds", ""), ("birds", "1.0.0")])
def test_who_asks_for_statistics_is_told_where_figures_are(
    client: triton.InferenceServerClient, name: str, version: str
) -> None:
    with pytest.raises(
        InferenceServerException, match=r"Statistics are not offered here; GET /metrics on the"
    ) as raised:
        client.get_inference_statistics(name, version)
    assert raised.value.status() == "404"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v2/models/boats", 404), ("GET", "/v2/none", 404), ("GET", "/v2/", 404), ("POST", "/v2", 405)],
)
def test_below_v2_every_failure_has_the_protocols_form(
    gateway: RunningGateway, method: str, path: str, status: int
) -> None:
    with gateway.client() as http:
        answer = http.request(method, path)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]


def test_beside_v2_a_failure_is_a_problem(gateway: RunningGateway) -> None:
    with gateway.client() as http:
        assert http.get("/v20").headers["content-type"] == "application/problem+json"


def test_an_error_of_ours_has_the_protocols_form_and_no_details() -> None:
    def fail(job: Job) -> Fate:
        raise RuntimeError("secret")

    with RunningGateway(FakeBus(rule=fail)) as gateway, gateway.client() as http:
        answer = http.post("/v2/models/birds/infer", content=body_of(JPEG))
    assert (answer.status_code, list(answer.json())) == (500, ["error"])
    assert "secret" not in answer.text


def test_a_form_is_no_request(gateway: RunningGateway) -> None:
    with gateway.client() as http:
        answer = http.post("/v2/models/birds/infer", files={"photo": JPEG})
    assert (answer.status_code, "it is no form" in answer.json()["error"]) == (415, True)


def test_a_body_has_a_limit() -> None:
    with RunningGateway(FakeBus(), body_limit_bytes=2000) as gateway, gateway.client() as http:
        answer = http.post("/v2/models/birds/infer", content=body_of(bytes(2000)))
    assert (answer.status_code, "2000 are allowed" in answer.json()["error"]) == (413, True)


def test_an_overload_says_when_to_come_back() -> None:
    bus = FakeBus(rule=lambda _: Overloaded("Too much.", retry_after_s=3))
    with RunningGateway(bus) as gateway, gateway.client() as http:
        answer = http.post("/v2/models/birds/infer", content=body_of(JPEG))
    assert (answer.status_code, answer.json(), answer.headers["retry-after"]) == (429, {"error": "Too much."}, "3")


def test_a_photo_that_fails_ends_its_batch() -> None:
    bus = FakeBus(rule=lambda job: UnprocessableImage("It is broken.") if job.images[0] == BROKEN else None)
    with RunningGateway(bus) as gateway, triton_client(gateway.url) as client:
        with pytest.raises(InferenceServerException, match="It is broken"):
            client.infer("birds", photos(JPEG, BROKEN))
        assert list(bus.left.get(timeout=WAIT_S).images) == [JPEG]


def test_a_client_that_leaves_ends_every_job_of_its_batch() -> None:
    bus = FakeBus(rule=lambda _: None)
    with RunningGateway(bus) as gateway:
        with gateway.connect() as connection:
            connection.sendall(request("/v2/models/birds/infer", body_of(JPEG, JPEG)))
            for _ in range(2):
                bus.arrived.get(timeout=WAIT_S)
        left = [bus.left.get(timeout=WAIT_S) for _ in range(2)]
    assert len(left) == 2


def test_requests_are_counted_with_task_and_model() -> None:
    with RunningGateway(FakeBus()) as gateway, triton_client(gateway.url) as client:
        client.infer("birds", photos(JPEG, JPEG))
        text = gateway.figures()
    assert 'fieldmark_requests_total{model="birds@1.0.0",status="200",task="classify"} 1.0' in text
    assert 'fieldmark_confidence_count{model="birds@1.0.0"} 2.0' in text


def test_a_whole_service_answers_photos_and_pixels_alike(tmp_path: Path) -> None:
    make_bundle(tmp_path)
    colours = list(COLOURS.values())
    squares = np.stack([np.full((32, 32, 3), colour, np.uint8) for colour in colours])
    encoded = [solid_photo(colour, width=32, height=32, image_format="PNG") for colour in colours]
    with service(tmp_path) as running, triton_client(f"127.0.0.1:{running.port}") as client:
        assert client.is_model_ready("colours")
        by_photo, by_pixels = client.infer("colours", photos(*encoded)), client.infer("colours", pixels(squares))
        with pytest.raises(InferenceServerException, match="damaged or incomplete"):
            client.infer("colours", photos(encoded[0], encoded[1][:40]))
    assert by_photo.as_numpy("label")[:, 0].tolist() == [b"Red", b"Green", b"Blue"]
    for name in ("label", "probability"):
        assert np.array_equal(by_photo.as_numpy(name), by_pixels.as_numpy(name))
