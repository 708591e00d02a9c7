"""One connected worker as the dispatcher sees it: what it announced, what it holds, what it may still take.

Owns the account of credit and the measure of what a request costs. The way to the worker is a `Link`, which each kind of
bus implements; nothing here touches a socket.

Cost is measured in worker-seconds: the time of the whole worker that a request took up. While a worker holds requests
its time is shared out among them by their expected cost, and while it holds fewer than it has lanes a part of it is
idle. So the sum over the requests is the time that the worker was busy, whether it runs lanes or batches, and
1 / cost is the rate that it sustains.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from service.bus.base import WorkerView
from service.bus.messages import Heartbeat, Hello, Request
from service.bus.queue import Ticket
from service.catalog import RouteInfo


class Link(Protocol):
    """The way to one worker; none of its methods blocks or fails, a broken way is told to the dispatcher later."""

    def deliver(self, request: Request, images: Sequence[bytes]) -> None:
        """Send one request."""

    def cancel(self, number: int) -> None:
        """Tell that nobody waits for this request any more."""

    def drain(self) -> None:
        """Tell that no more requests come."""


class Held(NamedTuple):
    """A request at a worker, with the worker's progress (per unit of expected cost) when it came."""

    ticket: Ticket
    weight: float
    progress: float


class Worker:
    """A connected worker and its account.

    `is_paused`: the way to it is full. `is_draining`: it takes no more. `is_alone`: it runs a suspect and gets nothing
    else until that is answered. `is_remote`: it is on another host and gets what the own workers cannot take.
    """

    def __init__(self, link: Link, hello: Hello, *, is_remote: bool = False) -> None:
        self.link = link
        self.hello = hello
        self.is_remote = is_remote
        self.heartbeat: Heartbeat | None = None
        self.credit = hello.credit
        self.routes: Mapping[str, RouteInfo] = {info.route: info for info in hello.routes}
        self.held: dict[int, Held] = {}
        self.is_paused = self.is_draining = self.is_alone = False
        self._weight = 0.0
        self._progress = 0.0
        self._measured = 0.0

    @property
    def has_room(self) -> bool:
        """Whether it may be given another request now."""
        return len(self.held) < self.credit and not (self.is_paused or self.is_draining or self.is_alone)

    @property
    def is_stopped(self) -> bool:
        """Whether it takes nothing now, even if it gives back all that it holds."""
        return self.is_paused or self.is_draining or not self.credit

    @property
    def load(self) -> float:
        """Requests held per lane; the lowest is served first."""
        return len(self.held) / self.hello.lanes

    def take(self, ticket: Ticket, now: float) -> None:
        """Book a request that is about to be delivered."""
        self._measure(now)
        weight = self.routes[ticket.job.route].expected_ms
        self._weight += weight
        self.held[ticket.number] = Held(ticket, weight, self._progress)

    def give_back(self, number: int, now: float) -> tuple[Ticket, float] | None:
        """Book a result: the ticket and its cost in worker-seconds, or None if no such request is held."""
        self._measure(now)
        held = self.held.pop(number, None)
        if held is None:
            return None
        self._weight = self._weight - held.weight if self.held else 0.0
        return held.ticket, held.weight * (self._progress - held.progress)

    def give_all_back(self) -> list[Ticket]:
        """Book the loss of the worker: what it held."""
        tickets = [held.ticket for held in self.held.values()]
        self.held.clear()
        return tickets

    def hand_over(self, number: int, other: Worker, now: float) -> None:
        """Book a request that another worker than this one took."""
        ticket = self.held[number].ticket
        self.give_back(number, now)
        other.take(ticket, now)

    def view(self) -> WorkerView:
        """What the gateway may know of it."""
        return WorkerView(self.hello, self.heartbeat, len(self.held), self.is_draining)

    def _measure(self, now: float) -> None:
        if self.held:
            busy = min(1.0, self.load)
            self._progress += (now - self._measured) * busy / self._weight
        self._measured = now


def fault_of(hello: Hello) -> str | None:
    """Why a HELLO cannot be accepted, or None."""
    for info in hello.routes:
        if not (math.isfinite(info.expected_ms) and info.expected_ms > 0):
            return f"route {info.route!r}: expected_ms is {info.expected_ms}, it must be above 0"
    return None
