"""What every bus must do, whichever way it reaches its workers: one class of tests, run for each kind of bus.

A kind of bus inherits `BusSuite` in a test file of its own and gives the fixture `bus_factory`: called with settings, it
makes a started bus and the way to connect workers to it (`setups.py`). The rules one by one stand in `suite_exchange.py`
and `suite_departures.py`; here all of them hold at once, in a storm of faults.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from service.bus.base import Delivery
from service.errors import DeadlineExceeded, NotReady, Overloaded, Poison, UnprocessableImage
from tests.service.bus.fakes import BIRDS, CARS
from tests.service.bus.setups import PATIENCE_S, BusFactory, FakeWorker, Setup, eventually, outcomes
from tests.service.bus.suite_departures import DepartureSuite
from tests.service.bus.suite_exchange import ExchangeSuite

EXPECTED = (DeadlineExceeded, Overloaded, Poison, UnprocessableImage)  # answers that a fault may bring


@pytest.mark.anyio
class BusSuite(ExchangeSuite, DepartureSuite):
    """The rules of ARCHITECTURE.md, section "The bus"."""

    @pytest.mark.parametrize("seed", range(3))
    async def test_under_random_faults_each_request_gets_exactly_one_answer(self, bus_factory: BusFactory, seed: int):
        async with bus_factory(max_queue_wait_ms=60_000, attempts_limit=5) as setup:
            storm = Storm(setup, random.Random(seed))
            await storm.run(requests=150)
            assert sum(storm.kinds.values()) == 150
            assert storm.kinds.keys() <= {"Outcome", "CancelledError", *(error.__name__ for error in EXPECTED)}
            assert storm.kinds["Outcome"] > 50
            assert setup.bus.counters.retried > 0
            assert all(worker.most_held <= 3 for worker in setup.workers)
            assert setup.bus.inflight == setup.bus.queued_bytes == 0


class Storm:
    """Random requests against workers that answer in any order, fail, crash and leave; seeded."""

    def __init__(self, setup: Setup, source: random.Random) -> None:
        self.kinds: Counter[str] = Counter()
        self._setup = setup
        self._random = source
        self._names = iter(range(1000))

    async def run(self, requests: int) -> None:
        workers = [asyncio.ensure_future(self._work()) for _ in range(2)]
        await eventually(lambda: bool(self._setup.bus.routes()))
        callers = []
        for number in range(requests):
            callers.append(asyncio.ensure_future(self._call(number)))
            if self._random.random() < 0.3:
                await asyncio.sleep(0)
        for answer in await outcomes(callers):
            assert not isinstance(answer, BaseException), answer
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    async def _call(self, number: int) -> None:
        timeout_s = self._random.choice([0.02, PATIENCE_S, PATIENCE_S, PATIENCE_S])
        while True:
            try:
                future = self._setup.submit(self._random.choice([BIRDS, CARS]), b"%d" % number, timeout_s=timeout_s)
            except NotReady:  # both workers are down
                await asyncio.sleep(0)
                continue
            except EXPECTED as refusal:
                self.kinds[type(refusal).__name__] += 1
                return
            break
        if self._random.random() < 0.1:
            asyncio.get_running_loop().call_soon(future.cancel)
        try:
            await future
            self.kinds["Outcome"] += 1
        except (asyncio.CancelledError, *EXPECTED) as error:
            self.kinds[type(error).__name__] += 1

    async def _work(self) -> None:
        """One worker after another until the storm is over."""
        while True:
            worker = await self._setup.join(str(next(self._names)), credit=3, lanes=2)
            held: list[Delivery] = []
            for _ in range(self._random.randint(5, 40)):
                thing = await worker.event()
                if thing is None:  # it was out of reach for too long
                    break
                if isinstance(thing, Delivery):
                    held.append(thing)
                while held and not worker.waiting:
                    self._random.shuffle(held)
                    self._answer(worker, held.pop())
            else:
                while isinstance(await worker.event(), int):
                    pass  # it must be a request that it crashes with
            worker.crash()

    def _answer(self, worker: FakeWorker, delivery: Delivery) -> None:
        error = "unprocessable-image" if self._random.random() < 0.1 else None
        worker.answer(delivery, error=error)
