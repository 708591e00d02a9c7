"""A worker's lease at Redis: its HELLO is kept from expiring, and with it known what time it is there.

A deadline travels as the time that was left when Redis took the request in, so a worker must know by how much Redis's
clock is ahead of its own. Both are done at each renewal, by a thread of the lease's own. A lease ends once, for good: it
was not renewed in time, Redis cannot be reached, or the worker hangs up. An expired one is the end, because the gateways
have given the worker up and looked through what it held.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from redis.exceptions import RedisError

from service.bus.redis.clients import BlockingClient, Command
from service.logs import get_logger

RENEWALS_PER_LEASE = 3

log = get_logger()


class Lease:
    """Keeps `keys` alive for `seconds` at a time from `keep` on; `over` is set when it has ended.

    Each renewal also runs the command `again`. `ahead_s` is by how many seconds Redis's clock is ahead of `clock`, which gives
    monotonic ones.

    Raises:
        RedisError: Redis does not tell its time.
    """

    def __init__(
        self,
        client: BlockingClient,
        keys: Sequence[str],
        again: Command,
        seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self.over = threading.Event()
        self.ms = int(seconds * 1000)
        self._client = client
        self._renewal = [*(("PEXPIRE", key, self.ms) for key in keys), again]
        self._seconds = seconds
        self._clock = clock
        self._keeper = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._learn_time()

    def keep(self) -> None:
        """Begin to renew it."""
        self._keeper.start()

    @property
    def is_kept(self) -> bool:
        """Whether `keep` was called, so that there is something to end."""
        return self._keeper.ident is not None

    def join(self) -> None:
        """Wait until nothing is renewed any more; `over` must be set."""
        self._keeper.join()

    def lose(self, error: RedisError) -> None:
        """End it because Redis cannot be reached."""
        log.warning("redis_lost", error=str(error))
        self.over.set()

    def give_up(self) -> None:
        """End it because it has expired."""
        if not self.over.is_set():
            log.warning("lease_expired", lease_s=self._seconds)
            self.over.set()

    def _renew(self) -> None:
        while not self.over.wait(self._seconds / RENEWALS_PER_LEASE):
            try:
                *kept, _ = self._client.run_all(self._renewal)
                self._learn_time()
            except RedisError as error:
                self.lose(error)
            else:
                if not all(kept):
                    self.give_up()

    def _learn_time(self) -> None:
        before = self._clock()
        seconds, micros = self._client.run("TIME")
        self.ahead_s = seconds + micros / 1e6 - (before + self._clock()) / 2
