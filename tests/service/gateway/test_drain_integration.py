"""The end of a gateway: what was accepted is answered, what is not yet accepted is told to go elsewhere."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading

import pytest

from service.gateway import protocol
from service.gateway.protocol import GatewayProtocol
from service.gateway.server import GatewayServer
from tests.service.gateway.fake_bus import WAIT_S, FakeBus
from tests.service.gateway.serving import RunningGateway, read_all, read_answer, request


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set when the server has told a connection to drain; idle ones are kept for as long as the test needs them."""
    event = threading.Event()
    shut_down = GatewayProtocol.shutdown

    def shut_down_and_tell(connection: GatewayProtocol) -> None:
        shut_down(connection)
        event.set()

    monkeypatch.setattr(GatewayProtocol, "shutdown", shut_down_and_tell)
    monkeypatch.setattr(protocol, "DRAIN_IDLE_S", WAIT_S)
    return event


def test_what_was_accepted_is_answered_and_nothing_more_is_taken(begun: threading.Event) -> None:
    bus = FakeBus(rule=lambda job: None)
    with RunningGateway(bus) as gateway, gateway.connect() as waiting, gateway.connect() as uploading:
        waiting.sendall(request())
        bus.arrived.get(timeout=WAIT_S)
        uploading.sendall(request()[:-10])
        with gateway.client() as client:
            client.get("/healthz")
        gateway.server.handle_exit(signal.SIGTERM, None)
        assert begun.wait(WAIT_S)
        with pytest.raises(ConnectionError):
            gateway.connect()
        uploading.sendall(request()[-10:])
        bus.arrived.get(timeout=WAIT_S)
        gateway.in_loop(bus.finish)
        for connection in (waiting, uploading):
            answer = read_answer(connection)
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert read_all(connection) == b""
        gateway.join()


def test_who_has_knocked_is_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    knocking: list[socket.socket] = []
    shut_down = GatewayServer.shutdown

    async def shut_down_on(server: GatewayServer, sockets: list[socket.socket] | None = None) -> None:
        for _ in range(3):  # the kernel takes them, the loop has no time to
            knocking.append(gateway.connect())
            knocking[-1].sendall(request())
        await shut_down(server, sockets)

    monkeypatch.setattr(GatewayServer, "shutdown", shut_down_on)
    with RunningGateway(FakeBus()) as gateway:
        gateway.server.handle_exit(signal.SIGTERM, None)
        gateway.join()
    for connection in knocking:
        with connection:
            assert read_answer(connection).status == 200
    assert len(knocking) == 3


def test_who_has_just_come_in_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[socket.socket] = []
    shut_down = GatewayServer.shutdown

    async def shut_down_on(server: GatewayServer, sockets: list[socket.socket] | None = None) -> None:
        entered.append(gateway.connect())
        entered[-1].sendall(request())
        (listening,) = server.servers
        asyncio.get_running_loop()._accept_connection(  # type: ignore[attr-defined]  # what the loop would call in this turn
            listening._protocol_factory,
            listening.sockets[0]._sock,
            None,
            listening,  # type: ignore[attr-defined]
        )
        await shut_down(server, sockets)

    monkeypatch.setattr(GatewayServer, "shutdown", shut_down_on)
    with RunningGateway(FakeBus(), drain_timeout_s=5) as gateway:
        gateway.server.handle_exit(signal.SIGTERM, None)
        gateway.join()
    (connection,) = entered
    with connection:
        assert read_answer(connection).headers["connection"] == "close"


def test_an_idle_connection_may_still_ask_once(begun: threading.Event) -> None:
    with RunningGateway(FakeBus()) as gateway, gateway.connect() as connection:
        connection.sendall(request())
        assert read_answer(connection).status == 200
        gateway.server.handle_exit(signal.SIGTERM, None)
        assert begun.wait(WAIT_S)
        connection.sendall(request())
        answer = read_answer(connection)
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        gateway.join()


def test_a_connection_that_stays_idle_is_closed() -> None:
    with RunningGateway(FakeBus()) as gateway, gateway.connect() as connection:
        connection.sendall(request())
        assert read_answer(connection).status == 200
        gateway.server.handle_exit(signal.SIGTERM, None)
        assert read_all(connection) == b""
        gateway.join()


def test_the_end_of_the_drains_time_is_an_answer_too() -> None:
    bus = FakeBus(rule=lambda job: None)
    with RunningGateway(bus, drain_timeout_s=0.2) as gateway, gateway.connect() as connection:
        connection.sendall(request("/v1/classify?timeout_ms=60000"))
        job = bus.arrived.get(timeout=WAIT_S)
        gateway.server.handle_exit(signal.SIGTERM, None)
        assert read_answer(connection).problem["type"] == "not-ready"
        assert bus.left.get(timeout=WAIT_S) is job
        gateway.join()


@pytest.mark.parametrize(
    ("signals", "is_forced"),
    [
        ([signal.SIGTERM], False),
        ([signal.SIGINT, signal.SIGTERM], False),
        ([signal.SIGTERM, signal.SIGTERM], True),
        ([signal.SIGINT, signal.SIGTERM, signal.SIGINT], True),
    ],
)
def test_only_the_same_signal_twice_ends_it_at_once(signals: list[signal.Signals], is_forced: bool) -> None:
    gateway = RunningGateway(FakeBus())
    for number in signals:
        gateway.server.handle_exit(number, None)
    assert gateway.server.should_exit
    assert gateway.server.force_exit is is_forced
    gateway.close()
