"""What the worker says of itself about once a second."""

from __future__ import annotations

import pytest

from service.status import StatusPipe
from service.worker.desk import Desk
from service.worker.pulse import Pulse, resident_bytes
from service.worker.watchdog import Watchdog
from tests.service.worker.fakes import Clock, FakePlan, MemoryBus, make_work

LIMIT = 1000


class Notes(StatusPipe):
    """A status pipe that remembers."""

    def __init__(self) -> None:
        super().__init__(None)
        self.said: list[str] = []

    def wedged(self, reason: str) -> None:
        self._write("wedged", reason)

    def _write(self, *words: str | int) -> None:
        self.said.append(" ".join(map(str, words)))


class Patient:
    """A pulse with everything around it in the test's hands."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.watchdog = Watchdog(30, self.clock)
        self.memory = 10
        status = Notes()
        self.said = status.said
        self.pulse = Pulse(status, self.watchdog, 2, LIMIT, clock=self.clock, memory=lambda: self.memory)
        self.bus = MemoryBus()


def test_a_beat_goes_to_the_supervisor_even_without_a_gateway() -> None:
    patient = Patient()
    patient.pulse.beat()
    assert patient.said == ["beat"]


def test_the_gateway_hears_memory_load_and_what_is_held() -> None:
    patient = Patient()
    patient.pulse.desk = Desk(patient.bus)
    make_work(FakePlan(), desk=patient.pulse.desk)
    patient.watchdog.begin("birds@1")
    patient.clock.sleep(1)
    patient.watchdog.end()
    patient.clock.sleep(1)
    patient.pulse.beat()
    (heartbeat,) = patient.bus.heartbeats
    assert (heartbeat.memory_bytes, heartbeat.held) == (10, 1)
    assert heartbeat.busy_ratio == pytest.approx(0.25)  # one of two lanes, half of the time


def test_the_busy_ratio_counts_from_the_last_beat() -> None:
    patient = Patient()
    patient.pulse.desk = Desk(patient.bus)
    patient.watchdog.begin("birds@1")
    patient.clock.sleep(1)
    patient.pulse.beat()
    patient.watchdog.end()
    patient.clock.sleep(1)
    patient.pulse.beat()
    assert [beat.busy_ratio for beat in patient.bus.heartbeats] == [pytest.approx(0.5), 0.0]


def test_a_wedge_is_told_to_the_supervisor() -> None:
    patient = Patient()
    patient.watchdog.begin("birds@1")
    patient.clock.sleep(31)
    patient.pulse.beat()
    assert patient.said == ["beat", "wedged birds@1 made no progress for 31.0 s, the limit is 30 s"]


def test_memory_above_the_bound_is_told_to_the_supervisor() -> None:
    patient = Patient()
    patient.memory = LIMIT
    patient.pulse.beat()
    patient.memory = LIMIT + 1
    patient.pulse.beat()
    assert patient.said == ["beat", "beat", "memory 1001"]


def test_resident_memory_is_that_of_a_python_process() -> None:
    assert 4 << 20 < resident_bytes() < 64 << 30


def test_a_gateway_that_goes_during_a_beat_ends_no_pulse() -> None:
    class Hasty(Pulse):
        """Its desk is gone when it is looked at a second time."""

        @property
        def desk(self) -> Desk | None:
            return self._desks.pop() if self._desks else None

        @desk.setter
        def desk(self, desk: Desk | None) -> None:
            self._desks = [desk] if desk else []

    patient, bus = Patient(), MemoryBus()
    pulse = Hasty(Notes(), patient.watchdog, 2, LIMIT, clock=patient.clock, memory=lambda: 10)
    pulse.desk = Desk(bus)
    pulse.beat()
    pulse.beat()
    assert len(bus.heartbeats) == 1
