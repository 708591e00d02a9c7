"""What every bus does with requests that nothing happens to but waiting: carry, order, end in time, refuse.

A part of the suite in `suite.py`.
"""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from service.answers import Parameters
from service.bus.base import Job
from service.bus.messages import Heartbeat, Priority
from service.errors import DeadlineExceeded, NotReady, Overloaded, UnprocessableImage
from tests.service.bus.fakes import BIRDS, CARS
from tests.service.bus.setups import PATIENCE_S, BusFactory, eventually, nothing_more_comes, outcomes


@pytest.mark.anyio
class ExchangeSuite:
    """Requests and answers, credit, order, deadlines, cancellation, refusal."""

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
                request_id="r-1",
            )
            future = setup.bus.submit(job)
            delivery = await worker.next()
            assert delivery.request.route == BIRDS
            assert delivery.request.parameters == job.parameters
            assert delivery.request.deadline == pytest.approx(job.deadline, abs=1.0)
            assert (delivery.request.traceparent, delivery.request.request_id) == (job.traceparent, "r-1")
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

    async def test_a_worker_reports_its_figures(self, bus_factory: BusFactory):
        async with bus_factory() as setup:
            worker = await setup.join("7", lanes=2, credit=4)
            worker.bus.heartbeat(Heartbeat(memory_bytes=123, busy_ratio=0.5, held=0))
            await eventually(lambda: setup.bus.workers()[0].heartbeat is not None)
            (view,) = setup.bus.workers()
            assert (view.hello.worker, view.hello.lanes, view.heartbeat.memory_bytes) == ("7", 2, 123)

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
