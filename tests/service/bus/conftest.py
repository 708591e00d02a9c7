"""The event loop of the bus's tests, and a Redis of their own, started once, with the bus on it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from tests.service.bus.redis_server import RedisServer
from tests.service.bus.redis_setups import redis_bus
from tests.service.bus.setups import BusFactory


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": False}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_bus_factory(server: RedisServer) -> BusFactory:
    """Start gateways at an empty Redis."""
    with server.client() as client:
        client.flushall()
    return partial(redis_bus, server)
