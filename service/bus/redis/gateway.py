"""The gateway's end at Redis: the local bus, and beyond it the workers of other hosts.

Owns the life of the connection: it is opened in the background, so a host starts without Redis too; while it is gone the
host goes on with its own workers, says so (`reach`) and tries again with a growing pause. What is sent and answered
meanwhile is the session's.
"""

from __future__ import annotations

import asyncio
import contextlib
import random as randomness
import time
from collections.abc import Callable
from functools import partial

from redis.exceptions import RedisError

from service.bus.base import Reach
from service.bus.local import CLOSE_TIMEOUT_S, LocalBus
from service.bus.redis.clients import LoopClient
from service.bus.redis.session import Session
from service.bus.redis.wire import LEASE_S
from service.logs import get_logger
from service.settings import Settings

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0

log = get_logger()


class RedisBus(LocalBus):
    """Implements `GatewayBus` over `settings.redis_url`; its own workers connect as to a `LocalBus`."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = randomness.random,
        lease_s: float = LEASE_S,
    ) -> None:
        super().__init__(settings, clock=clock, random=random)
        if settings.redis_url is None:
            raise ValueError("redis_url is not set")
        self._client = LoopClient(settings.redis_url, lease_s)
        self._lease_s = lease_s
        self._random = random
        self._session: Session | None = None
        self._was_open = False
        self._closing = asyncio.Event()  # a cancellation can be lost where a task group fails at the same time
        self._keeper: asyncio.Task[None] | None = None

    @property
    def reach(self) -> Reach:
        """Whose workers can be reached now."""
        return "redis" if self._session else "local-only"

    async def start(self) -> None:
        """Begin to listen for own workers, and to look for those of other hosts; raises as `LocalBus.start`."""
        await super().start()
        self._keeper = asyncio.create_task(self._stay_in_touch())

    async def _close(self) -> None:
        self._closing.set()
        session, self._session = self._session, None
        if session is not None and self._keeper is not None:
            with contextlib.suppress(RedisError, OSError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await session.leave()
                    await asyncio.wait([self._keeper])
                    await session.farewell()
        if self._keeper is not None:
            self._keeper.cancel()
            await self._client.close()  # and so ends a wait in which the cancellation was lost
            await asyncio.wait([self._keeper])
        await super()._close()

    async def _stay_in_touch(self) -> None:
        """One session after another."""
        pause_s = FIRST_PAUSE_S
        while not self._closing.is_set():
            session = Session(self._client, self.dispatcher, self._clock, self._lease_s)
            try:
                await session.run(partial(self._opened, session))
            except* (RedisError, OSError) as faults:
                log.warning("redis_lost", error=str(faults.exceptions[0]), was_open=self._session is not None)
            except* Exception:  # a fault of ours must not end the search for other hosts
                log.exception("redis_session_failed")
            if self._closing.is_set():
                return
            if self._session is not None:
                self._session, pause_s = None, FIRST_PAUSE_S
            session.abandon()
            await asyncio.sleep(pause_s * (1 + self._random()))
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)

    def _opened(self, session: Session) -> None:
        self._session = session
        self.dispatcher.counters.reconnects += self._was_open
        self._was_open = True
        log.info("redis_reached")
