"""The bus between hosts over a real Redis: the suite that every bus passes, and what is its own."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from service.answers import Parameters
from service.bus.base import Job
from service.bus.local import LocalWorkerBus
from service.bus.messages import Heartbeat, Request
from service.bus.redis.gateway import RedisBus
from service.bus.redis.wire import (
    EVENTS,
    GONE,
    GROUP,
    INLINE_BYTES,
    PREFIX,
    control_key,
    hello_key,
    pack,
    process_of,
    route_key,
)
from service.bus.redis.worker import RedisWorkerBus
from service.settings import Settings
from tests.service.bus.fakes import BIRDS, make_hello
from tests.service.bus.redis_server import RedisServer
from tests.service.bus.suite import PATIENCE_S, BusFactory, BusSuite, FakeWorker, Setup, eventually, outcomes

LEASE_S = 60.0  # does not run out, however busy the machine is
SHORT_LEASE_S = 1.0  # to be waited for; whoever has it may be lost at any time


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": False}


@asynccontextmanager
async def redis_bus(server: RedisServer, lease_s: float = LEASE_S, **settings: object) -> AsyncIterator[Setup]:
    bus = RedisBus(Settings(redis_url=server.url, **settings), lease_s=lease_s)
    await bus.start()
    await eventually(lambda: bus.reach == "redis")
    setup = Setup(bus, partial(RedisWorkerBus, server.url, lease_s=lease_s))
    try:
        yield setup
    finally:
        await bus.drain(0.0)
        for worker in setup.workers:
            worker.crash()


@pytest.fixture
def bus_factory(server: RedisServer) -> BusFactory:
    with server.client() as client:
        client.flushall()
    return partial(redis_bus, server)


class TestRedisBus(BusSuite):
    """The Redis bus passes the suite, with workers that are all on another host."""


def hang_up(server: RedisServer, worker: FakeWorker) -> None:
    """End a worker's session as a broken connection does: nobody is told."""
    worker.bus._over.set()
    with server.client() as client:
        client.xadd(control_key(worker.bus.name), {"wake": ""})  # so that its thread sees it
    worker.crash()


async def come_back(setup: Setup, server: RedisServer, worker: FakeWorker) -> FakeWorker:
    """Let a process begin a new session after its connection broke."""
    hang_up(server, worker)
    setup.connect, connect = partial(setup.connect, process=process_of(worker.bus.name)), setup.connect
    try:
        return await setup.join()
    finally:
        setup.connect = connect


async def join_without_receiving(setup: Setup) -> FakeWorker:
    """Connect a worker that takes nothing before it is started."""
    worker = FakeWorker(setup.connect())
    worker.bus.hello(make_hello())
    await eventually(lambda: len(setup.bus.workers()) == 1)
    return worker


async def own(setup: Setup, name: str = "own") -> FakeWorker:
    """Connect a worker of the gateway's own host."""
    connect, setup.connect = setup.connect, partial(LocalWorkerBus.connect, setup.bus.path)
    try:
        return await setup.join(name)
    finally:
        setup.connect = connect


def keys_of(server: RedisServer, kind: str) -> list[bytes]:
    with server.client() as client:
        return list(client.keys(f"{PREFIX}{kind}:*"))


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


def stream_length(server: RedisServer) -> int:
    with server.client() as client:
        return int(client.xlen(route_key(BIRDS)))


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
async def test_large_photos_lie_in_keys_that_expire_and_go_with_the_answer(
    bus_factory: BusFactory, server: RedisServer
):
    async with bus_factory() as setup:
        worker = await setup.join(credit=2)
        futures = [setup.submit(BIRDS, bytes(size), timeout_s=20.0) for size in (INLINE_BYTES, INLINE_BYTES + 1)]
        deliveries = [await worker.next() for _ in futures]
        (key,) = keys_of(server, "body")
        with server.client() as client:
            assert 0 < client.pttl(key) <= 25_000
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


# Workers that go without a word


@pytest.mark.anyio
async def test_what_a_vanished_worker_held_is_taken_back_and_answered_by_another(
    bus_factory: BusFactory, server: RedisServer
):
    async with bus_factory(lease_s=SHORT_LEASE_S) as setup:
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
async def test_only_what_was_in_the_lost_workers_hands_is_suspect(bus_factory: BusFactory):
    async with bus_factory() as setup:
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
async def test_a_worker_that_was_given_up_takes_nothing_more(bus_factory: BusFactory, server: RedisServer):
    """Its gateways have looked through what it held: whatever it took now nobody would ever answer."""
    async with bus_factory() as setup:
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
    bus_factory: BusFactory, server: RedisServer
):
    async with bus_factory() as setup:
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
    bus_factory: BusFactory, server: RedisServer
):
    async with bus_factory() as setup:
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
async def test_a_worker_that_was_out_of_reach_is_not_to_blame(bus_factory: BusFactory, server: RedisServer):
    async with bus_factory() as setup:
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


def test_a_worker_says_that_redis_does_not_answer(tmp_path: Path):
    with pytest.raises(OSError, match="Redis does not answer"):
        RedisWorkerBus(RedisServer(tmp_path).url, lease_s=0.1)


# The way to Redis


@pytest.mark.anyio
async def test_a_password_is_asked_for_and_given(tmp_path: Path):
    server = RedisServer(tmp_path)
    server.options += ["--requirepass", "a secret"]
    with server:
        with pytest.raises(OSError, match=r"Redis does not answer.*[Aa]uthentication"):
            RedisWorkerBus(server.url, lease_s=LEASE_S)
        server.url = server.url.replace("//", "//:a%20secret@")
        await ask_once(server)


@pytest.mark.anyio
async def test_tls_is_spoken_and_the_certificate_is_checked(tmp_path: Path):
    certificate, key = make_certificate(tmp_path)
    server = RedisServer(tmp_path)
    server.options += ["--port", "0", "--tls-port", str(server.port), "--tls-auth-clients", "no"]
    server.options += ["--tls-cert-file", str(certificate), "--tls-key-file", str(key)]
    server.url = server.url.replace("redis://", "rediss://")
    with server:
        with pytest.raises(OSError, match="certificate verify failed"):
            RedisWorkerBus(server.url, lease_s=LEASE_S)
        server.url += f"?ssl_ca_certs={certificate}"
        await ask_once(server)


async def ask_once(server: RedisServer) -> None:
    """One request there and back."""
    async with redis_bus(server) as setup:
        worker = await setup.join()
        worker.answer_everything()
        assert (await setup.submit()).body == b"{}"


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of its own authority for 127.0.0.1, and its key."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("needs openssl to make a certificate")
    certificate, key = folder / "redis.crt", folder / "redis.key"
    command = [
        program,
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=redis",
    ]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key
