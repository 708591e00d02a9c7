"""When a client that reads slowly is cut off: on a transport and a clock that the test holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from service.gateway.unread import UNREAD_TIMEOUT_S, WatchedFlow


class Connection:
    """A transport and its loop: bytes that wait, and the one timer over them."""

    def __init__(self) -> None:
        self.waiting = 0
        self.is_cut_off = False
        self.now = 0.0
        self._ring: Callable[[], None] | None = None

    def set_write_buffer_limits(self, high: int) -> None:
        assert high == 0, "one byte that waits must be told of"

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def abort(self) -> None:
        self.is_cut_off = True

    def time(self) -> float:
        return self.now

    def call_at(self, _when: float, ring: Callable[[], None]) -> Connection:
        self._ring = ring
        return self

    def cancel(self) -> None:
        self._ring = None

    def wait(self) -> None:
        """Let the time pass in which something must be taken."""
        self.now += UNREAD_TIMEOUT_S
        if self._ring is not None:
            self._ring()


@pytest.fixture
def connection() -> Connection:
    return Connection()


@pytest.fixture
def flow(connection: Connection) -> WatchedFlow:
    return WatchedFlow(cast("asyncio.Transport", connection), cast("asyncio.AbstractEventLoop", connection))


def test_who_takes_little_is_given_time_and_who_takes_nothing_is_cut_off(
    connection: Connection, flow: WatchedFlow
) -> None:
    connection.waiting = 1000
    flow.pause_writing()
    for waiting in (999, 500, 1):
        connection.waiting = waiting
        connection.wait()
        assert not connection.is_cut_off
    connection.wait()
    assert connection.is_cut_off


def test_who_has_taken_everything_is_watched_no_longer(connection: Connection, flow: WatchedFlow) -> None:
    connection.waiting = 1000
    flow.pause_writing()
    flow.resume_writing()
    connection.wait()
    assert not connection.is_cut_off
