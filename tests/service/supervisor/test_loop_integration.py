"""The loop with real processes: tiny programs that speak on their status pipe."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from service.settings import Settings
from service.status import StartReason
from service.supervisor.child import ChildProcess, Role, start_child
from service.supervisor.loop import Loop
from service.supervisor.supervision import Phase, Supervision

#: Serves until SIGTERM; the first word of the command line decides what it does besides.
CHILD = """
import os, signal, sys, threading
from service.status import StatusPipe, die_with_parent
fd = int(sys.argv[-1])
die_with_parent(fd)
status = StatusPipe(fd)
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
match sys.argv[1]:
    case "fail":
        status.failed("No bundle holds.")
        sys.exit(1)
    case "crash":
        status.ready("127.0.0.1", 80, 81)
        os.abort()
    case "wedge":
        status.ready("127.0.0.1", 80, 81)
        status.wedged("lane 0")
status.ready("127.0.0.1", 80, 81)
stop.wait()
"""


class Theatre:
    """A supervision over real processes: `roles` names what each start of a role does, the last one for ever."""

    on_ready: Callable[[], None] | None = None
    on_third: Callable[[], None] | None = None

    def __init__(self, **roles: list[str]) -> None:
        self.roles = roles
        self.started: list[tuple[Role, StartReason, ChildProcess]] = []
        self.loop = Loop()
        self.supervision = Supervision(Settings(), 1, self._start, time.monotonic, self._announce)

    def run(self) -> int:
        return self.loop.run(self.supervision)

    def _announce(self, host: str, port: int, internal_port: int) -> None:
        if self.on_ready:
            self.on_ready()

    def _start(self, role: Role, index: int, reason: StartReason) -> ChildProcess:
        acts = self.roles[role]
        act = acts.pop(0) if len(acts) > 1 else acts[0]
        child = start_child([sys.executable, "-c", CHILD, act], os.environ)
        self.started.append((role, reason, child))
        self.loop.watch(child)
        if len(self.started) == 3 and self.on_third:
            self.on_third()
        return child


def test_a_signal_drains_and_nothing_is_left() -> None:
    theatre = Theatre(gateway=["serve"], worker=["serve"])
    theatre.on_ready = lambda: os.kill(os.getpid(), signal.SIGTERM)
    before = _open_descriptors()
    assert theatre.run() == 0
    assert not any(_is_alive(child.pid) for _, _, child in theatre.started)
    assert _open_descriptors() <= before


def test_a_killed_worker_is_started_again() -> None:
    theatre = Theatre(gateway=["serve"], worker=["serve"])
    theatre.on_ready = lambda: os.kill(theatre.started[1][2].pid, signal.SIGKILL)
    theatre.on_third = lambda: os.kill(os.getpid(), signal.SIGTERM)
    assert theatre.run() == 0
    assert [(role, reason) for role, reason, _ in theatre.started[2:]] == [("worker", "crash")]


def test_a_wedged_worker_is_killed_and_started_again() -> None:
    theatre = Theatre(gateway=["serve"], worker=["wedge", "serve"])
    theatre.on_third = lambda: os.kill(os.getpid(), signal.SIGTERM)
    assert theatre.run() == 0
    assert [(role, reason) for role, reason, _ in theatre.started[2:]] == [("worker", "wedge")]


def test_a_worker_that_cannot_start_ends_the_service_with_its_sentence() -> None:
    theatre = Theatre(gateway=["serve"], worker=["fail"])
    assert theatre.run() == 1
    assert theatre.supervision.failure == "No bundle holds."
    assert not any(_is_alive(child.pid) for _, _, child in theatre.started)


def test_the_handlers_of_signals_are_as_before() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    test_a_signal_drains_and_nothing_is_left()
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)] == before


def test_a_signal_that_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def hang_up_then_end() -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        assert theatre.supervision.phase is Phase.RUNNING
        os.kill(os.getpid(), signal.SIGTERM)

    theatre = Theatre(gateway=["serve"], worker=["serve"])
    theatre.on_ready = hang_up_then_end
    try:
        assert theatre.run() == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def _open_descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def _is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
