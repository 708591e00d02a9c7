"""SIGTERM under load: what was accepted is answered, then the service is gone with exit status 0; no client sees a failure."""

from __future__ import annotations

import asyncio
from pathlib import Path

from models.sections import Fake
from tests.bundles import make_bundle, solid_photo
from tests.drills.service_process import require, service
from tests.drills.traffic import Ask, Crowd

CLIENTS = 12


async def drill(folder: Path, seconds: float) -> list[str]:
    """Drain a service in the middle of its work; the length of the drill is that of its events."""
    make_bundle(folder, backend="slow", fake=Fake(base_ms=30))
    with service(folder) as running:
        crowd = Crowd(running.port, CLIENTS, lambda: Ask("good", solid_photo()))
        async with crowd.asking():
            await crowd.more(30)
            ending = asyncio.create_task(asyncio.to_thread(running.end))
            await crowd.turned_away()
        status = await ending
        statuses, faults = crowd.tally.statuses(), crowd.tally.faults()
        require(not faults, f"{len(faults)} requests were cut off: {faults[:3]}")
        answered = statuses.pop(200)
        statuses.pop(None)  # found the door closed
        require(not statuses, f"besides 200 there were {dict(statuses)}")
        require(status == 0, f"the service ended with {status}")
        return [f"{answered} requests answered, then an ordered end"]
