"""A gateway at a Redis and workers of other hosts, and what a test does to the ways between them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from service.bus.local import LocalWorkerBus
from service.bus.redis.gateway import RedisBus
from service.bus.redis.wire import PREFIX, control_key, process_of, route_key
from service.bus.redis.worker import RedisWorkerBus
from service.settings import Settings
from tests.service.bus.fakes import BIRDS, make_hello
from tests.service.bus.redis_server import RedisServer
from tests.service.bus.setups import FakeWorker, Setup, eventually

LEASE_S = 60.0  # does not run out, however busy the machine is
SHORT_LEASE_S = 1.0  # to be waited for; whoever has it may be lost at any time


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


async def join_without_receiving(setup: Setup, **hello: object) -> FakeWorker:
    """Connect a worker that takes nothing before it is started."""
    worker = FakeWorker(setup.connect())
    setup.workers.append(worker)  # its thread ends with the test, whether or not it was started
    worker.bus.hello(make_hello(**hello))
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


def stream_length(server: RedisServer) -> int:
    with server.client() as client:
        return int(client.xlen(route_key(BIRDS)))
