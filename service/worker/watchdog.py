"""Whether inference makes progress, and how busy it is.

Each thread says when it begins a run of a graph and when it ended. A run that does not end within the stall time-out
means that the worker is wedged: nothing inside the process can stop native code, so the supervisor kills it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple


class _Run(NamedTuple):
    model: str
    since: float


class Watchdog:
    """Watches the runs of all threads. `clock` gives monotonic seconds."""

    def __init__(self, stall_timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._stall_timeout_s = stall_timeout_s
        self._clock = clock
        self._lock = threading.Lock()
        self._runs: dict[int, _Run] = {}
        self._ended_s = 0.0

    def begin(self, model: str) -> None:
        """A run begins on this thread."""
        self._runs[threading.get_ident()] = _Run(model, self._clock())

    def end(self) -> None:
        """The run of this thread ended."""
        run = self._runs.pop(threading.get_ident())
        with self._lock:
            self._ended_s += self._clock() - run.since

    def stalled(self) -> str | None:
        """Say what makes no progress, or None."""
        now = self._clock()
        for run in list(self._runs.values()):
            if now - run.since > self._stall_timeout_s:
                return f"{run.model} made no progress for {now - run.since:.1f} s, the limit is {self._stall_timeout_s:g} s"
        return None

    def busy_s(self) -> float:
        """Seconds of inference since the start, summed over the threads; the running ones count up to now."""
        with self._lock:
            now = self._clock()
            return self._ended_s + sum(now - run.since for run in list(self._runs.values()))
