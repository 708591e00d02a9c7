"""Stand-ins for what surrounds the worker's parts: a clock, a bus in memory, a plan with a known latency curve."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence

from service.answers import ClassifyAnswer, ImageSize, ModelRef, Parameters, Prediction
from service.bus.base import Delivery
from service.bus.messages import Heartbeat, Hello, Request, Result
from service.engine.backends.base import EngineError
from service.engine.curve import LatencyCurve
from service.engine.tasks.base import Finished
from service.errors import NoKnownSubject, UnprocessableImage
from service.worker.desk import Desk, Work

WAIT_S = 30.0
FAR = 1e9


class Clock:
    """Monotonic seconds that pass when told to."""

    def __init__(self, now: float = 100.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class MemoryBus:
    """A worker's end of a bus without a gateway: `incoming` is fed by the test, `results` is read by it."""

    def __init__(self) -> None:
        self.incoming: queue.SimpleQueue[Delivery | int | None] = queue.SimpleQueue()
        self.results: queue.SimpleQueue[tuple[Result, bytes]] = queue.SimpleQueue()
        self.hellos: queue.SimpleQueue[Hello] = queue.SimpleQueue()
        self.heartbeats: list[Heartbeat] = []
        self.left = threading.Event()
        self.is_closed = False

    def hello(self, hello: Hello) -> None:
        self.hellos.put(hello)

    def receive(self) -> Delivery | int | None:
        return self.incoming.get(timeout=WAIT_S)

    def answer(self, result: Result, body: bytes = b"") -> None:
        self.results.put((result, body))

    def heartbeat(self, heartbeat: Heartbeat) -> None:
        self.heartbeats.append(heartbeat)

    def leave(self) -> None:
        self.left.set()

    def close(self) -> None:
        self.is_closed = True

    def next_result(self) -> Result:
        return self.results.get(timeout=WAIT_S)[0]


class FakePlan:
    """Answers `confidence` 1.0 to any photo; `bad` cannot be decoded, `sick` fails in the engine, `bug` raises,
    `nothing known` is refused at the end, `to be drawn` is answered with a picture.

    Each call of `infer` lets the clock pass by the curve's time and is recorded in `batches`.
    """

    batch_wait_ms = 0.0

    def __init__(
        self, curve_ms: dict[int, float] | None = None, clock: Clock | None = None, name: str = "fake"
    ) -> None:
        self.route = f"classify/{name}"
        self.model = f"{name}@1"
        self.curve = LatencyCurve(curve_ms or {1: 10.0}, 16)
        self.prepared = threading.Semaphore(0)
        self.batches: list[list[bytes]] = []
        self._truth = LatencyCurve(curve_ms or {1: 10.0}, 16)
        self._clock = clock

    def prepare(self, photos: Sequence[bytes | memoryview], parameters: Parameters) -> bytes:
        photo = bytes(photos[0])
        if photo == b"bad":
            raise UnprocessableImage("it is bad")
        if photo == b"bug in prepare":
            raise ZeroDivisionError
        self.prepared.release()
        return photo

    def infer(self, batch: Sequence[bytes]) -> list[bytes]:
        self.batches.append(list(batch))
        if self._clock:
            self._clock.sleep(self._truth.predict_ms(len(batch)) / 1000)
        if b"sick" in batch:
            raise EngineError("it is sick")
        if b"bug in infer" in batch:
            raise ZeroDivisionError
        return list(batch)

    def finish(self, prepared: bytes, inferred: bytes) -> Finished:
        if prepared == b"bug in finish":
            raise ZeroDivisionError
        assert prepared == inferred
        prediction = Prediction(prepared.decode(), "a label", 1.0)
        answer = ClassifyAnswer(ModelRef("fake", "1", "testing"), [prediction], ImageSize(1, 1))
        if prepared == b"nothing known":
            raise NoKnownSubject("it is nothing")
        return Finished(answer, self.model, 1.0, picture=b"a picture" if prepared == b"to be drawn" else None)


def delivery(number: int, photo: bytes = b"good", route: str = "classify/fake", deadline: float = FAR) -> Delivery:
    return Delivery(Request(number, route, deadline, [len(photo)], Parameters()), [memoryview(photo)])


def make_work(
    plan: FakePlan, number: int = 1, photo: bytes = b"good", *, desk: Desk | None = None, deadline: float = FAR
) -> Work:
    return (desk or Desk(MemoryBus())).accept(delivery(number, photo, plan.route, deadline), plan)


def results_of(desk: Desk) -> dict[int, Result]:
    """All results that were sent so far, by request."""
    bus = desk.bus
    assert isinstance(bus, MemoryBus)
    found = [bus.results.get_nowait()[0] for _ in range(bus.results.qsize())]
    assert len({result.id for result in found}) == len(found)
    return {result.id: result for result in found}
