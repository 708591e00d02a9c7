"""What every bus must do, whichever way it reaches its workers: one class of tests, run for each kind of bus.

A kind of bus inherits `BusSuite` in a test file of its own and gives the fixture `bus_factory`: called with settings, it
makes a started bus and the way to connect workers to it. The workers here are threads of the test that answer when the
test says so; they use the bus's own `WorkerBus`, so both ends are under test.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

import pytest

from service.answers import Parameters
from service.bus.base import Delivery, GatewayBus, Job, Outcome, WorkerBus
from service.bus.messages import Heartbeat, Priority, Result
from service.errors import (
    DeadlineExceeded,
    Internal,
    NotReady,
    Overloaded,
    Poison,
    UnprocessableImage,
)
from tests.service.bus.fakes import BIRDS, CARS, make_hello

EXPECTED = (DeadlineExceeded, Overloaded, Poison, UnprocessableImage)  # answers that a fault may bring
PATIENCE_S = 60.0  # a wait that takes longer waits for something that will not come


@dataclass
class Setup:
    """A started bus and the way to it; `workers` are cut off when the test ends."""

    bus: GatewayBus
    connect: Callable[[], WorkerBus]
    workers: list[FakeWorker] = field(default_factory=list)

    async def join(self, name: str = "0", **hello: object) -> FakeWorker:
        """Connect a worker and wait until the gateway knows it."""
        worker = FakeWorker(self.connect())
        self.workers.append(worker)
        pid = len(self.workers)
        worker.bus.hello(make_hello(name, pid=pid, **hello))
        worker.start()
        await eventually(lambda: any(view.hello.pid == pid for view in self.bus.workers()))
        return worker

    def submit(
        self,
        route: str = BIRDS,
        *photos: bytes,
        timeout_s: float = PATIENCE_S,
        priority: Priority = Priority.INTERACTIVE,
    ) -> asyncio.Future[Outcome]:
        job = Job(route, photos or (b"photo",), Parameters(), time.monotonic() + timeout_s, priority)
        return self.bus.submit(job)


class BusFactory(Protocol):
    """Makes a started bus with these settings; leaving the context closes it."""

    def __call__(self, **settings: object) -> AbstractAsyncContextManager[Setup]: ...


class FakeWorker:
    """A worker whose thread receives; answers are given by hand, or to everything from `answer_everything` on."""

    def __init__(self, bus: WorkerBus) -> None:
        self.bus = bus
        self._answers_everything = False
        self.held = 0
        self.most_held = 0
        self.answered_by_itself = 0
        self._loop = asyncio.get_running_loop()
        self._inbox: asyncio.Queue[Delivery | int | None] = asyncio.Queue()
        self._thread = threading.Thread(target=self._receive)

    def start(self) -> None:
        self._thread.start()

    async def event(self) -> Delivery | int | None:
        """The next thing, whatever it is."""
        return await asyncio.wait_for(self._inbox.get(), PATIENCE_S)

    async def next(self) -> Delivery:
        """The next thing, which must be a request."""
        thing = await self.event()
        assert isinstance(thing, Delivery), thing
        return thing

    async def next_cancelled(self) -> int:
        """The next thing, which must be a cancellation."""
        thing = await self.event()
        assert isinstance(thing, int), thing
        return thing

    async def told_to_leave(self) -> None:
        """Wait for the end of what comes; nothing else may come before it."""
        assert await self.event() is None

    def answer_everything(self) -> None:
        """From now on answer whatever comes, and what has come and was not looked at."""
        self._answers_everything = True
        while not self._inbox.empty():
            self._arrive(self._inbox.get_nowait())

    @property
    def waiting(self) -> int:
        """Things that came and were not looked at."""
        return self._inbox.qsize()

    def answer(self, delivery: Delivery, body: bytes = b"{}", *, error: str | None = None) -> None:
        self.held -= 1
        self.bus.answer(Result(delivery.request.id, error=error, model="birds@1.0.0"), b"" if error else body)

    def crash(self) -> None:
        """Be gone without a word."""
        self.bus.close()
        self._thread.join()

    def _receive(self) -> None:
        while True:
            thing = self.bus.receive()
            if isinstance(thing, Delivery):
                self.held += 1
                self.most_held = max(self.most_held, self.held)
            self._loop.call_soon_threadsafe(self._arrive, thing)
            if thing is None:
                return

    def _arrive(self, thing: Delivery | int | None) -> None:
        if isinstance(thing, Delivery) and self._answers_everything:
            self.answer(thing)
            self.answered_by_itself += 1
        else:
            self._inbox.put_nowait(thing)


async def eventually(condition: Callable[[], bool]) -> None:
    """Let the loop run until the condition holds; for what the bus has no event for."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def nothing_more_comes(setup: Setup, worker: FakeWorker) -> None:
    """Let everything that was sent arrive: a heartbeat there and the loop's turns back."""
    beat = Heartbeat(memory_bytes=random.getrandbits(30), busy_ratio=0.0, held=0)
    worker.bus.heartbeat(beat)
    await eventually(lambda: any(view.heartbeat == beat for view in setup.bus.workers()))
    assert worker.waiting == 0


async def outcomes(futures: Sequence[asyncio.Future[Outcome]]) -> list[Outcome | BaseException]:
    async with asyncio.timeout(PATIENCE_S):
        return await asyncio.gather(*futures, return_exceptions=True)


@pytest.mark.anyio
class BusSuite:
    """The rules of ARCHITECTURE.md, section 1."""

    # There and back

    async def test_a_request_arrives_as_it_was_sent_and_its_answer_comes_back(self, bus_factory: BusFactory):
        async with bus_factory() as setup:
            worker = await setup.join()
            job = Job(
                BIRDS,
                [b"one photo", bytes(300_000)],
                Parameters(top_k=3, text="a red bird"),
                deadline=time.monotonic() + PATIENCE_S,
                traceparent="00-abc-def-01",
            )
            future = setup.bus.submit(job)
            delivery = await worker.next()
            assert delivery.request.route == BIRDS
            assert delivery.request.parameters == job.parameters
            assert delivery.request.deadline == pytest.approx(job.deadline, abs=1.0)
            assert delivery.request.traceparent == job.traceparent
            assert [bytes(image) for image in delivery.images] == job.images
            worker.answer(delivery, b'{"predictions":[]}')
            outcome = await future
            assert outcome.body == b'{"predictions":[]}'
            assert outcome.result.model == "birds@1.0.0"
            assert outcome.attempts == 1

    async def test_photos_stay_valid_while_others_arrive(self, bus_factory: BusFactory):
        async with bus_factory() as setup:
            worker = await setup.join(lanes=4, credit=8)
            photos = [random.randbytes(size) for size in (1, 91_000, 2_000_000, 7, 500_000)]
            futures = [setup.submit(BIRDS, photo) for photo in photos]
            deliveries = [await worker.next() for _ in photos]
            assert [bytes(delivery.images[0]) for delivery in deliveries] == photos
            for delivery in deliveries:
                worker.answer(delivery)
            await outcomes(futures)

    async def test_an_error_of_the_worker_fails_its_request_alone(self, bus_factory: BusFactory):
        async with bus_factory() as setup:
            worker = await setup.join(credit=2)
            bad, good = setup.submit(), setup.submit()
            worker.answer(await worker.next(), error="unprocessable-image")
            worker.answer(await worker.next())
            with pytest.raises(UnprocessableImage):
                await bad
            assert (await good).body == b"{}"

    async def test_large_answers_arrive_whole(self, bus_factory: BusFactory):
        async with bus_factory() as setup:
            worker = await setup.join(credit=4)
            futures = [setup.submit() for _ in range(4)]
            bodies = [random.randbytes(size) for size in (3_000_000, 10, 70_000, 65_536)]
            for body in bodies:
                # In a thread: the gateway that must read it is on this loop.
                await asyncio.to_thread(worker.answer, await worker.next(), body)
            assert [outcome.body for outcome in await outcomes(futures)] == bodies

    # Credit and order

    async def test_requests_of_a_route_come_in_order_and_within_credit(self, bus_factory: BusFactory):
        async with bus_factory() as setup:
            worker = await setup.join(lanes=2, credit=3)
            futures = [setup.submit(BIRDS, b"%d" % number) for number in range(20)]
            for number in range(20):
                delivery = await worker.next()
                assert bytes(delivery.images[0]) == b"%d" % number
                worker.answer(delivery)
            await outcomes(futures)
            assert worker.most_held <= 3

    async def test_between_routes_the_oldest_head_goes_first(self, bus_factory: BusFactory):
        async with bus_factory() as setup:
            worker = await setup.join()
            order = [BIRDS, CARS, CARS, BIRDS, CARS, BIRDS]
            futures = [setup.submit(route) for route in order]
            for route in order:
                delivery = await worker.next()
                assert delivery.request.route == route
                worker.answer(delivery)
            await outcomes(futures)

    async def test_a_worker_gets_only_its_routes(self, bus_factory: BusFactory):
        async with bus_factory() as setup:
            birds = await setup.join("0", routes=[BIRDS], credit=9)
            cars = await setup.join("1", routes=[CARS], credit=9)
            birds.answer_everything()
            cars.answer_everything()
            await outcomes([setup.submit(route) for route in (BIRDS, CARS, BIRDS)])
            assert [worker.answered_by_itself for worker in (birds, cars)] == [2, 1]

    async def test_bulk_gets_its_share_and_what_interactive_leaves(self, bus_factory: BusFactory):
        async with bus_factory(bulk_share=0.25, max_queue_wait_ms=60_000) as setup:
            worker = await setup.join()
            first = setup.submit()
            delivery = await worker.next()
            bulk = [setup.submit(priority=Priority.BULK) for _ in range(10)]
            interactive = [setup.submit() for _ in range(20)]
            order = []
            for _ in range(30):
                worker.answer(delivery)
                delivery = await worker.next()
                order.append(delivery.request.priority)
            worker.answer(delivery)
            await outcomes([first, *bulk, *interactive])
            assert order[:20].count(Priority.BULK) == 5
            assert order[-4:].count(Priority.BULK) == 4

    # Deadlines and cancellation

    async def test_a_queued_request_is_answered_at_its_deadline_and_never_sent(self, bus_factory: BusFactory):
        async with bus_factory() as setup:
            worker = await setup.join(expected_ms=0.001)
            first, late = setup.submit(), setup.submit(timeout_s=0.2)
            delivery = await worker.next()
            with pytest.raises(DeadlineExceeded):
                await late
            worker.answer(delivery)
            await first
            await nothing_more_comes(setup, worker)
            assert setup.bus.counters.expired == 1

    async def test_a_sent_request_is_answered_at_its_deadline_and_cancelled(self, bus_factory: BusFactory):
        async with bus_factory() as setup:
            worker = await setup.join()
            late = setup.submit(timeout_s=0.2)
            delivery = await worker.next()
            with pytest.raises(DeadlineExceeded):
                await late
            assert await worker.next_cancelled() == delivery.request.id
            worker.answer(delivery)
            await eventually(lambda: setup.bus.counters.late == 1)

    async def test_the_earliest_deadline_comes_first_whatever_the_order(self, bus_factory: BusFactory):
        async with bus_factory() as setup:
            await setup.join(expected_ms=0.001)
            ended = []
            futures = []
            now = time.monotonic()
            for after_s in (0.5, 0.3, 0.4):
                future = setup.bus.submit(Job(BIRDS, [b"photo"], Parameters(), now + after_s))
                future.add_done_callback(lambda _, after_s=after_s: ended.append(after_s))
                futures.append(future)
            await outcomes(futures)
            assert ended == [0.3, 0.4, 0.5]

    async def test_a_caller_that_leaves_takes_its_request_with_it(self, bus_factory: BusFactory):
        async with bus_factory() as setup:
            worker = await setup.join()
            sent, queued, last = setup.submit(), setup.submit(BIRDS, b"gone"), setup.submit(BIRDS, b"last")
            delivery = await worker.next()
            queued.cancel()
            sent.cancel()
            assert await worker.next_cancelled() == delivery.request.id
            worker.answer(delivery, error="client-closed")
            delivery = await worker.next()
            assert bytes(delivery.images[0]) == b"last"
            worker.answer(delivery)
            await last
            assert (setup.bus.counters.cancelled, setup.bus.counters.late) == (2, 0)
            assert setup.bus.queued_bytes == 0

    # Refusal

    async def test_without_a_worker_nothing_is_ready(self, bus_factory: BusFactory):
        async with bus_factory() as setup:
            with pytest.raises(NotReady):
                setup.submit()

    async def test_a_full_queue_refuses_and_says_when_to_return(self, bus_factory: BusFactory):
        async with bus_factory(queue_limit=3) as setup:
            worker = await setup.join()
            futures = [setup.submit() for _ in range(1 + 3)]
            with pytest.raises(Overloaded, match="3 requests") as refused:
                setup.submit()
            assert refused.value.retry_after_s >= 1
            worker.answer_everything()
            await outcomes(futures)
            assert setup.bus.counters.refused == {"count": 1}

    async def test_a_long_wait_is_refused(self, bus_factory: BusFactory):
        async with bus_factory(max_queue_wait_ms=500) as setup:
            worker = await setup.join(expected_ms=100.0)
            futures = [setup.submit() for _ in range(6)]
            with pytest.raises(Overloaded, match="would wait"):
                setup.submit()
            assert setup.bus.routes()[0].predicted_wait_s > 0.5
            worker.answer_everything()
            await outcomes(futures)

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

    async def test_a_worker_reports_its_figures(self, bus_factory: BusFactory):
        async with bus_factory() as setup:
            worker = await setup.join("7", lanes=2, credit=4)
            worker.bus.heartbeat(Heartbeat(memory_bytes=123, busy_ratio=0.5, held=0))
            await eventually(lambda: setup.bus.workers()[0].heartbeat is not None)
            (view,) = setup.bus.workers()
            assert (view.hello.worker, view.hello.lanes, view.heartbeat.memory_bytes) == ("7", 2, 123)

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

    # Everything at once

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
