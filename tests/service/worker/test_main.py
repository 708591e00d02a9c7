"""What a worker refuses before it loads anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.bus.redis.address import RedisUnusable
from service.settings import Settings
from service.worker.main import check_way
from service.worker.serving import NoGateway


def test_a_worker_without_a_way_to_a_gateway_is_told_what_to_set() -> None:
    with pytest.raises(NoGateway, match=r"^No gateway is named: set FIELDMARK_SOCKET .* or FIELDMARK_REDIS_URL"):
        check_way(Settings())


def test_a_redis_that_no_client_can_be_made_for_is_refused() -> None:
    with pytest.raises(RedisUnusable, match="parameter colour"):
        check_way(Settings(redis_url="redis://host?colour=red"))


def test_a_worker_of_this_host_does_not_look_at_redis() -> None:
    check_way(Settings(socket=Path("bus.sock"), redis_url="redis://host:abc"))
