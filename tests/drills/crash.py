"""kill -9 a worker under load: every request is answered, none twice, and nobody notices but the metrics.

Two workers, so that one always serves; they are killed in turn as soon as both are ready again.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

from models.sections import Fake
from tests.bundles import make_bundle, solid_photo
from tests.drills.service_process import require, service
from tests.drills.traffic import Ask, Crowd

CLIENTS = 12
ANSWERS_BETWEEN = 25


async def drill(folder: Path, seconds: float) -> list[str]:
    """Kill workers for `seconds`, at least twice."""
    make_bundle(folder, backend="slow", fake=Fake(base_ms=15))
    with service(folder, "--workers", "2") as running:
        crowd = Crowd(running.port, CLIENTS, lambda: Ask("good", solid_photo()))
        kills, until = 0, time.monotonic() + seconds
        async with crowd.asking():
            while kills < 2 or time.monotonic() < until:
                await crowd.more(ANSWERS_BETWEEN)
                mark, victim = running.mark(), running.worker_pids()[kills % 2]
                os.kill(victim, signal.SIGKILL)
                await asyncio.to_thread(running.wait_for, "child_ended", since=mark, pid=victim)
                await asyncio.to_thread(running.wait_for, "child_ready", since=mark)
                kills += 1
        statuses, faults = crowd.tally.statuses(), crowd.tally.faults()
        require(not faults, f"{len(faults)} requests were not answered properly: {faults[:3]}")
        require(set(statuses) == {200}, f"all answers should be 200, they were {dict(statuses)}")
        counted = running.metric("fieldmark_requests_total", task="classify", status="200")
        require(counted == statuses[200], f"{statuses[200]} answers came, the service counts {counted:.0f}")
        retried = running.metric("fieldmark_retries_total")
        require(retried > 0, "no request was sent again, so no kill hit one and the drill showed nothing")
        return [f"{kills} workers killed, {statuses[200]} requests answered once each, {retried:.0f} sent again"]
