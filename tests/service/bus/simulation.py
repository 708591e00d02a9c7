"""Days of load in milliseconds: arrivals, a worker with lanes and returning clients on a simulated clock.

Used to show what admission promises: how much of the capacity overload leaves, and that clients who come back once after
`Retry-After` get in. Everything random comes from one seed.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from service.answers import Parameters
from service.bus.base import Job, Outcome
from service.bus.dispatch import Dispatcher
from service.bus.messages import Request, Result
from service.errors import FieldmarkError, Overloaded
from service.settings import Settings
from tests.service.bus.fakes import BIRDS, Clock, FakeLink, make_hello

LANES = 2


@dataclass
class Client:
    """One client: when it came, whether it came back after a refusal, and what became of it."""

    came: float
    deadline: float
    came_back: bool = False
    is_refused: bool = False
    answered: float | None = None
    error: FieldmarkError | None = None

    @property
    def is_served(self) -> bool:
        return self.answered is not None and self.error is None


class Simulation:
    """One worker with two lanes and clients that arrive at random; `service_s` is one request's time in a lane."""

    def __init__(
        self, *, seed: int, service_s: float = 0.01, expected_ms: float = 10.0, timeout_s: float = 10.0
    ) -> None:
        self.random = random.Random(seed)
        self.clock = Clock()
        self.bus = Dispatcher(Settings(), clock=self.clock, random=self.random.random)
        self.clients: list[Client] = []
        self.does_return = False
        self._service_s = service_s
        self._timeout_s = timeout_s
        self._order = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._waiting: list[Request] = []
        self._busy = 0
        self._link = FakeLink()
        self._link.deliver = self._deliver
        self._worker = self.bus.join(
            self._link, make_hello(lanes=LANES, credit=LANES + 2, routes=[BIRDS], expected_ms=expected_ms)
        )

    @property
    def capacity_per_s(self) -> float:
        return LANES / self._service_s

    def load(self, share: float, seconds: float) -> None:
        """Let clients arrive at `share` of the capacity (Poisson) from the end of what was planned, for `seconds`."""
        at = self._planned = getattr(self, "_planned", self.clock.now)
        while (at := at + self.random.expovariate(share * self.capacity_per_s)) < self._planned + seconds:
            self._after(at, self._arrive)
        self._planned += seconds

    def run(self) -> None:
        """Play everything that was planned to its end."""
        while self._events:
            self.clock.now, _, event = heapq.heappop(self._events)
            self.bus.expire()
            event()

    def _after(self, at: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (at, next(self._order), event))

    def _arrive(self) -> None:
        client = Client(self.clock.now, self.clock.now + self._timeout_s)
        self.clients.append(client)
        self._submit(client)

    def _submit(self, client: Client) -> None:
        def settle(answer: Outcome | FieldmarkError) -> None:
            client.answered = self.clock.now
            client.error = answer if isinstance(answer, FieldmarkError) else None

        client.deadline = self.clock.now + self._timeout_s
        try:
            self.bus.submit(Job(BIRDS, [b"photo"], Parameters(), client.deadline), settle)
        except Overloaded as refusal:
            client.is_refused = True
            if self.does_return and not client.came_back:
                client.came_back = True
                self._after(self.clock.now + refusal.retry_after_s, partial(self._submit, client))

    def _deliver(self, request: Request, images: object) -> None:
        self._waiting.append(request)
        self._start()

    def _start(self) -> None:
        while self._waiting and self._busy < LANES:
            request = self._waiting.pop(0)
            self._busy += 1
            took = self._service_s * self.random.uniform(0.7, 1.3)
            self._after(self.clock.now + took, partial(self._finish, request))

    def _finish(self, request: Request) -> None:
        self._busy -= 1
        self._start()
        self.bus.finish(self._worker, Result(request.id), b"{}")
