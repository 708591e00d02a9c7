from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from service.settings import Settings
from service.status import Message, StartReason
from service.supervisor.child import Role
from service.supervisor.supervision import Supervision


@dataclass(eq=False)
class FakeChild:
    """A child without a process: remembers what it was started for and which signals it got."""

    pid: int
    role: Role
    index: int
    reason: StartReason
    signals: list[int] = field(default_factory=list)

    def send_signal(self, number: int) -> None:
        self.signals.append(number)


class Stage:
    """A supervision on a clock that stands still until the test moves it, with every child it started in order."""

    def __init__(self, workers: int, fault: OSError | None = None, **settings: Any) -> None:
        self.now = 1000.0
        self.children: list[FakeChild] = []
        self.announced: list[tuple[str, int, int]] = []
        self.fault = fault  # what a start ends with
        self.supervision = Supervision(
            Settings(**settings),
            workers,
            self._start,
            lambda: self.now,
            lambda *address: self.announced.append(address),
        )
        self.supervision.begin()

    def _start(self, role: Role, index: int, reason: StartReason) -> FakeChild:
        if self.fault is not None:
            raise self.fault
        child = FakeChild(len(self.children) + 1, role, index, reason)
        self.children.append(child)
        return child

    @property
    def gateway(self) -> FakeChild:
        """The youngest gateway."""
        return [child for child in self.children if child.role == "gateway"][-1]

    def worker(self, index: int = 0) -> FakeChild:
        """The youngest worker of this number."""
        return [child for child in self.children if (child.role, child.index) == ("worker", index)][-1]

    def say(self, child: FakeChild, word: str, text: str = "") -> None:
        self.supervision.on_message(child, Message(word, text))

    def ready(self, child: FakeChild) -> None:
        self.say(child, "ready", "127.0.0.1 8000 8001" if child.role == "gateway" else "")

    def all_ready(self) -> None:
        for child in self.children:
            self.ready(child)

    def end(self, child: FakeChild, status: int = 1) -> None:
        self.supervision.on_exit(child, status)

    def wait(self, seconds: float) -> None:
        """Let time pass, due by due, as the loop would."""
        until = self.now + seconds
        while True:
            due = self.supervision.seconds_to_due()
            if due is None or self.now + due > until:
                break
            self.now += due
            self.supervision.on_time()
        self.now = until

    def live(self, seconds: float) -> None:
        """Let time pass while every child says that it is alive."""
        for _ in range(int(seconds)):
            for slot in (self.supervision.gateway, *self.supervision.workers):
                for watch in list(slot.watches()):
                    self.say(watch.child, "beat")
            self.wait(1)


@pytest.fixture
def stage() -> Callable[..., Stage]:
    def build(workers: int = 1, **options: Any) -> Stage:
        return Stage(workers, **options)

    return build
