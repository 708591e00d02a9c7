"""Progress and busy time of inference."""

from __future__ import annotations

import threading

import pytest

from service.worker.watchdog import Watchdog
from tests.service.worker.fakes import WAIT_S, Clock


def test_a_run_is_stalled_after_the_limit_and_not_before() -> None:
    clock = Clock()
    watchdog = Watchdog(30, clock)
    watchdog.begin("birds@1")
    clock.sleep(30)
    assert watchdog.stalled() is None
    clock.sleep(0.5)
    assert watchdog.stalled() == "birds@1 made no progress for 30.5 s, the limit is 30 s"
    watchdog.end()
    assert watchdog.stalled() is None


def test_busy_time_sums_over_threads_and_counts_what_still_runs() -> None:
    clock = Clock()
    watchdog = Watchdog(30, clock)
    begun, may_end = threading.Event(), threading.Event()

    def other() -> None:
        watchdog.begin("cars@1")
        begun.set()
        may_end.wait(WAIT_S)
        watchdog.end()

    thread = threading.Thread(target=other, daemon=True)
    thread.start()
    assert begun.wait(WAIT_S)
    watchdog.begin("birds@1")
    clock.sleep(2)
    watchdog.end()
    clock.sleep(1)
    assert watchdog.busy_s() == pytest.approx(5)
    may_end.set()
    thread.join(WAIT_S)
    assert watchdog.busy_s() == pytest.approx(5)
