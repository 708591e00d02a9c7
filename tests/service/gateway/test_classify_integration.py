from __future__ import annotations

import base64
import json

import pytest
from msgspec.structs import replace

from service.answers import Parameters
from service.errors import (
    DeadlineExceeded,
    FieldmarkError,
    Internal,
    NoKnownSubject,
    NotReady,
    Overloaded,
    Poison,
    UnprocessableImage,
)
from tests.service.gateway.fake_bus import WAIT_S, FakeBus, answered, make_hello
from tests.service.gateway.serving import JPEG, RunningGateway, request

WAYS = {
    "raw": {"content": JPEG, "headers": {"content-type": "image/jpeg"}, "params": {"top_k": 3, "domain": "birds"}},
    "octets": {"content": JPEG, "headers": {"content-type": "application/octet-stream"}, "params": {"top_k": 3}},
    "no type": {"content": JPEG, "params": {"top_k": "3"}},
    "multipart": {"files": {"image": ("a.jpg", JPEG)}, "data": {"top_k": "3", "domain": "birds"}},
    "multipart and query": {"files": {"image": ("a.jpg", JPEG)}, "params": {"top_k": "3"}},
    "json": {"json": {"image": base64.b64encode(JPEG).decode(), "top_k": 3}},
    "json and query": {"json": {"image": base64.b64encode(JPEG).decode()}, "params": {"top_k": "3"}},
    "chunked": {"content": iter([JPEG[:50], JPEG[50:]]), "params": {"top_k": "3"}},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_photo_comes_in_each_way(way: str) -> None:
    bus = FakeBus()
    with RunningGateway(bus) as gateway, gateway.client() as client:
        answer = client.post("/v1/classify", **WAYS[way])
    assert answer.status_code == 200
    job = bus.arrived.get(timeout=WAIT_S)
    assert job.route == "classify/birds"
    assert list(job.images) == [JPEG]
    assert job.parameters == Parameters(top_k=3)


def test_the_answer_is_the_workers_with_id_and_times(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        answer = client.post("/v1/classify", content=JPEG)
    document = answer.json()
    assert list(document) == ["id", "model", "predictions", "image", "timing_ms"]
    assert document["id"] == answer.headers["x-request-id"]
    assert document["predictions"][0]["label"] == "Northern Cardinal"
    times = document["timing_ms"]
    assert (times["queue"], times["decode"], times["infer"]) == (0.1, 1.5, 8.0)
    assert 0 < times["total"] < 60_000
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("way", ["multipart", "json"])
def test_several_photos_of_one_subject_are_one_job(way: str) -> None:
    photos = [JPEG + bytes([number]) for number in range(5)]
    bus = FakeBus()
    encoded = [base64.b64encode(photo).decode() for photo in photos]
    sent = {"multipart": {"files": [("images", photo) for photo in photos]}, "json": {"json": {"images": encoded}}}
    with RunningGateway(bus) as gateway, gateway.client() as client:
        assert client.post("/v1/classify", **sent[way]).status_code == 200
    assert list(bus.arrived.get(timeout=WAIT_S).images) == photos


@pytest.mark.parametrize("way", ["query", "multipart", "json"])
def test_a_text_and_candidates_come_in_each_way(way: str) -> None:
    given = {"text": "red crown \U0001f426", "candidates": "Cardinal,Blue Jay", "force": "true", "certainty": "0.8"}
    as_json = {"image": base64.b64encode(JPEG).decode(), "text": given["text"], "candidates": ["Cardinal", "Blue Jay"],
               "force": True, "certainty": 0.8}  # fmt: skip
    sent = {
        "query": {"content": JPEG, "params": given},
        "multipart": {"files": {"image": JPEG}, "data": given},
        "json": {"json": as_json},
    }
    bus = FakeBus()
    with RunningGateway(bus) as gateway, gateway.client() as client:
        assert client.post("/v1/classify", **sent[way]).status_code == 200
    assert bus.arrived.get(timeout=WAIT_S).parameters == Parameters(
        text="red crown \U0001f426", candidates=("Cardinal", "Blue Jay"), force=True, certainty=0.8
    )


@pytest.mark.parametrize(
    ("accept", "is_drawn"),
    [
        ("image/png", True),
        ("image/png;q=0.9, application/json;q=0.1", True),
        ("application/json, image/png", False),
        ("text/html,image/avif,image/webp,image/png,*/*;q=0.8", False),
        ("*/*", False),
    ],
)
def test_a_client_that_wants_a_picture_first_gets_the_workers(accept: str, is_drawn: bool) -> None:
    bus = FakeBus(rule=lambda job: replace(answered(job), body=b"\x89PNG") if job.parameters.draw else answered(job))
    with RunningGateway(bus) as gateway, gateway.client() as client:
        answer = client.post("/v1/classify", content=JPEG, headers={"accept": accept})
    parameters = bus.arrived.get(timeout=WAIT_S).parameters
    assert (parameters.draw, parameters.explain) == (is_drawn, is_drawn)
    assert answer.headers["content-type"] == ("image/png" if is_drawn else "application/json")
    assert (answer.content == b"\x89PNG") == is_drawn
    assert answer.headers["x-request-id"]


def test_every_answer_has_safe_headers(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        for path in ("/healthz", "/nothing", "/docs"):
            headers = client.get(path).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert "default-src 'none'" in headers["content-security-policy"]
            assert headers["x-request-id"]
            assert "server" not in headers
            assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("given", ["abc", "0af7651916cd43dd", "a" * 128, "job:7/photo-3"])
def test_a_sane_request_id_is_taken_over(gateway: RunningGateway, given: str) -> None:
    with gateway.client() as client:
        answer = client.post("/v1/classify", content=JPEG, headers={"x-request-id": given})
    assert answer.headers["x-request-id"] == answer.json()["id"] == given


@pytest.mark.parametrize("given", ["", "a" * 129, 'a"b', "a b", "-a", "a\tb", "é"])
def test_any_other_request_id_is_replaced(gateway: RunningGateway, given: str) -> None:
    with gateway.client() as client:
        answer = client.post("/v1/classify", content=JPEG, headers={"x-request-id": given.encode()})
    assert answer.headers["x-request-id"] == answer.json()["id"] != given


def test_a_trace_is_handed_on() -> None:
    bus = FakeBus()
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with RunningGateway(bus) as gateway, gateway.client() as client:
        client.post("/v1/classify", content=JPEG, headers={"traceparent": trace})
        client.post("/v1/classify", content=JPEG, headers={"traceparent": trace + "-more"})
    assert bus.arrived.get(timeout=WAIT_S).traceparent == trace
    assert bus.arrived.get(timeout=WAIT_S).traceparent is None


def test_a_length_may_begin_with_more_zeros_than_python_reads(gateway: RunningGateway) -> None:
    answer = gateway.ask(request(content_type="image/jpeg", content_length="0" * 5000 + str(len(JPEG))))
    assert answer.status == 200


def test_the_time_counts_from_the_request_and_ends_in_504() -> None:
    with RunningGateway(FakeBus(rule=lambda job: None)) as gateway, gateway.client() as client:
        answer = client.post("/v1/classify", params={"timeout_ms": 30}, content=JPEG)
    assert answer.status_code == 504
    assert answer.json()["type"] == "deadline"


@pytest.mark.parametrize(
    "fate",
    [
        UnprocessableImage("The file breaks off."),
        NoKnownSubject("Neither a bird nor a car."),
        Poison(),
        Internal(),
        NotReady("Gone.", retry_after_s=3),
        DeadlineExceeded(),
    ],
    ids=lambda fate: fate.slug,
)
def test_what_the_bus_fails_with_is_what_the_client_is_told(fate: FieldmarkError) -> None:
    with RunningGateway(FakeBus(rule=lambda job: fate)) as gateway, gateway.client() as client:
        answer = client.post("/v1/classify", content=JPEG, headers={"x-request-id": "r1"})
    assert answer.status_code == fate.status
    assert answer.json() == {
        "type": fate.slug, "title": fate.title, "status": fate.status, "detail": fate.detail, "instance": "r1",
    }  # fmt: skip
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers.get("retry-after") == (str(fate.retry_after_s) if fate.retry_after_s else None)


def test_a_refusal_says_when_to_come_back() -> None:
    bus = FakeBus()
    bus.refusal = Overloaded("1.5 s of work wait; at most 1 s is admitted.", retry_after_s=2)
    with RunningGateway(bus) as gateway, gateway.client() as client:
        answer = client.post("/v1/classify", content=JPEG)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")


def test_a_fault_of_ours_leaves_without_its_details() -> None:
    def fail(job: object) -> None:
        raise RuntimeError("a secret path")

    with RunningGateway(FakeBus(rule=fail)) as gateway, gateway.client() as client:
        answer = client.post("/v1/classify", content=JPEG)
        assert answer.status_code == 500
        assert answer.json()["type"] == "internal"
        assert "secret" not in answer.text
        assert client.get("/healthz").status_code == 200


def test_without_a_worker_it_is_not_ready() -> None:
    with RunningGateway(FakeBus(hellos=[])) as gateway, gateway.client() as client:
        answer = client.post("/v1/classify", content=JPEG)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert client.get("/v1/models").status_code == 503
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 503


def test_a_client_that_hangs_up_while_it_waits_takes_its_job_along() -> None:
    bus = FakeBus(rule=lambda job: None)
    with RunningGateway(bus) as gateway:
        connection = gateway.connect()
        connection.sendall(request())
        job = bus.arrived.get(timeout=WAIT_S)
        connection.close()
        assert bus.left.get(timeout=WAIT_S) is job
        assert gateway.comes_to_count('fieldmark_requests_total{model="birds@1.0.0",status="499",task="classify"} 1.0')


def test_a_client_that_hangs_up_while_it_uploads_never_reaches_the_bus() -> None:
    bus = FakeBus()
    with RunningGateway(bus) as gateway:
        connection = gateway.connect()
        connection.sendall(request(body=JPEG[:100], content_length="1000"))
        connection.close()
        with gateway.client() as client:
            assert client.post("/v1/classify", content=JPEG).status_code == 200
        assert gateway.comes_to_count('status="499"')
    assert bus.arrived.qsize() == 1


def test_the_figures_of_an_answer_are_counted() -> None:
    bus = FakeBus(rule=lambda job: answered(job, uncertain=True, batch=4))
    with RunningGateway(bus) as gateway, gateway.client() as client:
        client.post("/v1/classify", params={"explain": "true"}, content=JPEG)
        client.post("/v1/classify", params={"top_k": "99"}, content=JPEG)
        lines = gateway.figures().splitlines()
    assert 'fieldmark_requests_total{model="birds@1.0.0",status="200",task="classify"} 1.0' in lines
    assert 'fieldmark_requests_total{model="none",status="422",task="classify"} 1.0' in lines
    assert 'fieldmark_stage_seconds_sum{stage="infer"} 0.008' in lines
    assert 'fieldmark_batch_size_sum{model="birds@1.0.0"} 4.0' in lines
    assert 'fieldmark_confidence_bucket{le="0.95",model="birds@1.0.0"} 0.0' in lines
    assert 'fieldmark_uncertain_total{model="birds@1.0.0"} 1.0' in lines
    assert "fieldmark_explain_total 1.0" in lines
    assert "fieldmark_body_seconds_count 1.0" in lines


def test_several_domains_ask_for_one() -> None:
    bus = FakeBus(hellos=[make_hello("birds", "cars")])
    with RunningGateway(bus) as gateway, gateway.client() as client:
        answer = client.post("/v1/classify", content=JPEG)
        assert answer.status_code == 422
        assert "birds, cars" in answer.json()["detail"]
        form = {"files": {"image": JPEG}, "data": {"domain": "cars"}}
        assert client.post("/v1/classify", **form).status_code == 200
    assert bus.arrived.get(timeout=WAIT_S).route == "classify/cars"


def test_a_photo_of_the_largest_size_arrives_whole() -> None:
    bus = FakeBus()
    photo = JPEG + bytes(range(256)) * 8000
    with RunningGateway(bus, body_limit_bytes=len(photo)) as gateway, gateway.client() as client:
        assert client.post("/v1/classify", content=photo).status_code == 200
        assert client.post("/v1/classify", content=photo + b"x").status_code == 413
    assert list(bus.arrived.get(timeout=WAIT_S).images) == [photo]


def test_the_pipeline_keeps_its_order(gateway: RunningGateway) -> None:
    with gateway.connect() as connection:
        stream = b"".join(request(x_request_id=str(number)) for number in range(20))
        connection.sendall(stream + request(x_request_id="last", connection="close"))
        received = connection.makefile("rb").read()
    assert received.count(b"HTTP/1.1 200 OK") == 21
    ids = [json.loads(b"{" + piece.split(b",", 1)[0] + b"}")["id"] for piece in received.split(b"\r\n\r\n{")[1:]]
    assert ids == [*map(str, range(20)), "last"]
