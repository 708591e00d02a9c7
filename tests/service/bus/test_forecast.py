"""The predicted wait: what a request costs is measured, and everything ahead counts, whatever its route."""

from __future__ import annotations

import pytest

from service.bus.messages import Priority
from tests.service.bus.fakes import BIRDS, CARS, Desk
from tests.service.bus.simulation import Simulation

INTERACTIVE, BULK = Priority.INTERACTIVE, Priority.BULK
BOTH = ("classify/birds", "classify/cars")


def wait_s(desk: Desk, route: str = BIRDS, priority: Priority = INTERACTIVE) -> float:
    return desk.bus._forecast.wait_s(route, priority)


def test_nobody_waits_while_a_lane_is_free():
    desk = Desk()
    desk.join(lanes=2, credit=4)
    assert wait_s(desk) == 0
    desk.submit()
    assert wait_s(desk) == 0


def test_the_wait_is_the_work_ahead_over_the_rate():
    desk = Desk()
    desk.join(lanes=2, credit=2, expected_ms=10.0)
    for _ in range(2 + 7):
        desk.submit()
    assert wait_s(desk) == pytest.approx((2 + 7 - 1) * 0.010 / 2)


def test_another_workers_lanes_shorten_the_wait():
    desk = Desk()
    for name in "01":
        desk.join(worker=name, lanes=1, credit=1, expected_ms=10.0)
    for _ in range(2 + 8):
        desk.submit()
    assert wait_s(desk) == pytest.approx((2 + 8 - 1) * 0.010 / 2)


def test_routes_that_share_a_worker_wait_for_each_other():
    desk = Desk()
    desk.join(routes=BOTH, expected_ms=10.0)
    for _ in range(1 + 5):
        desk.submit(CARS)
    assert wait_s(desk, BIRDS) == pytest.approx(0.060)


def test_a_worker_of_other_routes_is_in_nobodys_way():
    desk = Desk()
    desk.join(worker="0", routes=[BIRDS])
    desk.join(worker="1", routes=[CARS])
    for _ in range(9):
        desk.submit(CARS)
    assert wait_s(desk, BIRDS) == 0
    assert wait_s(desk, CARS) == pytest.approx(0.090)


def test_waiting_suspects_have_a_worker_to_themselves():
    desk = Desk()
    worker, _ = desk.join(lanes=2, credit=4, expected_ms=10.0)
    for _ in range(4):
        desk.submit()
    desk.bus.lost(worker)
    desk.join(lanes=2, credit=4, expected_ms=10.0)
    assert wait_s(desk) == pytest.approx((0.005 + 3 * 0.010) - 0.005)


def test_bulk_waits_for_all_and_interactive_only_for_the_bulk_share():
    desk = Desk(bulk_share=0.1)
    desk.join(expected_ms=10.0)
    desk.submit()
    for _ in range(9):
        desk.submit()
    for _ in range(50):
        desk.submit(priority=BULK)
    assert wait_s(desk, priority=INTERACTIVE) == pytest.approx(0.010 + 0.090 + 0.010)
    assert wait_s(desk, priority=BULK) == pytest.approx(0.010 + 0.090 + 0.500)


@pytest.mark.parametrize("share", [0.3, 0.9, 1.5])
@pytest.mark.parametrize("expected_ms", [2.0, 10.0, 50.0])
def test_the_rate_is_learned_from_completions_at_any_load(share, expected_ms):
    simulation = Simulation(seed=3, expected_ms=expected_ms)
    simulation.load(share, seconds=5.0)
    simulation.run()
    (route,) = simulation.bus.routes()
    assert route.rate_per_s == pytest.approx(simulation.capacity_per_s, rel=0.1)


def test_the_rate_of_a_worker_that_batches_is_learned_too():
    desk = Desk()
    worker, link = desk.join(lanes=8, credit=16, expected_ms=40.0)
    for _ in range(80):
        desk.submit()
    while link.delivered:
        batch, link.delivered = link.delivered[:8], link.delivered[8:]
        desk.at(0.020)
        for request in batch:
            desk.finish(worker, request.id)
    (birds, _) = desk.bus.routes()
    assert birds.rate_per_s == pytest.approx(8 / 0.020, rel=0.15)


def test_a_measured_cost_outlives_the_worker():
    desk = Desk()
    worker, link = desk.join(lanes=1, credit=1, expected_ms=10.0)
    for _ in range(50):
        desk.submit()
        desk.at(0.002)
        desk.finish(worker, link.numbers[-1])
    desk.bus.lost(worker)
    desk.join(lanes=1, credit=1, expected_ms=10.0)
    assert desk.bus.routes()[0].rate_per_s == pytest.approx(500, rel=0.2)


def test_answers_with_errors_tell_nothing_of_the_rate():
    desk = Desk()
    worker, link = desk.join(expected_ms=10.0)
    for _ in range(50):
        desk.submit()
        desk.at(0.0001)
        desk.finish(worker, link.numbers[-1], error="unprocessable-image")
    assert desk.bus.routes()[0].rate_per_s == pytest.approx(100)
