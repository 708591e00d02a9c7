"""The bus between hosts at a Redis whose memory is full, and one that lost what lay in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.bus.base import Outcome
from service.bus.frames import encode
from service.bus.messages import Heartbeat, Result
from service.bus.redis.wire import GATEWAYS, INLINE_BYTES, WORKERS, route_key
from service.errors import Internal, Overloaded
from tests.service.bus.fakes import BIRDS
from tests.service.bus.redis_server import RedisServer
from tests.service.bus.redis_setups import (
    SHORT_LEASE_S,
    join_without_receiving,
    keys_of,
    redis_bus,
    stream_length,
)
from tests.service.bus.setups import BusFactory, eventually, nothing_more_comes, outcomes


@pytest.fixture
def small_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that is full soon, and then refuses to take more in."""
    server = RedisServer(tmp_path)
    server.options += ["--maxmemory", "4mb", "--maxmemory-policy", "noeviction"]
    with server:
        yield server


def fill(server: RedisServer) -> None:
    """From now on the memory is full, whatever leaves it."""
    with server.client() as client:
        client.config_set("maxmemory", 1)


def make_room(server: RedisServer) -> None:
    with server.client() as client:
        client.config_set("maxmemory", "4mb")


async def lose_body(server: RedisServer) -> None:
    """Once a request is there, take its body away."""
    await eventually(lambda: stream_length(server) == 1)
    (key,) = keys_of(server, "body")
    with server.client() as client:
        client.delete(key)


# A full memory


@pytest.mark.anyio
async def test_photos_that_do_not_fit_are_refused_and_the_others_are_answered(small_server: RedisServer):
    async with redis_bus(small_server, max_queue_wait_ms=60_000) as setup:
        worker = await join_without_receiving(setup, lanes=8, credit=8)
        futures = [setup.submit(BIRDS, bytes(1 << 19)) for _ in range(8)]
        await eventually(lambda: stream_length(small_server) + sum(future.done() for future in futures) == 8)
        worker.start()
        worker.answer_everything()
        answers = await outcomes(futures)
        refused = [answer for answer in answers if isinstance(answer, Overloaded)]
        assert 0 < len(refused) < 8
        assert sum(isinstance(answer, Outcome) for answer in answers) == 8 - len(refused)
        assert all(answer.retry_after_s for answer in refused)
        assert setup.bus.counters.refused == {"room": len(refused)}
        assert not keys_of(small_server, "body")


@pytest.mark.anyio
async def test_a_full_memory_ends_no_session_and_what_comes_when_there_is_room_again_is_answered(
    small_server: RedisServer,
):
    async with redis_bus(small_server) as setup:
        worker = await setup.join(credit=2)
        fill(small_server)
        for photo in (b"small", bytes(INLINE_BYTES + 1)):
            with pytest.raises(Overloaded):
                await setup.submit(BIRDS, photo)
        await nothing_more_comes(setup, worker)  # a heartbeat gets through
        make_room(small_server)
        worker.answer_everything()
        assert (await setup.submit(BIRDS, bytes(INLINE_BYTES + 1))).attempts == 1
        assert setup.bus.counters.reconnects == 0


@pytest.mark.anyio
async def test_what_was_accepted_is_answered_although_the_memory_is_full(small_server: RedisServer):
    answers = [bytes(INLINE_BYTES), bytes(INLINE_BYTES + 1)]
    async with redis_bus(small_server) as setup:
        worker = await join_without_receiving(setup, credit=2)
        futures = [setup.submit() for _ in answers]
        await eventually(lambda: stream_length(small_server) == 2)
        fill(small_server)
        worker.start()
        for answer in answers:
            worker.answer(await worker.next(), answer)
        assert [outcome.body for outcome in await outcomes(futures)] == answers


@pytest.mark.anyio
async def test_a_withdrawal_gets_through_although_the_memory_is_full(small_server: RedisServer):
    async with redis_bus(small_server) as setup:
        worker = await setup.join()
        future = setup.submit()
        held = await worker.next()
        fill(small_server)
        future.cancel()
        assert await worker.next_cancelled() == held.request.id


@pytest.mark.anyio
async def test_a_gateway_and_a_worker_meet_at_a_full_redis_and_part_in_order(small_server: RedisServer):
    fill(small_server)
    async with redis_bus(small_server) as setup:
        worker = await setup.join()
        worker.bus.heartbeat(Heartbeat(memory_bytes=1, busy_ratio=0.0, held=0))
        await eventually(lambda: setup.bus.workers()[0].heartbeat is not None)
        make_room(small_server)
        worker.answer_everything()
        await setup.submit()
        fill(small_server)
    assert not keys_of(small_server, "answers")


# What is gone


@pytest.mark.anyio
async def test_a_photo_that_is_gone_before_its_deadline_is_sent_again(
    redis_bus_factory: BusFactory, server: RedisServer
):
    async with redis_bus_factory() as setup:
        worker = await join_without_receiving(setup)
        future = setup.submit(BIRDS, bytes(INLINE_BYTES + 1))
        await lose_body(server)
        worker.start()
        worker.answer_everything()
        assert (await future).attempts == 2
        assert setup.bus.counters.releases["birds@1.0.0", "retry"] == 1
        assert stream_length(server) == 0


@pytest.mark.anyio
async def test_a_photo_that_is_gone_each_time_is_a_fault_of_ours(redis_bus_factory: BusFactory, server: RedisServer):
    async with redis_bus_factory(attempts_limit=1) as setup:
        worker = await join_without_receiving(setup)
        future = setup.submit(BIRDS, bytes(INLINE_BYTES + 1))
        await lose_body(server)
        worker.start()
        with pytest.raises(Internal, match="was lost 1 times"):
            await future


@pytest.mark.anyio
async def test_an_answer_that_is_gone_is_asked_for_again(redis_bus_factory: BusFactory, server: RedisServer):
    async with redis_bus_factory() as setup:
        worker = await setup.join(credit=2)
        future = setup.submit()
        held = await worker.next()
        (answers,) = keys_of(server, "answers")
        with server.client() as client:
            client.xadd(answers, {"head": encode(Result(1))[0], "key": "nothing"})
        again = await worker.next()
        worker.answer(again)
        assert (await future).attempts == 2
        worker.answer(held)


def lose(server: RedisServer, what: str) -> None:
    """Let the requests of a route be gone."""
    with server.client() as client:
        if what == "stream":
            client.delete(route_key(BIRDS))
        else:
            client.xtrim(route_key(BIRDS), 0, approximate=False)


@pytest.mark.anyio
@pytest.mark.parametrize("what", ["stream", "entries"])
async def test_a_request_that_is_gone_gives_its_credit_back_once_its_caller_has_left(
    redis_bus_factory: BusFactory, server: RedisServer, what: str
):
    async with redis_bus_factory() as setup:
        worker = await join_without_receiving(setup)  # with a credit of one
        lost = setup.submit()
        await eventually(lambda: stream_length(server) == 1)
        lose(server, what)
        lost.cancel()
        await eventually(lambda: setup.bus.workers()[0].held == 0)
        worker.start()
        worker.answer_everything()
        assert (await setup.submit()).attempts == 1


@pytest.mark.anyio
async def test_a_request_that_was_answered_when_its_caller_left_is_not_taken_for_lost(
    redis_bus_factory: BusFactory, server: RedisServer
):
    async with redis_bus_factory() as setup:
        worker = await setup.join(credit=4)
        for _ in range(25):
            futures = [setup.submit() for _ in range(4)]
            for held in [await worker.next() for _ in futures]:
                worker.answer(held)
            for future in futures:
                future.cancel()
            await eventually(lambda: setup.bus.workers()[0].held == 0)
        assert setup.bus.counters.late == setup.bus.counters.cancelled > 0
        assert setup.bus.counters.retried == 0


@pytest.mark.anyio
async def test_a_list_that_is_gone_is_written_again_and_nobody_is_taken_for_lost(server: RedisServer):
    async with redis_bus(server, lease_s=SHORT_LEASE_S) as setup:
        worker = await setup.join()
        held_future = setup.submit()
        held = await worker.next()
        with server.client() as client:
            client.delete(WORKERS, GATEWAYS)
            await eventually(lambda: client.exists(WORKERS) and client.exists(GATEWAYS))
        worker.answer(held)
        assert (await held_future).attempts == 1
