"""The bus as the gateway and the workers see it; local and Redis buses implement it and pass one test suite.

The gateway hands in a `Job` and awaits its `Outcome`; the worker takes `Delivery` objects and gives back results. All
rules of ordering, credit, deadlines, retries and refusal live behind the gateway's end.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import msgspec

from service.answers import Parameters
from service.bus.messages import Heartbeat, Hello, Priority, Request, Result

#: `local`: the host's own workers, as was meant; `redis`: those of other hosts too; `local-only`: they are out of reach.
Reach = Literal["local", "redis", "local-only"]


class Job(msgspec.Struct, eq=False):
    """One request as the gateway hands it to the bus.

    `images` are the encoded photos as uploaded; `deadline` is absolute, in seconds of `time.monotonic()`. `request_id` names it
    in logs, `traceparent` the span that it is a part of.
    """

    route: str
    images: Sequence[bytes]
    parameters: Parameters
    deadline: float
    priority: Priority = Priority.INTERACTIVE
    traceparent: str | None = None
    request_id: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """The one answer to a job: the worker's result header and the JSON body, with the time spent in the queue."""

    result: Result
    body: bytes
    queue_ms: float
    attempts: int


class Delivery(msgspec.Struct, frozen=True):
    """A request as it reaches a worker; `images` are views into the received frame."""

    request: Request
    images: Sequence[memoryview]


@dataclass(frozen=True, slots=True)
class WorkerView:
    """What the gateway knows of one connected worker."""

    hello: Hello
    heartbeat: Heartbeat | None
    held: int
    draining: bool


@dataclass(frozen=True, slots=True)
class RouteView:
    """State of one route: its depth, the predicted wait of a new request and the measured rate."""

    route: str
    model: str
    queued: int
    predicted_wait_s: float
    rate_per_s: float


@dataclass(slots=True)
class Counters:
    """What the bus has counted since it started; metrics read them.

    `refused` counts per reason (`wait`, `deadline`, `count`, `bytes`, `not-ready`, `poison`, and `room`: there was none on
    the way to another host), `restarts` per reason that a worker gave in its HELLO, `releases` per (model, reason):
    `credit` (a worker had room), `retry` (another attempt), `alone` (a suspect). `late` are results that nobody waited for
    any more, `reconnects` how often other hosts came into reach again.
    """

    refused: Counter[str] = field(default_factory=Counter)
    restarts: Counter[str] = field(default_factory=Counter)
    releases: Counter[tuple[str, str]] = field(default_factory=Counter)
    expired: int = 0
    cancelled: int = 0
    retried: int = 0
    poisoned: int = 0
    late: int = 0
    reconnects: int = 0


class GatewayBus(Protocol):
    """The gateway's end."""

    @property
    def reach(self) -> Reach:
        """Whose workers can be reached now."""

    @property
    def counters(self) -> Counters:
        """What was counted since the start; live, to be read only."""

    async def start(self) -> None:
        """Begin to listen for workers."""

    def submit(self, job: Job) -> asyncio.Future[Outcome]:
        """Admit a job, or refuse at once.

        Cancelling the future tells the bus that the caller has left. The future fails with a `FieldmarkError`.

        Raises:
            Overloaded: the predicted wait, the queue's length or its bytes are over their limits, with `retry_after_s`.
            NotReady: no worker can complete the route, or the bus is draining.
            Poison: these photos brought workers down before, within the last `poison_memory_s`.
            DeadlineExceeded: the deadline has passed already.
        """

    @property
    def hellos(self) -> Sequence[Hello]:
        """What the connected workers announced; the same object until one of them comes or goes."""

    def workers(self) -> list[WorkerView]:
        """The connected workers, in the order in which they came."""

    def routes(self) -> list[RouteView]:
        """The routes that connected workers can complete."""

    @property
    def queued_bytes(self) -> int:
        """Photo bytes of the requests that wait in the queue."""

    @property
    def inflight(self) -> int:
        """Requests that workers hold and nobody has answered yet."""

    async def drain(self, timeout_s: float) -> None:
        """Refuse new jobs, wait until all accepted ones are answered or the time is over, and close."""


class WorkerBus(Protocol):
    """The worker's end; blocking, used from threads.

    One thread calls `receive`. Every delivery is answered exactly once, also a cancelled one (`client-closed`) and an
    expired one (`deadline`): the answer is what gives its credit back.
    """

    def hello(self, hello: Hello) -> None:
        """Announce the worker; must be the first message."""

    def receive(self) -> Delivery | int | None:
        """Block for the next thing: a delivery, the id of a cancelled request, or None: nothing more comes.

        None follows the gateway's DRAIN (also the one that confirms `leave`) and the loss of the gateway. What is held
        is then finished and answered, and the worker leaves.
        """

    def answer(self, result: Result, body: bytes = b"") -> None:
        """Send one result; safe from any thread. To a gateway that is gone it is dropped: its callers are gone too."""

    def heartbeat(self, heartbeat: Heartbeat) -> None:
        """Report figures; safe from any thread."""

    def leave(self) -> None:
        """Tell the gateway that no more requests are taken; safe from any thread, also while `receive` blocks.

        `receive` goes on giving what was on its way already, then None. What is held is still answered.
        """

    def close(self) -> None:
        """Hang up; a `receive` that blocks in another thread returns None."""
