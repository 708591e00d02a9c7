"""Connections to Redis: plain commands and many in one trip, blocking for a worker's threads and on a loop for a gateway.

Thin on purpose: which commands there are is said where they are used, and a reply has the shape that its command gives
it. `rediss://` in the URL means TLS, whose options (`ssl_ca_certs`, ...) are the URL's parameters, as redis-py reads them.
All errors are `RedisError`; where a command waits in Redis, it must wait for less than `timeout_s`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.retry import Retry

CONNECTIONS_LIMIT = 8  # of one process: threads that send at once share them
FIRST_PAUSE_S = 0.05  # before a command is tried again, then twice as long

Command = tuple[Any, ...]


def _options(timeout_s: float) -> dict[str, Any]:
    # The older protocol: its replies have one shape, whatever the version of the server.
    return {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s, "protocol": 2}


def try_url(url: str) -> None:
    """Make a connection of both kinds and open none: only that looks at all parameters of a URL.

    Raises:
        ValueError, TypeError, AttributeError, RedisError: there cannot be one.
    """
    redis.BlockingConnectionPool.from_url(url, **_options(1.0)).make_connection()  # type: ignore[no-untyped-call]
    redis.asyncio.ConnectionPool.from_url(url, **_options(1.0)).make_connection()  # type: ignore[no-untyped-call]


class BlockingClient:
    """For threads; safe to share. A command that meets a broken connection is tried again, `retries` times."""

    def __init__(self, url: str, timeout_s: float, *, retries: int = 0) -> None:
        pool = redis.BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS_LIMIT,
            retry=Retry(ExponentialBackoff(base=FIRST_PAUSE_S), retries),
            **_options(timeout_s),
        )
        self._client = redis.Redis.from_pool(pool)
        self._execute: Callable[..., Any] = self._client.execute_command

    def run(self, *command: Any) -> Any:
        """Run one command."""
        return self._execute(*command)

    def run_all(self, commands: Sequence[Command]) -> list[Any]:
        """Run commands in one trip, one after another; the first error among them is raised after all were run."""
        with self._client.pipeline(transaction=False) as pipe:
            stage: Callable[..., Any] = pipe.execute_command
            for command in commands:
                stage(*command)
            return pipe.execute()

    def close(self) -> None:
        """Hang up."""
        self._client.close()


class LoopClient:
    """For one event loop; nothing is tried again, because a fault ends the gateway's session."""

    def __init__(self, url: str, timeout_s: float) -> None:
        retry = AsyncRetry(NoBackoff(), 0)
        self._client = redis.asyncio.Redis.from_url(url, retry=retry, **_options(timeout_s))
        self._execute: Callable[..., Awaitable[Any]] = self._client.execute_command

    async def run(self, *command: Any) -> Any:
        """Run one command."""
        return await self._execute(*command)

    async def run_all(self, commands: Sequence[Command], *, may_fail: bool = False) -> list[Any]:
        """Run commands in one trip, one after another; an error is raised after all were run, or stands for its reply."""
        if not commands:
            return []
        pipe = self._client.pipeline(transaction=False)
        stage: Callable[..., Any] = pipe.execute_command
        for command in commands:
            stage(*command)
        return await pipe.execute(raise_on_error=not may_fail)

    async def close(self) -> None:
        """Hang up."""
        await self._client.aclose()
