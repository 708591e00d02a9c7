"""Order in the waiting queue: per route first in first out, oldest head between routes, two priorities."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.answers import Parameters
from service.bus.base import Job
from service.bus.messages import Priority
from service.bus.queue import Ticket, WaitingQueue

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault
INTERACTIVE, BULK = Priority.INTERACTIVE, Priority.BULK
EVERY = frozenset("abc")


def ticket(number: int, route: str = "a", priority: Priority = INTERACTIVE, photo: bytes = b"1234") -> Ticket:
    return Ticket(number, Job(route, [photo], Parameters(), 1.0, priority), lambda answer: None, submitted=0.0)


def numbers(queue: WaitingQueue, routes: frozenset[str] = EVERY) -> list[int]:
    return [one.number for one in iter(lambda: queue.pop(routes), None)]


def test_between_routes_the_oldest_head_goes_first():
    queue = WaitingQueue(0.1)
    for number, route in enumerate("aabcab"):
        queue.append(ticket(number, route))
    assert numbers(queue) == [0, 1, 2, 3, 4, 5]


def test_only_the_asked_routes_are_taken():
    queue = WaitingQueue(0.1)
    for number, route in enumerate("abab"):
        queue.append(ticket(number, route))
    assert numbers(queue, frozenset("b")) == [1, 3]
    assert numbers(queue, frozenset("c")) == []
    assert len(queue) == 2


def test_jobs_that_return_go_to_the_head_in_their_order():
    queue = WaitingQueue(0.1)
    queue.append(ticket(7))
    queue.put_back([ticket(3), ticket(5), ticket(4)])
    assert numbers(queue) == [3, 4, 5, 7]


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (0.1, 10), (0.5, 50), (1.0, 100)])
def test_bulk_gets_its_share_while_interactive_waits(share, expected):
    queue = WaitingQueue(share)
    for number in range(100):
        queue.append(ticket(2 * number))
        queue.append(ticket(2 * number + 1, priority=BULK))
    first = [queue.pop(EVERY).job.priority for _ in range(100)]
    assert first.count(BULK) == expected


def test_bulk_takes_what_interactive_leaves():
    queue = WaitingQueue(0.0)
    queue.append(ticket(1, priority=BULK))
    queue.append(ticket(2))
    assert numbers(queue) == [2, 1]


def test_nothing_stays_behind_of_a_job_that_was_removed():
    queue = WaitingQueue(0.1)
    gone, stays = ticket(1), ticket(2, "b")
    queue.append(gone)
    queue.append(stays)
    assert queue.remove(gone)
    assert not queue.remove(gone)
    assert (len(queue), queue.size_bytes) == (1, 4)
    assert list(queue.waiting(INTERACTIVE)) == [("b", 1)]
    assert numbers(queue) == [2]


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["append", "remove", "pop", "back"]), st.integers(0, 9), st.sampled_from("abc"))
)


@PATIENT
@given(ACTIONS)
def test_the_queue_never_loses_or_doubles_a_job(actions):
    queue, model, taken = WaitingQueue(0.1), deque(), []
    for number, (action, choice, route) in enumerate(actions):
        if action == "append":
            model.append(ticket(number, route, Priority(choice % 2)))
            queue.append(model[-1])
        elif action == "remove" and model:
            one = model[choice % len(model)]
            model.remove(one)
            assert queue.remove(one)
        elif action == "pop":
            one = queue.pop(frozenset(route))
            assert (one is None) == (not any(other.job.route == route for other in model))
            if one:
                model.remove(one)
                taken.append(one)
        elif action == "back" and taken:
            queue.put_back(taken)
            model += taken
            taken = []
        assert len(queue) == len(model)
        assert queue.size_bytes == sum(one.size_bytes for one in model)
        waiting = [count for priority in Priority for _, count in queue.waiting(priority)]
        assert sum(waiting) == len(model)
        assert 0 not in waiting
