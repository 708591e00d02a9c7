"""The bus between hosts over a real Redis: the suite that every bus passes, and what is its own."""

from __future__ import annotations

import time

import pytest

from service.answers import Parameters
from service.bus.base import Job
from service.bus.messages import Request
from service.bus.redis.wire import INLINE_BYTES, PREFIX, pack, route_key
from service.bus.redis.worker import RedisWorkerBus
from tests.service.bus.fakes import BIRDS
from tests.service.bus.redis_server import RedisServer
from tests.service.bus.redis_setups import (
    LEASE_S,
    join_without_receiving,
    keys_of,
    own,
    stream_length,
)
from tests.service.bus.setups import PATIENCE_S, BusFactory, eventually, outcomes
from tests.service.bus.suite import BusSuite


@pytest.fixture
def bus_factory(redis_bus_factory: BusFactory) -> BusFactory:
    return redis_bus_factory


class TestRedisBus(BusSuite):
    """The Redis bus passes the suite, with workers that are all on another host."""


# Hosts


@pytest.mark.anyio
async def test_own_workers_come_first_and_the_rest_overflows(bus_factory: BusFactory):
    async with bus_factory() as setup:
        remote = await setup.join("remote", lanes=4, credit=8)
        near = await own(setup)
        futures = [setup.submit(BIRDS, b"%d" % number) for number in range(3)]
        mine = await near.next()
        assert bytes(mine.images[0]) == b"0"
        for expected in (b"1", b"2"):
            delivery = await remote.next()
            assert bytes(delivery.images[0]) == expected
            remote.answer(delivery)
        near.answer(mine)
        assert [outcome.attempts for outcome in await outcomes(futures)] == [1, 1, 1]


@pytest.mark.anyio
async def test_a_worker_serves_two_gateways_within_its_credit(bus_factory: BusFactory):
    async with bus_factory(max_queue_wait_ms=60_000) as one, bus_factory(max_queue_wait_ms=60_000) as two:
        worker = await one.join(credit=2)
        await eventually(lambda: len(two.bus.workers()) == 1)
        futures = [setup.submit() for _ in range(5) for setup in (one, two)]
        for _ in futures:
            worker.answer(await worker.next())
        assert all(outcome.body == b"{}" for outcome in await outcomes(futures))
        assert worker.most_held <= 2


@pytest.mark.anyio
async def test_a_worker_outlives_one_of_its_gateways(bus_factory: BusFactory):
    async with bus_factory() as one:
        async with bus_factory() as two:
            worker = await one.join()
            await eventually(lambda: len(two.bus.workers()) == 1)
            worker.answer_everything()
            await two.submit()
        assert (await one.submit()).body == b"{}"


@pytest.mark.anyio
async def test_the_requests_of_a_gateway_that_is_gone_are_not_run(bus_factory: BusFactory, server: RedisServer):
    async with bus_factory() as setup:
        orphan = Request(1, BIRDS, PATIENCE_S, [6], Parameters())
        with server.client() as client:
            for command in pack(orphan, [b"orphan"], "", gateway="gone").commands(route_key(BIRDS), 1000):
                client.execute_command(*command)
        worker = await setup.join()
        future = setup.submit(BIRDS, b"mine")
        delivery = await worker.next()
        assert bytes(delivery.images[0]) == b"mine"
        worker.answer(delivery)
        await future
        await eventually(lambda: stream_length(server) == 0)


@pytest.mark.anyio
async def test_a_deadline_travels_as_the_time_that_is_left(bus_factory: BusFactory, server: RedisServer):
    async with bus_factory() as setup:
        ahead = RedisWorkerBus(server.url, lease_s=LEASE_S, clock=lambda: time.monotonic() + 5000.0)
        setup.connect = lambda: ahead
        worker = await setup.join()
        job = Job(BIRDS, [b"photo"], Parameters(), time.monotonic() + PATIENCE_S)
        future = setup.bus.submit(job)
        delivery = await worker.next()
        assert delivery.request.deadline == pytest.approx(job.deadline + 5000.0, abs=1.0)
        worker.answer(delivery)
        await future


# What lies in Redis


@pytest.mark.anyio
async def test_a_large_photo_lies_in_a_key_that_expires_and_goes_to_the_worker_with_its_request(
    bus_factory: BusFactory, server: RedisServer
):
    async with bus_factory() as setup:
        worker = await join_without_receiving(setup, credit=2)
        photos = [bytes(INLINE_BYTES), bytes(INLINE_BYTES + 1)]
        futures = [setup.submit(BIRDS, photo, timeout_s=20.0) for photo in photos]
        await eventually(lambda: stream_length(server) == 2)
        (key,) = keys_of(server, "body")
        with server.client() as client:
            assert 0 < client.pttl(key) <= 25_000
        worker.start()
        deliveries = [await worker.next() for _ in futures]
        assert [bytes(delivery.images[0]) for delivery in deliveries] == photos
        assert not keys_of(server, "body")
        for delivery in deliveries:
            worker.answer(delivery, bytes(INLINE_BYTES + 1))
        await outcomes(futures)
        await eventually(lambda: not keys_of(server, "body") and stream_length(server) == 0)


@pytest.mark.anyio
async def test_every_key_but_the_lists_expires(bus_factory: BusFactory, server: RedisServer):
    async with bus_factory() as setup:
        worker = await setup.join()
        worker.answer_everything()
        await setup.submit()
        with server.client() as client:
            lasting = {key.decode().removeprefix(PREFIX) for key in client.keys("*") if client.pttl(key) == -1}
        assert lasting <= {"workers", "gateways", "events"}
