"""The worker's pulse: about once a second it says that it lives, how busy it is, and what is wrong with it.

It beats on a thread of its own, so that it also stops where the interpreter itself is stuck; the supervisor then misses
it. Owns no decision: killing and replacing are the supervisor's.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from service.bus.messages import Heartbeat
from service.status import StatusPipe
from service.worker.desk import Desk
from service.worker.watchdog import Watchdog

INTERVAL_S = 1.0
_STATM = Path("/proc/self/statm")


def resident_bytes() -> int:
    """Resident memory of this process (proc(5), `statm`)."""
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Pulse:
    """Reports to the supervisor always, and to the gateway while `desk` is set."""

    def __init__(
        self,
        status: StatusPipe,
        watchdog: Watchdog,
        lanes: int,
        memory_limit_bytes: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        memory: Callable[[], int] = resident_bytes,
    ) -> None:
        self.desk: Desk | None = None
        self._status = status
        self._watchdog = watchdog
        self._lanes = lanes
        self._memory_limit_bytes = memory_limit_bytes
        self._clock = clock
        self._memory = memory
        self._last, self._last_busy_s = clock(), watchdog.busy_s()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()

    def beat(self) -> None:
        """Report once."""
        self._status.beat()
        if stall := self._watchdog.stalled():
            self._status.wedged(stall)
        used_bytes = self._memory()
        if used_bytes > self._memory_limit_bytes:
            self._status.memory(used_bytes)
        desk = self.desk  # the main thread takes it away when the gateway goes
        heartbeat = Heartbeat(used_bytes, self._busy_ratio(), desk.held if desk else 0)
        if desk:
            desk.bus.heartbeat(heartbeat)

    def _busy_ratio(self) -> float:
        now, busy_s = self._clock(), self._watchdog.busy_s()
        elapsed_s, worked_s = now - self._last, busy_s - self._last_busy_s
        self._last, self._last_busy_s = now, busy_s
        return min(1.0, worked_s / (elapsed_s * self._lanes)) if elapsed_s > 0 else 0.0

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL_S):
            self.beat()
