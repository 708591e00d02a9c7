"""Who is refused, and whether coming back after `Retry-After` pays."""

from __future__ import annotations

import itertools

import pytest

from service.bus.admission import RETURN_LIMIT_S, Returns
from service.bus.forecast import Load
from service.bus.messages import Priority
from service.errors import Overloaded
from tests.service.bus.fakes import BIRDS, Desk
from tests.service.bus.simulation import Simulation

INTERACTIVE, BULK = Priority.INTERACTIVE, Priority.BULK
#: Thousands of jobs take three times the time under coverage, and run few lines of their own.
simulated = pytest.mark.no_cover
IDLE = Load(wait_s=0.0, service_s=0.01, queued=0, queued_bytes=0)


def refusal(
    load: Load, *, priority: Priority = INTERACTIVE, size_bytes: int = 1000, left_s: float = 10.0
) -> str | None:
    desk = Desk(max_queue_wait_ms=1000, queue_limit=10, queue_limit_bytes=1 << 20)
    found = desk.bus._admission.refusal(load, priority, size_bytes, left_s)
    return found[0] if found else None


@pytest.mark.parametrize(
    ("change", "job", "reason"),
    [
        ({}, {}, None),
        ({"wait_s": 1.0}, {}, None),
        ({"wait_s": 1.001}, {}, "wait"),
        ({"wait_s": 1.001}, {"priority": BULK}, None),
        ({"wait_s": 9.995}, {"priority": BULK}, "deadline"),
        ({"wait_s": 0.1}, {"left_s": 0.12}, None),
        ({"wait_s": 0.1}, {"left_s": 0.09}, "deadline"),
        ({"wait_s": 0.1}, {"left_s": 0.105}, "deadline"),
        ({}, {"left_s": 0.001}, None),
        ({"queued": 9}, {}, None),
        ({"queued": 10}, {}, "count"),
        ({"queued": 10}, {"priority": BULK}, "count"),
        ({"queued_bytes": (1 << 20) - 1000}, {}, None),
        ({"queued_bytes": (1 << 20) - 999}, {}, "bytes"),
    ],
)
def test_a_job_is_refused_at_its_limit_and_not_before(change, job, reason):
    assert refusal(IDLE._replace(**change), **job) == reason


def test_the_sentence_names_value_and_limit():
    desk = Desk(queue_limit=2)
    desk.join()
    for _ in range(3):
        desk.submit()
    with pytest.raises(Overloaded, match="2 requests are waiting, the limit is 2"):
        desk.submit()
    assert desk.bus.counters.refused == {"count": 1}


@pytest.mark.parametrize(("random", "jitter_s"), [(0.0, 1), (0.49, 1), (0.5, 0), (0.99, 0)])
def test_a_hurried_job_may_return_when_the_queue_has_drained(random, jitter_s):
    desk = Desk(random=random)
    desk.join(expected_ms=100.0)
    for _ in range(6):
        desk.submit()
    with pytest.raises(Overloaded) as refused:
        desk.submit(timeout_s=0.1)
    assert refused.value.retry_after_s == 1 + jitter_s


def test_returns_are_spread_so_that_they_leave_room_for_others():
    returns = Returns()
    at = [returns.book(100.0, drain_s=1.0, interval_s=0.01) for _ in range(5)]
    assert [later - earlier for earlier, later in itertools.pairwise(at)] == pytest.approx([0.025] * 4)


def test_the_longer_an_overload_lasts_the_later_clients_return():
    returns = Returns()
    waits = [returns.book(100.0 + age, drain_s=1.0, interval_s=1e-6) for age in range(20)]
    assert waits[0] == pytest.approx(5.0)
    assert waits[19] == pytest.approx(19.0, rel=1e-3)


def test_a_new_overload_starts_from_the_beginning():
    returns = Returns()
    for age in range(20):
        returns.book(100.0 + age, drain_s=1.0, interval_s=1e-6)
    assert returns.book(1000.0, drain_s=1.0, interval_s=1e-6) == pytest.approx(5.0)


def test_nobody_is_sent_away_for_longer_than_the_limit():
    returns = Returns()
    waits = [returns.book(100.0, drain_s=1.0, interval_s=1.0) for _ in range(1000)]
    assert max(waits) == RETURN_LIMIT_S


@simulated
@pytest.mark.parametrize("seed", range(3))
def test_after_a_burst_the_refused_who_return_once_get_in(seed):
    simulation = Simulation(seed=seed)
    simulation.does_return = True
    simulation.load(2.0, seconds=5.0)
    simulation.load(0.5, seconds=30.0)
    simulation.run()
    returned = [client for client in simulation.clients if client.came_back]
    assert len(returned) > 500
    assert sum(client.is_served for client in returned) >= 0.9 * len(returned)


@simulated
def test_overload_costs_no_goodput_and_no_deadline():
    seconds = 60
    simulation = Simulation(seed=1, timeout_s=1.2)
    simulation.load(1.2, seconds)
    simulation.run()
    served = [client for client in simulation.clients if client.is_served]
    late_by = max(client.answered - client.deadline for client in served)
    assert len(served) >= 0.95 * simulation.capacity_per_s * seconds
    assert late_by <= 0.01
    assert all(client.is_refused or client.answered is not None for client in simulation.clients)


@simulated
def test_without_overload_nobody_is_refused():
    simulation = Simulation(seed=2)
    simulation.load(0.8, seconds=60)
    simulation.run()
    assert simulation.bus.counters.refused == {}
    assert all(client.is_served for client in simulation.clients)
    assert simulation.bus.counters.releases == {("birds@1.0.0", "credit"): len(simulation.clients)}
    assert simulation.bus.routes()[0].route == BIRDS
