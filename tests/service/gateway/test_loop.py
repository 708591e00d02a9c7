"""That steps follow each other without a look at the sockets, and that sockets and timers get their turn all the same."""

from __future__ import annotations

import asyncio
import selectors
import socket
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from service.gateway.loop import SKIPS_LIMIT, StepSelector, new_loop

DEADLINE_S = 30


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


@pytest.fixture
def readable(pair: tuple[socket.socket, socket.socket]) -> Iterator[StepSelector]:
    """A selector with one socket that has something to say."""
    ours, theirs = pair
    theirs.send(b"news")
    with StepSelector() as selector:
        selector.register(ours, selectors.EVENT_READ)
        yield selector


def run(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main)


def test_steps_that_follow_from_one_look_need_no_other(readable: StepSelector) -> None:
    assert [readable.select(0) for _ in range(SKIPS_LIMIT)] == [[]] * SKIPS_LIMIT


def test_no_chain_of_steps_keeps_the_sockets_waiting(readable: StepSelector) -> None:
    for _ in range(SKIPS_LIMIT):
        readable.select(0)
    assert readable.select(0)
    assert readable.select(0) == []


@pytest.mark.parametrize("timeout", [None, DEADLINE_S])
def test_who_would_wait_looks(readable: StepSelector, timeout: float | None) -> None:
    for _ in range(3):
        assert readable.select(0) == []
        assert readable.select(timeout)


def test_bytes_are_read_amid_steps_that_never_end(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair

    async def main() -> None:
        loop = asyncio.get_running_loop()
        receiving = asyncio.ensure_future(loop.sock_recv(ours, 4))

        def again() -> None:
            if not receiving.done():
                loop.call_soon(again)

        again()
        theirs.send(b"news")
        assert await asyncio.wait_for(receiving, DEADLINE_S) == b"news"

    run(main())


def test_a_timer_comes_amid_steps_that_never_end() -> None:
    async def main() -> None:
        loop, due = asyncio.get_running_loop(), asyncio.Event()
        loop.call_later(0.001, due.set)

        def again() -> None:
            if not due.is_set():
                loop.call_soon(again)

        again()
        assert await asyncio.wait_for(due.wait(), DEADLINE_S)

    run(main())


def test_another_thread_wakes_a_loop_that_waits() -> None:
    async def main() -> None:
        loop, called = asyncio.get_running_loop(), asyncio.Event()
        await asyncio.to_thread(loop.call_soon_threadsafe, called.set)
        assert await asyncio.wait_for(called.wait(), DEADLINE_S)

    run(main())
