"""The worker's dealings with gateways: connect, serve, wait for another one, leave."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

import pytest
from structlog.testing import capture_logs

from service.bus.messages import Hello
from service.errors import NotFound
from service.status import StatusPipe
from service.worker.desk import Work
from service.worker.pulse import Pulse
from service.worker.serving import Event, NoGateway, Serving
from service.worker.watchdog import Watchdog
from tests.service.worker.fakes import WAIT_S, Clock, FakePlan, MemoryBus, delivery

HELLO = Hello("0", 1, "cpu", 1, 3, [], b"{}", "crash")


class FakeEngine:
    def __init__(self) -> None:
        self._plan = FakePlan()

    def plan(self, route: str) -> FakePlan:
        if route != self._plan.route:
            raise NotFound("no such route")
        return self._plan


class FakeLayout:
    """Keeps what it is given until the test answers it."""

    lanes, credit = 1, 3

    def __init__(self) -> None:
        self.works: queue.SimpleQueue[Work] = queue.SimpleQueue()
        self.is_closed = False

    def start(self) -> None: ...

    def submit(self, work: Work) -> None:
        self.works.put(work)

    def close(self, timeout_s: float) -> None:
        self.is_closed = True

    def next_work(self) -> Work:
        return self.works.get(timeout=WAIT_S)


class Life:
    """A worker that serves on a thread, with the gateways that the test lets it find."""

    def __init__(self) -> None:
        self.gateways: queue.SimpleQueue[MemoryBus] = queue.SimpleQueue()
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.layout = FakeLayout()
        self.ready: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self.pulse = Pulse(StatusPipe(None), Watchdog(30), 1, 1 << 40)
        self.pulse.start()
        self.statuses: list[int] = []
        serving = Serving(self._connect, FakeEngine(), self.layout, self.pulse, self.events)  # type: ignore[arg-type]
        self._thread = threading.Thread(
            target=lambda: self.statuses.append(serving.run(HELLO, lambda: self.ready.put(True), WAIT_S, WAIT_S)),
            daemon=True,  # a failed test must not keep the run alive
        )
        self._thread.start()

    def _connect(self) -> MemoryBus:
        try:
            return self.gateways.get_nowait()
        except queue.Empty:
            raise ConnectionRefusedError from None

    def meet(self) -> tuple[MemoryBus, Hello]:
        bus = MemoryBus()
        self.gateways.put(bus)
        return bus, bus.hellos.get(timeout=WAIT_S)

    def end(self) -> int:
        self._thread.join(WAIT_S)
        (status,) = self.statuses
        return status

    def stop(self, bus: MemoryBus) -> int:
        """Ask it to leave, and give it the gateway's farewell."""
        self.events.put(Event.SIGNAL)
        assert bus.left.wait(WAIT_S)
        bus.incoming.put(None)
        return self.end()


@pytest.fixture
def life() -> Iterator[Life]:
    life = Life()
    yield life
    assert not life._thread.is_alive()


def test_it_is_ready_once_it_has_introduced_itself(life: Life) -> None:
    assert life.ready.empty()
    bus, hello = life.meet()
    assert life.ready.get(timeout=WAIT_S)
    assert hello == HELLO
    assert life.stop(bus) == 0


def test_a_request_reaches_the_layout_and_a_cancel_reaches_the_request(life: Life) -> None:
    bus, _ = life.meet()
    bus.incoming.put(delivery(5))
    work = life.layout.next_work()
    bus.incoming.put(5)
    bus.incoming.put(delivery(6))
    life.layout.next_work()
    assert work.is_cancelled
    for held in list(work.desk._held.values()):
        work.desk.fail(held, NotFound())
    assert life.stop(bus) == 0


def test_a_route_that_it_does_not_serve_is_answered(life: Life) -> None:
    bus, _ = life.meet()
    bus.incoming.put(delivery(5, route="classify/dogs"))
    result = bus.next_result()
    assert (result.id, result.error) == (5, "not-found")
    assert life.stop(bus) == 0


def test_it_leaves_only_when_all_that_it_holds_is_answered(life: Life) -> None:
    bus, _ = life.meet()
    bus.incoming.put(delivery(1))
    first = life.layout.next_work()
    life.events.put(Event.SIGNAL)
    assert bus.left.wait(WAIT_S)
    bus.incoming.put(delivery(2))  # it was on its way when the worker said that it leaves
    second = life.layout.next_work()
    waits, wait_idle = threading.Event(), second.desk.wait_idle
    second.desk.wait_idle = lambda timeout_s: (waits.set(), wait_idle(timeout_s))[1]  # type: ignore[method-assign]
    bus.incoming.put(None)
    assert waits.wait(WAIT_S)
    first.desk.fail(first, NotFound())
    assert not life.layout.is_closed
    second.desk.fail(second, NotFound())
    assert life.end() == 0
    assert (bus.is_closed, life.layout.is_closed) == (True, True)


def test_a_second_signal_ends_the_drain(life: Life) -> None:
    bus, _ = life.meet()
    bus.incoming.put(delivery(1))
    life.layout.next_work()
    life.events.put(Event.SIGNAL)
    assert bus.left.wait(WAIT_S)
    life.events.put(Event.SIGNAL)
    assert life.end() == 1
    bus.incoming.put(None)


def test_a_gateway_that_goes_is_waited_for_and_its_requests_stay_its_own(life: Life) -> None:
    old, _ = life.meet()
    old.incoming.put(delivery(1))
    left_over = life.layout.next_work()
    old.incoming.put(None)
    new, hello = life.meet()
    assert hello.started_because == "start"  # the crash was counted by the first gateway
    new.incoming.put(delivery(1))
    asked_anew = life.layout.next_work()
    left_over.desk.fail(left_over, NotFound("for the old one"))
    asked_anew.desk.fail(asked_anew, NotFound("for the new one"))
    assert new.next_result().detail == "for the new one"
    assert old.is_closed
    assert life.ready.get(timeout=WAIT_S)
    assert life.ready.empty()
    assert life.stop(new) == 0


def test_a_signal_ends_the_search_for_a_gateway(life: Life) -> None:
    life.events.put(Event.SIGNAL)
    assert life.end() == 0


def test_a_gateway_that_never_comes_is_a_failed_start() -> None:
    clock = Clock()

    def connect() -> MemoryBus:
        clock.sleep(6)
        raise FileNotFoundError(2, "No such file or directory")

    pulse = Pulse(StatusPipe(None), Watchdog(30), 1, 1 << 40)
    serving = Serving(connect, FakeEngine(), FakeLayout(), pulse, queue.SimpleQueue(), clock)  # type: ignore[arg-type]
    never: Callable[[], None] = lambda: pytest.fail("it was ready")  # noqa: E731
    with pytest.raises(NoGateway, match=r"No gateway could be reached: No such file or directory\."):
        serving.run(HELLO, never, start_timeout_s=10, drain_timeout_s=1)


class Attempts:
    """A way to gateways on which each attempt goes as the test says; after the last one a signal ends the search."""

    def __init__(self, *attempts: MemoryBus | str) -> None:
        self._attempts = iter(attempts)
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()

    def __call__(self) -> MemoryBus:
        attempt = next(self._attempts, "nothing more")
        if attempt == "nothing more":
            self.events.put(Event.SIGNAL)
        if isinstance(attempt, str):
            raise OSError(113, attempt)
        return attempt

    def told(self) -> list[tuple[str, str | None]]:
        """Serve until the end; what the log said of the way."""
        pulse = Pulse(StatusPipe(None), Watchdog(30), 1, 1 << 40)
        serving = Serving(self, FakeEngine(), FakeLayout(), pulse, self.events)  # type: ignore[arg-type]
        with capture_logs() as lines:
            assert serving.run(HELLO, lambda: None, start_timeout_s=WAIT_S, drain_timeout_s=1) == 0
        return [(line["event"], line.get("error")) for line in lines if line["event"].startswith("gateway_")]


def test_the_first_failure_to_reach_a_gateway_is_told_and_each_that_is_different() -> None:
    attempts = Attempts("no such host", "no such host", "no route", "no route", "no such host", "no such host")
    assert attempts.told() == [
        ("gateway_unreachable", "no such host"),
        ("gateway_unreachable", "no route"),
        ("gateway_unreachable", "no such host"),
        ("gateway_unreachable", "nothing more"),
    ]


def test_the_search_after_a_loss_is_told_and_its_success_too() -> None:
    first, second = MemoryBus(), MemoryBus()
    for bus in (first, second):
        bus.incoming.put(None)
    assert Attempts(first, "no route", "no route", second).told() == [
        ("gateway_gone", None),
        ("gateway_unreachable", "no route"),
        ("gateway_reached", None),
        ("gateway_gone", None),
        ("gateway_unreachable", "nothing more"),
    ]


def test_a_gateway_that_is_there_at_once_is_no_news() -> None:
    bus = MemoryBus()
    bus.incoming.put(None)
    assert Attempts(bus).told()[0] == ("gateway_gone", None)


def test_a_late_first_gateway_is_told_when_it_is_there() -> None:
    bus = MemoryBus()
    bus.incoming.put(None)
    assert Attempts("no such file", bus).told()[:2] == [
        ("gateway_unreachable", "no such file"),
        ("gateway_reached", None),
    ]
