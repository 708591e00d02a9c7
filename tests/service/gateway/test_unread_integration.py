"""Clients that read nothing, or little, of what they asked for."""

from __future__ import annotations

import socket

import pytest

from service.gateway import unread
from tests.service.gateway.fake_bus import FakeBus
from tests.service.gateway.serving import RunningGateway, read_all, request

#: More answers than the kernel holds for a client.
MANY = request("/openapi.json", b"", "GET") * 60


def connect_narrow(gateway: RunningGateway) -> socket.socket:
    """Open a connection whose client side holds next to nothing."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    connection.connect(gateway.address)
    return connection


def test_a_client_that_reads_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unread, "UNREAD_TIMEOUT_S", 0.2)
    with RunningGateway(FakeBus()) as gateway, connect_narrow(gateway) as connection:
        connection.sendall(MANY)
        assert gateway.comes_to_hold(lambda: gateway.server.server_state.total_requests > 0)
        assert gateway.comes_to_hold(lambda: not gateway.server.server_state.connections)


def test_a_client_that_reads_late_has_all_its_answers(gateway: RunningGateway) -> None:
    with connect_narrow(gateway) as connection:
        connection.sendall(MANY + request("/healthz", b"", "GET", connection="close"))
        held = gateway.server.server_state.connections
        assert gateway.comes_to_hold(lambda: any(one.flow.write_paused for one in list(held)))
        assert read_all(connection).count(b"HTTP/1.1 200 OK") == 61
