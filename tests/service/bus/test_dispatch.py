"""The dispatcher's rules one by one, on a clock that stands still; what follows when a worker goes: `test_dispatch_recovery.py`."""

from __future__ import annotations

import pytest

from service.bus.base import Outcome
from service.bus.messages import Heartbeat, Priority
from service.errors import DeadlineExceeded, NotReady, UnprocessableImage
from tests.service.bus.fakes import BIRDS, CARS, Desk, FakeLink, make_hello

# Credit and order


def test_an_idle_worker_gets_the_job_at_once_and_its_answer_reaches_the_caller():
    desk = Desk()
    worker, link = desk.join()
    caller = desk.submit()
    desk.finish(worker, link.numbers[0])
    assert isinstance(caller.answer, Outcome)
    assert caller.answer.queue_ms == 0
    assert caller.answer.attempts == 1


def test_a_worker_never_holds_more_than_its_credit():
    desk = Desk()
    worker, link = desk.join(lanes=2, credit=3)
    for _ in range(9):
        desk.submit()
    assert link.numbers == [1, 2, 3]
    desk.finish(worker, 2)
    assert link.numbers == [1, 2, 3, 4]


def test_credit_that_changes_is_kept_to():
    desk = Desk()
    worker, link = desk.join(credit=1)
    for _ in range(5):
        desk.submit()
    desk.bus.grant(worker, 3)
    assert link.numbers == [1, 2, 3]
    desk.bus.grant(worker, 0)
    for number in (1, 2, 3):
        desk.finish(worker, number)
    assert link.numbers == [1, 2, 3]


def test_jobs_go_to_the_worker_with_the_most_room():
    desk = Desk()
    _, first = desk.join(worker="0", lanes=4, credit=6)
    _, second = desk.join(worker="1", lanes=2, credit=4)
    for _ in range(6):
        desk.submit()
    assert (len(first.delivered), len(second.delivered)) == (4, 2)


def test_a_worker_gets_only_routes_that_it_announced():
    desk = Desk()
    _, birds = desk.join(worker="0", routes=[BIRDS], credit=9)
    _, cars = desk.join(worker="1", routes=[CARS], credit=9)
    for route in (BIRDS, CARS, CARS):
        desk.submit(route)
    assert (birds.numbers, cars.numbers) == ([1], [2, 3])


def test_the_time_in_the_queue_is_told():
    desk = Desk()
    worker, link = desk.join()
    desk.submit()
    caller = desk.submit()
    desk.at(0.25)
    desk.finish(worker, link.numbers[0])
    desk.finish(worker, link.numbers[1])
    assert caller.answer.queue_ms == pytest.approx(250)


def test_a_full_way_to_a_worker_holds_its_jobs_back():
    desk = Desk()
    worker, link = desk.join(credit=4)
    desk.bus.pause(worker, is_paused=True)
    desk.submit()
    assert link.numbers == []
    desk.bus.pause(worker, is_paused=False)
    assert link.numbers == [1]


def test_an_error_of_the_worker_is_the_callers_answer():
    desk = Desk()
    worker, link = desk.join()
    caller = desk.submit()
    desk.finish(worker, link.numbers[0], error="unprocessable-image")
    assert isinstance(caller.answer, UnprocessableImage)


# Refusal


def test_a_route_that_nobody_serves_is_not_ready():
    desk = Desk()
    with pytest.raises(NotReady, match="no worker serves classify/birds") as refused:
        desk.submit()
    assert refused.value.retry_after_s >= 1
    assert desk.bus.counters.refused == {"not-ready": 1}


def test_a_job_that_comes_too_late_is_expired():
    desk = Desk()
    desk.join()
    with pytest.raises(DeadlineExceeded):
        desk.submit(timeout_s=0.0)
    assert desk.bus.counters.expired == 1


def test_a_draining_bus_refuses_and_finishes_what_it_has():
    desk = Desk()
    worker, link = desk.join()
    caller = desk.submit()
    desk.bus.refuse_new()
    with pytest.raises(NotReady, match="shutting down"):
        desk.submit()
    desk.finish(worker, link.numbers[0])
    assert isinstance(caller.answer, Outcome)
    assert desk.bus.accepted == 0


def test_abandoned_jobs_are_answered():
    desk = Desk()
    desk.join()
    callers = [desk.submit(), desk.submit()]
    desk.bus.abandon()
    assert all(isinstance(caller.answer, NotReady) for caller in callers)
    assert desk.bus.accepted == 0


# Deadlines


def test_a_queued_job_is_answered_at_its_deadline_and_never_sent():
    desk = Desk()
    worker, link = desk.join()
    desk.submit()
    caller = desk.submit(timeout_s=0.5)
    assert desk.bus.next_deadline == desk.clock.now + 0.5
    desk.at(0.5)
    assert isinstance(caller.answer, DeadlineExceeded)
    desk.finish(worker, 1)
    assert link.numbers == [1]
    assert desk.bus.counters.expired == 1


def test_a_sent_job_is_answered_at_its_deadline_and_its_result_is_late():
    desk = Desk()
    worker, link = desk.join()
    caller = desk.submit(timeout_s=0.5)
    desk.at(0.5)
    assert isinstance(caller.answer, DeadlineExceeded)
    assert link.cancelled == [1]
    desk.finish(worker, 1)
    assert desk.bus.counters.late == 1


def test_a_job_that_expired_at_the_worker_keeps_its_credit_until_the_worker_answers():
    desk = Desk()
    worker, link = desk.join(credit=1)
    desk.submit(timeout_s=0.5)
    desk.at(0.5)
    desk.submit()
    assert link.numbers == [1]
    desk.finish(worker, 1, error="client-closed")
    assert link.numbers == [1, 2]
    assert desk.bus.counters.late == 0


def test_a_job_is_not_released_at_its_deadline_even_before_the_timer():
    desk = Desk()
    worker, link = desk.join()
    desk.submit()
    caller = desk.submit(timeout_s=0.5)
    desk.clock.now += 0.5
    desk.finish(worker, 1)
    assert link.numbers == [1]
    assert isinstance(caller.answer, DeadlineExceeded)


def test_a_worker_that_dropped_an_expired_job_answers_it_as_expired():
    desk = Desk()
    worker, _ = desk.join()
    caller = desk.submit()
    desk.finish(worker, 1, error="deadline")
    assert isinstance(caller.answer, DeadlineExceeded)
    assert desk.bus.counters.expired == 1


# Cancellation


def test_a_caller_that_leaves_takes_its_queued_job_with_it():
    desk = Desk()
    worker, link = desk.join()
    desk.submit()
    caller = desk.submit()
    desk.bus.leave(caller.ticket)
    desk.bus.leave(caller.ticket)
    desk.finish(worker, 1)
    assert link.numbers == [1]
    assert caller.answer is None
    assert desk.bus.counters.cancelled == 1
    assert desk.bus.queued_bytes == 0


def test_a_caller_that_leaves_has_its_sent_job_cancelled():
    desk = Desk()
    worker, link = desk.join()
    caller = desk.submit()
    desk.bus.leave(caller.ticket)
    assert link.cancelled == [1]
    desk.finish(worker, 1)
    assert caller.answer is None
    assert (desk.bus.counters.cancelled, desk.bus.counters.late) == (1, 1)


def test_a_second_result_is_dropped_and_counted():
    desk = Desk()
    worker, _ = desk.join()
    caller = desk.submit()
    desk.finish(worker, 1)
    desk.finish(worker, 1)
    assert isinstance(caller.answer, Outcome)
    assert desk.bus.counters.late == 1


# Views


def test_views_show_workers_and_routes():
    desk = Desk()
    worker, _ = desk.join(started_because="crash")
    desk.bus.beat(worker, Heartbeat(memory_bytes=1 << 20, busy_ratio=0.5, held=1))
    for route in (BIRDS, BIRDS, CARS):
        desk.submit(route)
    desk.submit(CARS, priority=Priority.BULK)
    (view,) = desk.bus.workers()
    birds, cars = desk.bus.routes()
    assert (view.held, view.draining, view.heartbeat.busy_ratio) == (1, False, 0.5)
    assert (birds.model, birds.queued, cars.queued) == ("birds@1.0.0", 1, 2)
    assert birds.predicted_wait_s > 0
    assert desk.bus.inflight == 1
    assert desk.bus.queued_bytes == 3 * len(b"photo")
    assert desk.bus.counters.restarts == {"crash": 1}


# Workers of other hosts


def test_own_workers_come_before_those_of_other_hosts_however_busy():
    desk = Desk()
    far = FakeLink()
    desk.bus.join(far, make_hello("far", lanes=8, credit=8), is_remote=True)
    _, near = desk.join(lanes=1, credit=2)
    for _ in range(3):
        desk.submit()
    assert (near.numbers, far.numbers) == ([1, 2], [3])


def test_a_request_that_another_worker_took_is_booked_on_that_one():
    desk = Desk()
    one, _ = desk.join()
    other, _ = desk.join(worker="1")
    caller = desk.submit()
    (number,) = one.held
    one.hand_over(number, other, desk.clock())
    assert (list(one.held), list(other.held)) == ([], [number])
    desk.finish(other, number)
    assert isinstance(caller.answer, Outcome)
