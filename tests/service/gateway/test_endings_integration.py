"""How a conversation ends that its client has not ended in order: it is told why, and what is owed is answered first."""

from __future__ import annotations

import pytest

from service.gateway import protocol
from service.gateway.limits import PIPELINE_LIMIT
from tests.service.gateway.fake_bus import WAIT_S, FakeBus
from tests.service.gateway.serving import JPEG, RunningGateway, read_all, read_answer, request


def test_who_sends_too_many_requests_at_once_is_answered_some_and_let_go() -> None:
    bus = FakeBus(rule=lambda job: None)
    with RunningGateway(bus) as gateway, gateway.connect() as connection:
        connection.sendall(request() + request("/healthz", b"", "GET") * 2000)
        bus.arrived.get(timeout=WAIT_S)
        (held,) = gateway.server.server_state.connections
        assert len(held._unanswered) == PIPELINE_LIMIT + 2, "one is answered, one is refused"  # type: ignore[union-attr]
        gateway.in_loop(bus.finish)
        *answers, refusal = read_all(connection).split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"200"] * (PIPELINE_LIMIT + 1)
    assert refusal.startswith(b"429")
    assert b"connection: close" in refusal
    assert b"%d requests wait on this connection" % PIPELINE_LIMIT in refusal


def test_a_client_that_leaves_after_a_large_upload_in_chunks_is_noticed() -> None:
    bus = FakeBus(rule=lambda job: None)
    with RunningGateway(bus) as gateway, gateway.connect() as connection:
        connection.sendall(request(body=b"", transfer_encoding="chunked", expect="100-continue"))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        piece = JPEG + bytes(60_000)
        body = (b"%x\r\n%b\r\n" % (len(piece), piece)) * 2 + b"0\r\n\r\n"
        (held,) = gateway.server.server_state.connections
        gateway.in_loop(lambda: held.data_received(body))  # in one read, which the kernel may split
        job = bus.arrived.get(timeout=WAIT_S)
        connection.close()
        assert bus.left.get(timeout=WAIT_S) is job


def test_a_connection_goes_on_after_a_refusal_that_was_told_to_go_on(gateway: RunningGateway) -> None:
    form = b'--XX\r\nContent-Disposition: form-data; name="text"\r\n\r\n' + bytes(300_000) + b"\r\n--XX--\r\n"
    head = {"content_length": str(len(form)), "content_type": "multipart/form-data; boundary=XX"}
    with gateway.connect() as connection:
        connection.sendall(request(body=b"", expect="100-continue", **head))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(form)
        assert read_answer(connection).status == 413
        connection.sendall(request())
        assert read_answer(connection).status == 200


@pytest.mark.parametrize("first", [b"", JPEG], ids=["nothing", "a piece"])
@pytest.mark.parametrize("wish", [{}, {"expect": "100-continue"}], ids=["unasked", "asked"])
def test_a_body_that_comes_too_late_is_read_over(
    monkeypatch: pytest.MonkeyPatch, first: bytes, wish: dict[str, str]
) -> None:
    monkeypatch.setattr(protocol, "DISCARD_TIMEOUT_S", WAIT_S)
    with RunningGateway(FakeBus(), body_timeout_s=0.2) as gateway, gateway.connect() as connection:
        connection.sendall(request(body=first, content_length="500000", **wish))
        if wish:
            assert connection.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert read_answer(connection).status == 408
        for _ in range(400):  # of a connection that was closed the second would fail, or the third
            connection.sendall(bytes(1000))
        assert read_all(connection) == b""
