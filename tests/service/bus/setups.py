"""A started bus under test and workers in the test's own hands: how they are connected, and how a test waits for them.

The workers are threads of the test that answer when the test says so. They use the bus's own `WorkerBus`, so both ends
are under test.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from service.answers import Parameters
from service.bus.base import Delivery, GatewayBus, Job, Outcome, WorkerBus
from service.bus.messages import Heartbeat, Priority, Result
from tests.service.bus.fakes import BIRDS, make_hello

PATIENCE_S = 60.0  # a wait that takes longer waits for something that will not come


@dataclass
class Setup:
    """A started bus and the way to it; `workers` are cut off when the test ends."""

    bus: GatewayBus
    connect: Callable[[], WorkerBus]
    workers: list[FakeWorker] = field(default_factory=list)

    async def join(self, name: str = "0", **hello: object) -> FakeWorker:
        """Connect a worker and wait until the gateway knows it."""
        worker = FakeWorker(self.connect())
        self.workers.append(worker)
        pid = len(self.workers)
        worker.bus.hello(make_hello(name, pid=pid, **hello))
        worker.start()
        await eventually(lambda: any(view.hello.pid == pid for view in self.bus.workers()))
        return worker

    def submit(
        self,
        route: str = BIRDS,
        *photos: bytes,
        timeout_s: float = PATIENCE_S,
        priority: Priority = Priority.INTERACTIVE,
    ) -> asyncio.Future[Outcome]:
        job = Job(route, photos or (b"photo",), Parameters(), time.monotonic() + timeout_s, priority)
        return self.bus.submit(job)


class BusFactory(Protocol):
    """Makes a started bus with these settings; leaving the context closes it."""

    def __call__(self, **settings: object) -> AbstractAsyncContextManager[Setup]: ...


class FakeWorker:
    """A worker whose thread receives; answers are given by hand, or to everything from `answer_everything` on."""

    def __init__(self, bus: WorkerBus) -> None:
        self.bus = bus
        self._answers_everything = False
        self.held = 0
        self.most_held = 0
        self.answered_by_itself = 0
        self._loop = asyncio.get_running_loop()
        self._inbox: asyncio.Queue[Delivery | int | None] = asyncio.Queue()
        self._thread = threading.Thread(target=self._receive)

    def start(self) -> None:
        self._thread.start()

    async def event(self) -> Delivery | int | None:
        """The next thing, whatever it is."""
        return await asyncio.wait_for(self._inbox.get(), PATIENCE_S)

    async def next(self) -> Delivery:
        """The next thing, which must be a request."""
        thing = await self.event()
        assert isinstance(thing, Delivery), thing
        return thing

    async def next_cancelled(self) -> int:
        """The next thing, which must be a cancellation."""
        thing = await self.event()
        assert isinstance(thing, int), thing
        return thing

    async def told_to_leave(self) -> None:
        """Wait for the end of what comes; nothing else may come before it."""
        assert await self.event() is None

    def answer_everything(self) -> None:
        """From now on answer whatever comes, and what has come and was not looked at."""
        self._answers_everything = True
        while not self._inbox.empty():
            self._arrive(self._inbox.get_nowait())

    @property
    def waiting(self) -> int:
        """Things that came and were not looked at."""
        return self._inbox.qsize()

    def answer(self, delivery: Delivery, body: bytes = b"{}", *, error: str | None = None) -> None:
        self.held -= 1
        self.bus.answer(Result(delivery.request.id, error=error, model="birds@1.0.0"), b"" if error else body)

    def crash(self) -> None:
        """Be gone without a word."""
        self.bus.close()
        if self._thread.ident is not None:  # it was started
            self._thread.join()

    def _receive(self) -> None:
        while True:
            thing = self.bus.receive()
            if isinstance(thing, Delivery):
                self.held += 1
                self.most_held = max(self.most_held, self.held)
            self._loop.call_soon_threadsafe(self._arrive, thing)
            if thing is None:
                return

    def _arrive(self, thing: Delivery | int | None) -> None:
        if isinstance(thing, Delivery) and self._answers_everything:
            self.answer(thing)
            self.answered_by_itself += 1
        else:
            self._inbox.put_nowait(thing)


async def eventually(condition: Callable[[], bool]) -> None:
    """Let the loop run until the condition holds; for what the bus has no event for."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def nothing_more_comes(setup: Setup, worker: FakeWorker) -> None:
    """Let everything that was sent arrive: a heartbeat there and the loop's turns back."""
    beat = Heartbeat(memory_bytes=random.getrandbits(30), busy_ratio=0.0, held=0)
    worker.bus.heartbeat(beat)
    await eventually(lambda: any(view.heartbeat == beat for view in setup.bus.workers()))
    assert worker.waiting == 0


async def outcomes(futures: Sequence[asyncio.Future[Outcome]]) -> list[Outcome | BaseException]:
    async with asyncio.timeout(PATIENCE_S):
        return await asyncio.gather(*futures, return_exceptions=True)
