"""Which waiting requests are taken together, and that none is lost or doubled."""

from __future__ import annotations

import queue
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.worker.backlog import Backlog, Decision, decide_batch, take_one, take_share
from service.worker.desk import Work
from tests.service.worker.fakes import WAIT_S, Desk, FakePlan, MemoryBus, delivery, make_work

#: Twice the photos cost 1.2 times the time up to four; eight cost as much as two fours.
CURVE = {1: 10.0, 2: 12.0, 4: 15.0, 8: 30.0}


def works(plan: FakePlan, count: int, *, deadline: float = 1e9) -> list[Work]:
    desk = Desk(MemoryBus())
    return [make_work(plan, number, desk=desk, deadline=deadline) for number in range(count)]


def test_the_route_with_the_oldest_head_is_taken_in_the_order_of_arrival() -> None:
    desk = Desk(MemoryBus())
    birds, cars = FakePlan(CURVE, name="birds"), FakePlan(CURVE, name="cars")
    backlog = Backlog()
    for number, plan in enumerate([cars, birds, birds, cars, cars]):
        backlog.put(make_work(plan, number, desk=desk))
    taken = [backlog.take(lambda group: take_share(group, 1)) for _ in range(2)]
    assert [[work.request.id for work in batch or []] for batch in taken] == [[0, 3, 4], [1, 2]]


def test_what_was_decoded_late_keeps_its_place() -> None:
    first, second = works(FakePlan(), 2)
    backlog = Backlog()
    backlog.put(second)
    backlog.put(first)
    assert backlog.take(take_one) == [first]


def test_a_closed_backlog_gives_what_it_has_and_then_nothing() -> None:
    (work,) = works(FakePlan(), 1)
    backlog = Backlog()
    backlog.put(work)
    backlog.close()
    assert backlog.take(lambda _: Decision(0, 99.0)) == [work]
    assert backlog.take(take_one) is None


def test_the_taker_that_slept_last_is_woken_first() -> None:
    """Its core still holds in its caches what the next request needs."""
    backlog, plan, took = Backlog(), FakePlan(), queue.SimpleQueue[str]()
    desk = Desk(MemoryBus())
    go_on = {name: threading.Event() for name in ("first", "second")}

    def take_until_closed(name: str) -> None:
        while backlog.take(take_one) is not None:
            took.put(name)
            assert go_on[name].wait(WAIT_S)

    threads = [threading.Thread(target=take_until_closed, args=(name,), daemon=True) for name in go_on]
    for sleeping, thread in enumerate(threads, 1):
        thread.start()
        until = time.monotonic() + WAIT_S
        while len(backlog._sleepers) < sleeping and time.monotonic() < until:
            time.sleep(0)  # a sleeper tells nobody
    for number, name in enumerate(["second", "first"]):
        backlog.put(make_work(plan, number, desk=desk))
        assert took.get(timeout=WAIT_S) == name
    for event in go_on.values():
        event.set()
    backlog.close()
    for thread in threads:
        thread.join(WAIT_S)
        assert not thread.is_alive()


@settings(deadline=None)
@given(st.lists(st.sampled_from("abc"), max_size=40), st.integers(1, 4), st.integers(1, 5))
def test_no_request_is_lost_or_doubled(routes: list[str], takers: int, most: int) -> None:
    plans = {name: FakePlan(name=name) for name in "abc"}
    desk, backlog, lock = Desk(MemoryBus()), Backlog(), threading.Lock()
    taken: list[int] = []

    def take_all() -> None:
        while (batch := backlog.take(lambda group: Decision(min(len(group), most)))) is not None:
            assert len({work.request.route for work in batch}) == 1
            with lock:
                taken.extend(work.request.id for work in batch)

    threads = [threading.Thread(target=take_all, daemon=True) for _ in range(takers)]
    for thread in threads:
        thread.start()
    for number, name in enumerate(routes):
        backlog.put(desk.accept(delivery(number, route=name), plans[name]))
    backlog.close()
    for thread in threads:
        thread.join(WAIT_S)
    assert sorted(taken) == list(range(len(routes)))


@pytest.mark.parametrize(("waiting", "takers", "size"), [(1, 2, 1), (2, 2, 1), (5, 2, 3), (9, 2, 4), (9, 1, 4)])
def test_a_lane_leaves_the_others_their_share(waiting: int, takers: int, size: int) -> None:
    assert take_share(works(FakePlan(CURVE), waiting), takers) == Decision(size)


@pytest.mark.parametrize(("ready", "size"), [(1, 1), (3, 3), (4, 4), (9, 4)])
def test_a_batch_is_all_that_is_ready_up_to_the_size_that_pays(ready: int, size: int) -> None:
    assert decide_batch(works(FakePlan(CURVE), ready), now=0) == Decision(size)


@pytest.mark.parametrize(("left_ms", "size"), [(16, 4), (14, 3), (13, 2), (11, 1), (5, 1)])
def test_a_batch_is_cut_to_meet_the_first_deadline(left_ms: float, size: int) -> None:
    group = works(FakePlan(CURVE), 4, deadline=100 + left_ms / 1000)
    assert decide_batch(group, now=100).size == size


def test_a_bundle_may_ask_to_wait_for_more() -> None:
    plan = FakePlan(CURVE)
    plan.batch_wait_ms = 5.0
    group = works(plan, 2)
    group[0].ready_at = 100.0
    assert decide_batch(group, now=100.002) == Decision(0, pytest.approx(0.003))
    assert decide_batch(group, now=100.005) == Decision(2)
    assert decide_batch([*group, *works(plan, 2)], now=100.0) == Decision(4)


def test_waiting_for_more_does_not_cost_the_deadline() -> None:
    plan = FakePlan(CURVE)
    plan.batch_wait_ms = 5.0
    group = works(plan, 1, deadline=100.016)
    group[0].ready_at = 100.0
    assert decide_batch(group, now=100.0) == Decision(0, pytest.approx(0.001))
    assert decide_batch(group, now=100.0011) == Decision(1)
