"""Clients that are slow, greedy, half gone or not quite HTTP, on bare sockets."""

from __future__ import annotations

import queue
import socket
import time
from collections.abc import Iterator

import pytest

from service.gateway import protocol
from tests.service.gateway.fake_bus import WAIT_S, FakeBus
from tests.service.gateway.serving import JPEG, RunningGateway, read_all, read_answer, request

SOON_S = 0.2  # a time limit under test; nothing is asserted about how long it took


@pytest.fixture
def hasty() -> Iterator[RunningGateway]:
    """A gateway that waits for nobody."""
    with RunningGateway(FakeBus(), header_timeout_s=SOON_S, body_timeout_s=SOON_S) as running:
        yield running


def counted(gateway: RunningGateway, status: int) -> bool:
    return f'fieldmark_requests_total{{model="none",status="{status}",task="none"}}' in gateway.figures()


@pytest.mark.parametrize("beginning", [b"P", b"POST /v1/classify HTTP/1.1\r\n", request()[:60]])
def test_a_head_that_does_not_end_is_answered_408(hasty: RunningGateway, beginning: bytes) -> None:
    with hasty.connect() as connection:
        connection.sendall(beginning)
        answer = read_answer(connection)
        assert answer.problem["type"] == "request-timeout"
        assert "0.2 s" in answer.problem["detail"]
        assert read_all(connection) == b""
    assert counted(hasty, 408)


@pytest.mark.parametrize("noise", [b"", b"\r\n\r\n"])
def test_a_client_that_asks_nothing_is_let_go(hasty: RunningGateway, noise: bytes) -> None:
    with hasty.connect() as connection:
        connection.sendall(noise)
        assert read_all(connection) == b""


def test_noise_after_an_answer_does_not_keep_the_connection(hasty: RunningGateway) -> None:
    with hasty.connect() as connection:
        connection.sendall(request())
        assert read_answer(connection).status == 200
        connection.sendall(b"\r\n")
        assert read_all(connection) == b""


def test_a_second_head_that_does_not_end_is_answered_408(hasty: RunningGateway) -> None:
    with hasty.connect() as connection:
        connection.sendall(request() + b"GET /healthz HT")
        assert read_answer(connection).status == 200
        assert read_answer(connection).problem["type"] == "request-timeout"


@pytest.mark.parametrize(
    "raw",
    [
        request(body=JPEG, content_length="1000"),
        request(body=b"5\r\nabcde\r\n", transfer_encoding="chunked"),
        request(body=b"--XX\r\nConte", content_length="1000", content_type="multipart/form-data; boundary=XX"),
        request(body=b"{", content_length="1000", content_type="application/json"),
    ],
    ids=["raw", "chunked", "multipart", "json"],
)
def test_a_body_that_does_not_end_is_answered_408(hasty: RunningGateway, raw: bytes) -> None:
    answer = hasty.ask(raw)
    assert answer.problem["type"] == "request-timeout"
    assert "after 0.2 s" in answer.problem["detail"]


def test_a_head_that_grows_for_ever_is_cut_off() -> None:
    with RunningGateway(FakeBus(), header_limit_bytes=2048) as gateway, gateway.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nx-long: ")
        sent = 0
        try:
            while sent < 64 << 20:
                sent += connection.send(b"a" * 65536)
        except OSError:
            pass
        assert sent < 16 << 20, "it must stop reading, not only complain at the end"


def test_a_head_is_not_charged_with_the_body_before_it(gateway: RunningGateway) -> None:
    first, second = request(body=JPEG + bytes(20_000)), request("/healthz", b"", "GET")
    with gateway.connect() as connection:
        connection.sendall(first + second[:20])
        assert read_answer(connection).status == 200
        connection.sendall(second[20:])
        assert read_answer(connection).status == 200


def test_trailers_are_read_over_but_not_without_end(gateway: RunningGateway) -> None:
    body = b"%x\r\n%b\r\n0\r\n" % (len(JPEG), JPEG)
    assert gateway.ask(request(body=body + b"x-trailer: a\r\n\r\n", transfer_encoding="chunked")).status == 200
    with RunningGateway(FakeBus(), body_limit_bytes=1024) as small:
        trailers = body + b"x-trailer: " + b"a" * (1 << 20)
        assert small.ask(request(body=trailers, transfer_encoding="chunked")).problem["type"] == "too-large"


def test_a_body_that_breaks_its_framing_is_refused_midway(gateway: RunningGateway) -> None:
    with gateway.connect() as connection:
        connection.sendall(request(body=b"5\r\nabcde\r\n", transfer_encoding="chunked"))
        connection.sendall(b"not a chunk\r\n")
        answer = read_answer(connection)
        assert answer.problem["type"] == "bad-request"
        assert answer.headers["connection"] == "close"
        assert read_all(connection) == b""


def test_what_follows_a_good_request_does_not_spoil_its_answer(gateway: RunningGateway) -> None:
    with gateway.connect() as connection:
        connection.sendall(request() + b"\x00\x01\x02 no http\r\n\r\n")
        assert read_answer(connection).status == 200
        assert read_all(connection) == b""


def test_a_refusal_reaches_a_client_that_is_still_uploading(gateway: RunningGateway) -> None:
    size = protocol.DISCARD_LIMIT_BYTES - 1000
    with gateway.connect() as connection:
        connection.sendall(request(body=bytes(size), content_type="text/plain"))
        assert read_answer(connection).problem["type"] == "unsupported-media"
        connection.sendall(request())
        assert read_answer(connection).status == 200, "the connection goes on"


def test_a_refusal_comes_before_the_body(gateway: RunningGateway) -> None:
    for path in ("/v1/classify?top_k=0", "/v1/classify?domain=fish", "/v1/classify?model=fish", "/v1/nothing"):
        answer = gateway.ask(request(path, b"", content_length="10000"))
        assert answer.status in (404, 422)
    limit = gateway.settings.body_limit_bytes
    assert gateway.ask(request(body=b"", content_length=str(limit + 1))).problem["type"] == "too-large"


def test_a_refused_upload_is_not_read_for_ever(gateway: RunningGateway) -> None:
    with gateway.connect() as connection:
        connection.sendall(request(body=b"", content_length=str(1 << 30)))
        assert read_answer(connection).status == 413
        sent = 0
        try:
            while sent < 64 << 20:
                sent += connection.send(bytes(65536))
        except OSError:
            pass
        assert sent < 32 << 20


def test_a_refused_upload_that_stops_is_let_go(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "DISCARD_TIMEOUT_S", SOON_S)
    with gateway.connect() as connection:
        connection.sendall(request(body=b"abc", content_length="1000", content_type="text/plain"))
        assert read_answer(connection).status == 415
        assert read_all(connection) == b""


def test_a_client_that_asks_first_is_told_to_go_on(gateway: RunningGateway) -> None:
    with gateway.connect() as connection:
        connection.sendall(request(body=b"", content_length=str(len(JPEG)), expect="100-continue"))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(JPEG)
        assert read_answer(connection).status == 200


def test_a_client_that_asks_first_is_spared_a_useless_upload(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "DISCARD_TIMEOUT_S", 3600)
    with gateway.connect() as connection:
        connection.sendall(request("/v1/classify?top_k=0", b"", content_length="1000", expect="100-continue"))
        assert read_answer(connection).status == 422
        assert read_all(connection) == b""


def test_a_wish_for_another_protocol_is_answered_in_this_one(gateway: RunningGateway) -> None:
    with gateway.connect() as connection:
        for protocol_name in ("h2c", "websocket"):
            connection.sendall(request("/healthz", b"", "GET", connection="Upgrade", upgrade=protocol_name))
            assert read_answer(connection).status == 200


def test_a_client_of_the_old_kind_is_served(gateway: RunningGateway) -> None:
    answer = gateway.ask(request().replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert answer.status == 200
    assert answer.headers["connection"] == "close"


def test_head_is_get_without_the_body(gateway: RunningGateway) -> None:
    for path in ("/healthz", "/v1/models", "/v1/stats", "/docs", "/openapi.json"):
        with gateway.connect() as connection:
            connection.sendall(request(path, b"", "HEAD", connection="close"))
            received = read_all(connection)
        assert received.startswith(b"HTTP/1.1 200 OK\r\n")
        assert received.endswith(b"\r\n\r\n")
        assert b"content-length: " in received
    assert gateway.ask(request(method="HEAD"), "HEAD").status == 405


def test_connections_above_the_limit_are_told_so() -> None:
    with RunningGateway(FakeBus(), connections_limit=2) as gateway:
        held = [gateway.connect() for _ in range(2)]
        for connection in held:
            connection.sendall(request())
            assert read_answer(connection).status == 200
        with gateway.connect() as excess:
            excess.sendall(request())
            answer = read_answer(excess)
            assert answer.problem["type"] == "overloaded"
            assert "2 connections" in answer.problem["detail"]
            assert answer.headers["retry-after"] == "1"
            assert read_all(excess) == b""
        held.pop().close()
        with gateway.connect() as next_one:
            next_one.sendall(request())
            assert read_answer(next_one).status in (200, 429)
        for connection in held:
            connection.close()


def test_far_too_many_connections_are_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "EXCESS_LIMIT", 0)
    with RunningGateway(FakeBus(), connections_limit=1) as gateway, gateway.connect() as first:
        first.sendall(request())
        assert read_answer(first).status == 200
        with gateway.connect() as second:
            assert read_all(second) == b""


def test_a_client_that_ends_its_sending_side_has_left() -> None:
    bus = FakeBus(rule=lambda job: None)
    with RunningGateway(bus) as gateway, gateway.connect() as connection:
        connection.sendall(request())
        job = bus.arrived.get(timeout=WAIT_S)
        connection.shutdown(socket.SHUT_WR)
        assert bus.left.get(timeout=WAIT_S) is job
        assert read_all(connection) == b""


def test_when_a_client_leaves_all_its_waiting_requests_do() -> None:
    bus = FakeBus(rule=lambda job: None)
    with RunningGateway(bus) as gateway:
        connection = gateway.connect()
        connection.sendall(request() * 3)
        bus.arrived.get(timeout=WAIT_S)
        connection.close()
        bus.left.get(timeout=WAIT_S)
        with gateway.client() as client:
            assert client.get("/healthz").status_code == 200
    assert bus.arrived.empty(), "the requests behind it must not start"


def test_a_request_in_small_pieces_is_the_same(gateway: RunningGateway) -> None:
    with gateway.connect() as connection:
        for byte in request():
            connection.send(bytes([byte]))
        assert read_answer(connection).status == 200


def test_an_early_refusal_arrives_on_a_connection_that_closes(gateway: RunningGateway) -> None:
    raw = request("/v1/classify?top_k=0", bytes(500_000), connection="close")
    with gateway.connect() as connection:
        connection.sendall(raw)
        assert read_answer(connection).problem["type"] == "invalid-parameter"
        assert connection.recv(1) == b"", "an end, not a reset"


def test_a_later_head_that_does_not_end_is_answered_408(hasty: RunningGateway) -> None:
    with hasty.connect() as connection:
        connection.sendall(request())
        assert read_answer(connection).status == 200
        connection.sendall(b"GET /healthz HT")
        assert read_answer(connection).problem["type"] == "request-timeout"


def test_a_body_that_breaks_its_framing_after_its_refusal_ends_the_connection(gateway: RunningGateway) -> None:
    with gateway.connect() as connection:
        connection.sendall(request("/v1/classify?top_k=0", b"5\r\nabcde\r\n", transfer_encoding="chunked"))
        assert read_answer(connection).status == 422
        connection.sendall(b"not a chunk\r\n")
        assert read_all(connection) == b"", "one request, one answer"


def test_a_long_head_that_is_no_http_is_refused_once() -> None:
    with RunningGateway(FakeBus(), header_limit_bytes=1024) as gateway, gateway.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nx: ")
        connection.sendall(b"a" * 2000 + b"\r\nno colon\r\n\r\n")
        assert read_all(connection).count(b"HTTP/1.1 4") == 1


def test_a_connection_rests_its_whole_time_after_a_body_that_was_dropped() -> None:
    with RunningGateway(FakeBus()) as gateway, gateway.connect() as connection:
        head, _, body = request(content_encoding="gzip").partition(b"\r\n\r\n")
        connection.sendall(head + b"\r\n\r\n")
        assert read_answer(connection).status == 415
        connection.sendall(body)
        (resting,) = gateway.server.server_state.connections
        until = time.monotonic() + WAIT_S
        while not resting._is_resting and time.monotonic() < until:  # type: ignore[union-attr]
            time.sleep(0)  # a connection that begins to rest tells nobody
        seen: queue.SimpleQueue[float] = queue.SimpleQueue()
        gateway.in_loop(lambda: seen.put(resting._alarm._due - gateway.loop.time()))  # type: ignore[union-attr]
        assert seen.get(timeout=WAIT_S) > protocol.DISCARD_TIMEOUT_S
        connection.sendall(request())
        assert read_answer(connection).status == 200
