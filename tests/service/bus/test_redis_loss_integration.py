"""The bus between hosts when a side of it is lost: workers that go without a word, and Redis itself."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from service.bus.frames import encode
from service.bus.local import LocalWorkerBus
from service.bus.messages import Heartbeat
from service.bus.redis import scripts
from service.bus.redis.clients import LoopClient
from service.bus.redis.gateway import RedisBus
from service.bus.redis.roster import GRACE_LEASES, Roster
from service.bus.redis.wire import EVENTS, GONE, GROUP, WORKERS, hello_key, route_key
from service.bus.redis.worker import RedisWorkerBus
from service.settings import Settings
from tests.service.bus.fakes import BIRDS, Clock, make_hello
from tests.service.bus.redis_server import RedisServer
from tests.service.bus.redis_setups import (
    LEASE_S,
    SHORT_LEASE_S,
    come_back,
    hang_up,
    join_without_receiving,
    own,
    redis_bus,
    stream_length,
)
from tests.service.bus.setups import PATIENCE_S, BusFactory, Setup, eventually, outcomes

# Workers that go without a word


@pytest.mark.anyio
async def test_what_a_vanished_worker_held_is_taken_back_and_answered_by_another(
    redis_bus_factory: BusFactory, server: RedisServer
):
    async with redis_bus_factory(lease_s=SHORT_LEASE_S) as setup:
        lost = await setup.join("lost")
        future = setup.submit()
        await lost.next()
        hang_up(server, lost)
        setup.connect = partial(RedisWorkerBus, server.url, lease_s=LEASE_S)
        other = await setup.join("other")
        other.answer_everything()
        outcome = await future
        assert outcome.attempts == 2
        assert setup.bus.counters.releases["birds@1.0.0", "alone"] == 1
        await eventually(lambda: [view.hello.worker for view in setup.bus.workers()] == ["other"])
        with server.client() as client:
            assert client.xpending(route_key(BIRDS), "workers")["pending"] == 0


@pytest.mark.anyio
async def test_only_what_was_in_the_lost_workers_hands_is_suspect(redis_bus_factory: BusFactory):
    async with redis_bus_factory() as setup:
        workers = [await setup.join(name, credit=2, lanes=2) for name in ("0", "1")]
        futures = [setup.submit(BIRDS, b"%d" % number) for number in range(4)]
        held = {worker: [await worker.next() for _ in range(2)] for worker in workers}
        workers[0].crash()
        await eventually(lambda: len(setup.bus.workers()) == 1)
        for delivery in held[workers[1]]:
            workers[1].answer(delivery)
        workers[1].answer_everything()
        answers = dict(zip((b"0", b"1", b"2", b"3"), await outcomes(futures), strict=True))
        lost = {bytes(delivery.images[0]) for delivery in held[workers[0]]}
        assert {photo for photo, outcome in answers.items() if outcome.attempts == 2} == lost


@pytest.mark.anyio
async def test_a_worker_that_was_given_up_takes_nothing_more(redis_bus_factory: BusFactory, server: RedisServer):
    """Its gateways have looked through what it held: whatever it took now nobody would ever answer."""
    async with redis_bus_factory() as setup:
        paused = await join_without_receiving(setup)
        with server.client() as client:
            client.delete(hello_key(paused.bus.name))  # its lease has run out
        future = setup.submit()
        await eventually(lambda: stream_length(server) == 1)
        assert paused.bus.receive() is None
        paused.bus.close()
        other = await setup.join("other")
        other.answer_everything()
        assert (await future).body == b"{}"
        assert setup.bus.counters.releases["birds@1.0.0", "alone"] == 0


@pytest.mark.anyio
async def test_what_a_worker_took_that_came_and_went_unknown_is_answered_by_another(
    redis_bus_factory: BusFactory, server: RedisServer
):
    async with redis_bus_factory() as setup:
        known = await join_without_receiving(setup)
        future = setup.submit()
        await eventually(lambda: stream_length(server) == 1)
        with server.client() as client:
            client.xgroup_create(route_key(BIRDS), GROUP, "0")
            client.xreadgroup(GROUP, "unknown", {route_key(BIRDS): ">"})
            client.xadd(EVENTS, {"worker": "unknown", "event": GONE})
        known.start()
        delivery = await known.next()
        assert delivery.request.alone
        known.answer(delivery)
        assert (await future).attempts == 2


@pytest.mark.anyio
async def test_what_a_worker_had_that_comes_back_is_asked_again_whoever_it_was_booked_on(
    redis_bus_factory: BusFactory, server: RedisServer
):
    async with redis_bus_factory() as setup:
        late = await join_without_receiving(setup)
        first = setup.submit(BIRDS, b"first")  # booked on the one that is late
        early = await setup.join("1")
        taken = await early.next()
        second = setup.submit(BIRDS, b"second")  # booked on the other
        late.start()
        assert bytes((await late.next()).images[0]) == b"second"
        again = await come_back(setup, server, late)
        again.answer_everything()
        early.answer(taken)
        early.answer_everything()  # it has room now, and may be the first to come to what was given back
        assert [outcome.attempts for outcome in await outcomes([first, second])] == [1, 2]


@pytest.mark.anyio
async def test_a_worker_that_was_out_of_reach_is_not_to_blame(redis_bus_factory: BusFactory, server: RedisServer):
    async with redis_bus_factory() as setup:
        worker = await setup.join()
        future = setup.submit()
        await worker.next()
        again = await come_back(setup, server, worker)
        again.answer(await again.next())
        assert (await future).attempts == 2
        assert setup.bus.counters.releases == {("birds@1.0.0", "credit"): 1, ("birds@1.0.0", "retry"): 1}


# Redis that goes


@pytest.mark.anyio
async def test_without_redis_a_host_goes_on_with_its_own_workers_and_finds_it_again(tmp_path: Path):
    with RedisServer(tmp_path) as server:
        async with redis_bus(server, max_queue_wait_ms=60_000) as setup:
            remote = await setup.join("remote")
            held_there = setup.submit()
            await remote.next()
            server.stop()
            await eventually(lambda: setup.bus.reach == "local-only")
            assert setup.bus.workers() == []
            near = await own(setup)
            near.answer_everything()
            assert (await held_there).attempts == 2
            assert (await setup.submit()).body == b"{}"
            await remote.told_to_leave()
            server.start()
            await eventually(lambda: setup.bus.reach == "redis")
            back = await setup.join("remote")
            back.bus.heartbeat(Heartbeat(memory_bytes=1, busy_ratio=0.0, held=0))
            await eventually(lambda: setup.bus.workers()[-1].heartbeat is not None)
            counters = setup.bus.counters
            assert (counters.reconnects, counters.poisoned, counters.releases["birds@1.0.0", "alone"]) == (1, 0, 0)


@pytest.mark.anyio
async def test_a_host_starts_without_redis(tmp_path: Path):
    server = RedisServer(tmp_path)
    bus = RedisBus(Settings(redis_url=server.url), lease_s=LEASE_S)
    await bus.start()
    setup = Setup(bus, partial(LocalWorkerBus.connect, bus.path))
    worker = await setup.join()
    worker.answer_everything()
    assert (await setup.submit()).body == b"{}"
    assert bus.reach == "local-only"
    await bus.drain(PATIENCE_S)
    worker.crash()


@pytest.mark.anyio
async def test_a_restart_is_counted_by_a_gateway_that_was_there(redis_bus_factory: BusFactory, server: RedisServer):
    earlier = RedisWorkerBus(server.url, lease_s=LEASE_S)
    earlier.hello(make_hello("earlier", pid=99, started_because="crash"))
    try:
        async with redis_bus_factory() as setup:
            await eventually(lambda: len(setup.bus.workers()) == 1)
            assert setup.bus.counters.restarts == {}
            await setup.join("later", started_because="crash")
            assert setup.bus.counters.restarts == {"crash": 1}
    finally:
        earlier.close()


@pytest.mark.anyio
async def test_workers_that_are_long_gone_are_forgotten_with_what_they_had_taken(server: RedisServer):
    clock, stream = Clock(), route_key("swept")
    client = LoopClient(server.url, PATIENCE_S)
    roster = Roster(client, clock, SHORT_LEASE_S)
    with server.client() as redis:
        redis.set(hello_key("living"), b"")
        redis.xgroup_create(stream, GROUP, "0", mkstream=True)
        for name in ("living", "gone"):
            redis.xadd(stream, {"of": name})
            redis.xreadgroup(GROUP, name, {stream: ">"})
        await roster.sweep([stream, route_key("nobody's")])
        clock.now += GRACE_LEASES * SHORT_LEASE_S / 2
        await roster.sweep([stream])
        assert redis.xpending(stream, GROUP)["pending"] == 2, "its gateways may not have taken it back yet"
        clock.now += GRACE_LEASES * SHORT_LEASE_S
        await roster.sweep([stream])
        assert [consumer["name"] for consumer in redis.xinfo_consumers(stream, GROUP)] == [b"living"]
        assert [fields for _, fields in redis.xrange(stream)] == [{b"of": b"living"}]
    await client.close()


@pytest.mark.anyio
async def test_a_worker_that_cannot_be_worked_with_is_told_of_once(server: RedisServer):
    hello = make_hello("odd", expected_ms=-1.0)
    client = LoopClient(server.url, PATIENCE_S)
    roster = Roster(client, Clock(), SHORT_LEASE_S)
    await client.run("SCRIPT LOAD", scripts.ANYWAY)
    await roster.join("gateway")
    with server.client() as redis:
        redis.sadd(WORKERS, "odd")
        redis.set(hello_key("odd"), encode(hello)[0], px=int(PATIENCE_S * 1000))
    with capture_logs() as said:
        found = [(await roster.look([], list)).newcomers for _ in range(3)]
    assert not any("odd" in newcomers for newcomers in found)
    assert [entry["event"] for entry in said] == ["worker_refused"]
    await client.close()
