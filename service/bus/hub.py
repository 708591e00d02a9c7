"""The gateway's end of any bus: futures for callers, one timer for deadlines, a drain that ends.

Puts the pure dispatcher on an event loop. What is left to the kinds of bus is how workers are reached: they pass what
workers say on to `dispatcher` and implement its `Link`.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial

from service.bus.base import Counters, Job, Outcome, Reach, RouteView, WorkerView
from service.bus.dispatch import Dispatcher
from service.bus.messages import Hello
from service.errors import FieldmarkError
from service.settings import Settings


class Reply(asyncio.Future[Outcome]):
    """What a caller waits for. To cancel it is to leave; `done` is called however it ends.

    A callback of the future's own would do, at the price of one more turn of the loop for every request.
    """

    def __init__(self, done: Callable[[], None]) -> None:
        super().__init__()
        self.leave: Callable[[], None] | None = None
        self._done = done

    def settle(self, answer: Outcome | FieldmarkError) -> None:
        """Give the answer."""
        if not self.done():
            if isinstance(answer, FieldmarkError):
                self.set_exception(answer)
            else:
                self.set_result(answer)
        self._done()

    def cancel(self, msg: object = None) -> bool:
        """Tell the bus that nobody waits any more."""
        if not super().cancel(msg):
            return False
        if self.leave is not None:
            self.leave()
        self._done()
        return True


class Hub(ABC):
    """Implements `GatewayBus` but for `start` and `_close`; used from the thread of one event loop."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float], random: Callable[[], float]) -> None:
        self.dispatcher = Dispatcher(settings, clock=clock, random=random)
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._is_draining = False
        self._is_idle = asyncio.Event()

    @abstractmethod
    async def start(self) -> None:
        """Begin to listen for workers."""

    @abstractmethod
    async def _close(self) -> None:
        """Tell the workers to leave and let go of them."""

    @property
    def reach(self) -> Reach:
        """Whose workers can be reached now: the host's own, where no other bus says otherwise."""
        return "local"

    @property
    def counters(self) -> Counters:
        """What was counted since the start."""
        return self.dispatcher.counters

    @property
    def queued_bytes(self) -> int:
        """Photo bytes of the requests that wait in the queue."""
        return self.dispatcher.queued_bytes

    @property
    def inflight(self) -> int:
        """Requests that workers hold and nobody has answered yet."""
        return self.dispatcher.inflight

    @property
    def hellos(self) -> Sequence[Hello]:
        """What the connected workers announced; the same object until one of them comes or goes."""
        return self.dispatcher.hellos

    def workers(self) -> list[WorkerView]:
        """The connected workers, in the order in which they came."""
        return self.dispatcher.workers()

    def routes(self) -> list[RouteView]:
        """The routes that connected workers can complete."""
        return self.dispatcher.routes()

    def submit(self, job: Job) -> asyncio.Future[Outcome]:
        """Admit a job, or refuse at once; raises as `GatewayBus.submit` says."""
        reply = Reply(self._settled)
        ticket = self.dispatcher.submit(job, reply.settle)
        reply.leave = partial(self.dispatcher.leave, ticket)
        if job.deadline < self._timer_at:
            self._arm()
        return reply

    async def drain(self, timeout_s: float) -> None:
        """Refuse new jobs, wait until all accepted ones are answered or the time is over, and close."""
        self._is_draining = True
        self.dispatcher.refuse_new()
        if self.dispatcher.accepted:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._is_idle.wait(), timeout_s)
        self.dispatcher.abandon()
        if self._timer:
            self._timer.cancel()
        await self._close()

    def _settled(self) -> None:
        """A caller has its answer, or left."""
        if self._is_draining and not self.dispatcher.accepted:
            self._is_idle.set()

    def _arm(self) -> None:
        """Set the one timer to the earliest deadline."""
        if self._timer:
            self._timer.cancel()
        deadline = self.dispatcher.next_deadline
        if deadline is None:
            self._timer, self._timer_at = None, math.inf
            return
        self._timer_at = deadline
        self._timer = asyncio.get_running_loop().call_later(max(0.0, deadline - self._clock()), self._expire)

    def _expire(self) -> None:
        self.dispatcher.expire()
        self._arm()
