from __future__ import annotations

import socket

import pytest

from service.gateway.doors import listen


def test_the_listening_socket_is_tcp_by_name() -> None:
    with listen("127.0.0.1", 0) as listener:
        # asyncio turns Nagle's algorithm off only for sockets that say so; with it on each answer waits 40 ms.
        assert listener.proto == socket.IPPROTO_TCP
        with socket.create_connection(listener.getsockname()) as client:
            assert client.getpeername() == listener.getsockname()


def test_a_name_and_a_free_port_will_do() -> None:
    with listen("localhost", 0) as listener:
        assert listener.getsockname()[1] > 0


def test_a_taken_port_is_an_error() -> None:
    with listen("127.0.0.1", 0) as listener, pytest.raises(OSError, match="in use"):
        listen(*listener.getsockname())


def test_an_unknown_host_is_an_error() -> None:
    with pytest.raises(OSError):
        listen("no.such.host.invalid", 0)
