"""What the dispatcher's tests put around it: a clock that stands still, links that only remember, jobs in one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from service.answers import Parameters
from service.bus.base import Job, Outcome
from service.bus.dispatch import Dispatcher
from service.bus.links import Worker
from service.bus.messages import Hello, Priority, Request, Result
from service.bus.queue import Ticket
from service.catalog import RouteInfo
from service.errors import FieldmarkError
from service.settings import Settings

BIRDS, CARS = "classify/birds", "classify/cars"
MODELS = {BIRDS: "birds@1.0.0", CARS: "cars@1.0.0"}


@dataclass
class Clock:
    """Seconds that pass only when a test says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class FakeLink:
    """A way to a worker that remembers what was sent."""

    delivered: list[Request] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    is_drained: bool = False

    def deliver(self, request: Request, images: Sequence[bytes]) -> None:
        assert request.sizes == [len(image) for image in images]
        self.delivered.append(request)

    def cancel(self, number: int) -> None:
        self.cancelled.append(number)

    def drain(self) -> None:
        self.is_drained = True

    @property
    def numbers(self) -> list[int]:
        return [request.id for request in self.delivered]


@dataclass
class Caller:
    """One submitted job and every answer that it got; there must never be two."""

    answers: list[Outcome | FieldmarkError] = field(default_factory=list)
    ticket: Ticket | None = None

    def __call__(self, answer: Outcome | FieldmarkError) -> None:
        self.answers.append(answer)

    @property
    def answer(self) -> Outcome | FieldmarkError | None:
        assert len(self.answers) <= 1, "a job was answered twice"
        return self.answers[0] if self.answers else None


def make_hello(
    worker: str = "0",
    *,
    pid: int = 1,
    lanes: int = 1,
    credit: int = 1,
    routes: Sequence[str] = (BIRDS, CARS),
    expected_ms: float = 10.0,
    started_because: str = "start",
) -> Hello:
    return Hello(
        worker=worker,
        pid=pid,
        device="cpu",
        lanes=lanes,
        credit=credit,
        routes=[RouteInfo(route, MODELS.get(route, route), expected_ms) for route in routes],
        catalog=b"{}",
        started_because=started_because,
    )


class Desk:
    """A dispatcher with a clock in hand, and short words for what callers and workers do."""

    def __init__(self, *, random: float = 0.0, **settings: object) -> None:
        self.clock = Clock()
        self.bus = Dispatcher(Settings(**settings), clock=self.clock, random=lambda: random)

    def submit(
        self,
        route: str = BIRDS,
        photo: bytes = b"photo",
        *,
        timeout_s: float = 10.0,
        priority: Priority = Priority.INTERACTIVE,
    ) -> Caller:
        job = Job(route, [photo], Parameters(), self.clock.now + timeout_s, priority)
        caller = Caller()
        caller.ticket = self.bus.submit(job, caller)
        return caller

    def join(self, **hello: object) -> tuple[Worker, FakeLink]:
        link = FakeLink()
        return self.bus.join(link, make_hello(**hello)), link

    def finish(self, worker: Worker, number: int, error: str | None = None) -> None:
        self.bus.finish(worker, Result(number, error=error), b"{}")

    def at(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.now += seconds
        self.bus.expire()
