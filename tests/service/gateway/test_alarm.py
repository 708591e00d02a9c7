"""What comes when, and how seldom the event loop's timers are touched for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from service.gateway.alarm import Alarm


class Loop:
    """A clock that stands still and timers that ring when told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.made = 0

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, ring: Callable[[], None]) -> Loop.Timer:
        self.made += 1
        self.timers.append((when, ring))
        return Loop.Timer(self, self.timers[-1])

    def pass_until(self, now: float) -> None:
        while due := sorted(timer for timer in self.timers if timer[0] <= now):
            self.timers.remove(due[0])
            self.now = due[0][0]
            due[0][1]()
        self.now = now

    class Timer:
        def __init__(self, loop: Loop, timer: tuple[float, Callable[[], None]]) -> None:
            self._loop, self._timer = loop, timer

        def cancel(self) -> None:
            if self._timer in self._loop.timers:
                self._loop.timers.remove(self._timer)


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def alarm(loop: Loop) -> Alarm:
    return Alarm(cast("asyncio.AbstractEventLoop", loop))


def rang(loop: Loop, events: list[str], until: float) -> list[str]:
    loop.pass_until(until)
    return events


def test_it_comes_once_at_its_time(loop: Loop, alarm: Alarm) -> None:
    events: list[str] = []
    alarm.set(5.0, lambda: events.append("now"))
    assert rang(loop, events, 104.9) == []
    assert alarm.is_set
    assert rang(loop, events, 105.0) == ["now"]
    assert not alarm.is_set
    assert rang(loop, events, 999.0) == ["now"]


def test_what_was_called_off_does_not_come(loop: Loop, alarm: Alarm) -> None:
    events: list[str] = []
    alarm.set(5.0, lambda: events.append("now"))
    alarm.clear()
    assert rang(loop, events, 999.0) == []


@pytest.mark.parametrize(("first_s", "second_s"), [(5.0, 9.0), (9.0, 5.0)])
def test_the_later_word_counts(loop: Loop, alarm: Alarm, first_s: float, second_s: float) -> None:
    events: list[str] = []
    alarm.set(first_s, lambda: events.append("first"))
    alarm.set(second_s, lambda: events.append("second"))
    assert rang(loop, events, 100.0 + second_s - 0.1) == []
    assert rang(loop, events, 100.0 + second_s) == ["second"]


def test_many_requests_share_a_timer(loop: Loop, alarm: Alarm) -> None:
    for request in range(1000):
        loop.pass_until(100.0 + request / 1000)
        alarm.set(30.0, list)
        alarm.clear()
        alarm.set(75.0, list)
    assert loop.made == 1


def test_a_closed_one_leaves_no_timer(loop: Loop, alarm: Alarm) -> None:
    alarm.set(5.0, list)
    alarm.close()
    assert (alarm.is_set, loop.timers) == (False, [])


def test_an_action_may_set_the_next(loop: Loop, alarm: Alarm) -> None:
    events: list[str] = []
    alarm.set(1.0, lambda: alarm.set(1.0, lambda: events.append("next")))
    assert rang(loop, events, 102.0) == ["next"]
