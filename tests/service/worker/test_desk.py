"""Each request that a worker holds gets exactly one result."""

from __future__ import annotations

import threading

from service.bus.messages import Result
from service.errors import Internal
from tests.service.worker.fakes import WAIT_S, Desk, FakePlan, MemoryBus, make_work


def test_a_second_answer_is_dropped() -> None:
    bus = MemoryBus()
    desk = Desk(bus)
    work = make_work(FakePlan(), desk=desk)
    desk.answer(work, Result(1), b"{}")
    desk.fail(work, Internal())
    assert bus.results.qsize() == 1
    assert desk.held == 0


def test_cancelling_what_is_not_held_does_nothing() -> None:
    desk = Desk(MemoryBus())
    desk.cancel(5)
    assert desk.held == 0


def test_waiting_ends_with_the_last_answer() -> None:
    desk = Desk(MemoryBus())
    works = [make_work(FakePlan(), number, desk=desk) for number in range(2)]
    assert not desk.wait_idle(0)
    ends: list[bool] = []
    waiter = threading.Thread(target=lambda: ends.append(desk.wait_idle(WAIT_S)), daemon=True)
    waiter.start()
    for work in works:
        desk.fail(work, Internal())
    waiter.join(WAIT_S)
    assert ends == [True]
