"""What every bus does when a side goes: workers that crash, leave or never answer, and a gateway that drains.

A part of the suite in `suite.py`.
"""

from __future__ import annotations

import asyncio

import pytest

from service.bus.base import Outcome
from service.bus.messages import Result
from service.errors import Internal, NotReady, Poison
from tests.service.bus.fakes import BIRDS
from tests.service.bus.setups import PATIENCE_S, BusFactory, eventually, nothing_more_comes, outcomes


@pytest.mark.anyio
class DepartureSuite:
    """Workers that go, and the drain."""

    # Workers that go

    async def test_what_a_crashed_worker_held_runs_one_at_a_time_alone(self, bus_factory: BusFactory):
        async with bus_factory() as setup:
            worker = await setup.join(credit=3)
            futures = [setup.submit(BIRDS, b"%d" % number) for number in range(5)]
            for _ in range(3):
                await worker.next()
            worker.crash()
            worker = await setup.join(credit=3, started_because="crash")
            for number in range(3):
                delivery = await worker.next()
                assert bytes(delivery.images[0]) == b"%d" % number
                await nothing_more_comes(setup, worker)
                worker.answer(delivery)
            for _ in range(2):
                worker.answer(await worker.next())
            answers = await outcomes(futures)
            assert [answer.attempts for answer in answers] == [2, 2, 2, 1, 1]
            assert setup.bus.counters.retried == 3
            assert setup.bus.counters.restarts == {"crash": 1}
            assert setup.bus.counters.releases == {("birds@1.0.0", "credit"): 5, ("birds@1.0.0", "alone"): 3}

    async def test_the_photo_that_crashes_a_worker_again_alone_is_poison(self, bus_factory: BusFactory):
        async with bus_factory() as setup:
            worker = await setup.join(credit=2)
            good, evil = setup.submit(BIRDS, b"good"), setup.submit(BIRDS, b"evil")
            for _ in range(2):
                await worker.next()
            worker.crash()
            worker = await setup.join(credit=2)
            worker.answer(await worker.next())
            assert bytes((await worker.next()).images[0]) == b"evil"
            worker.crash()
            with pytest.raises(Poison):
                await evil
            assert (await good).body == b"{}"
            worker = await setup.join(credit=2)
            with pytest.raises(Poison):
                setup.submit(BIRDS, b"evil")
            worker.answer_everything()
            await setup.submit(BIRDS, b"fine")

    async def test_a_worker_that_leaves_answers_what_it_holds(self, bus_factory: BusFactory):
        async with bus_factory() as setup:
            leaver = await setup.join("0", credit=2)
            futures = [setup.submit() for _ in range(3)]
            held = [await leaver.next() for _ in range(2)]
            leaver.bus.leave()
            await leaver.told_to_leave()
            other = await setup.join("1")
            other.answer_everything()
            await futures[2]
            for delivery in held:
                leaver.answer(delivery)
            await outcomes(futures)
            leaver.crash()
            await eventually(lambda: len(setup.bus.workers()) == 1)
            assert setup.bus.counters.retried == 0

    async def test_what_a_leaving_worker_does_not_answer_is_tried_again_without_suspicion(
        self, bus_factory: BusFactory
    ):
        async with bus_factory(attempts_limit=2) as setup:
            future = None
            for _ in range(2):
                worker = await setup.join()
                future = future or setup.submit()
                await worker.next()
                worker.bus.leave()
                await worker.told_to_leave()
                worker.crash()
                await eventually(lambda: not setup.bus.workers())
            with pytest.raises(Internal, match="2 times"):
                await future
            assert setup.bus.counters.releases == {("birds@1.0.0", "credit"): 1, ("birds@1.0.0", "retry"): 1}

    # Drain

    async def test_a_drain_finishes_what_was_accepted_and_refuses_the_rest(self, bus_factory: BusFactory):
        async with bus_factory() as setup:
            worker = await setup.join()
            futures = [setup.submit() for _ in range(3)]
            draining = asyncio.ensure_future(setup.bus.drain(PATIENCE_S))
            await asyncio.sleep(0)
            with pytest.raises(NotReady, match="shutting down"):
                setup.submit()
            for _ in range(3):
                worker.answer(await worker.next())
            await draining
            assert all(isinstance(answer, Outcome) for answer in await outcomes(futures))
            await worker.told_to_leave()

    async def test_a_drain_whose_time_is_over_answers_everyone(self, bus_factory: BusFactory):
        async with bus_factory() as setup:
            worker = await setup.join()
            futures = [setup.submit() for _ in range(3)]
            await worker.next()
            await setup.bus.drain(0.01)
            assert [type(answer) for answer in await outcomes(futures)] == [NotReady] * 3

    async def test_an_idle_bus_drains_at_once(self, bus_factory: BusFactory):
        async with bus_factory() as setup:
            worker = await setup.join()
            await setup.bus.drain(PATIENCE_S)
            await worker.told_to_leave()
            worker.bus.answer(Result(1))  # nobody is there: dropped, not raised
            assert setup.bus.inflight == 0
