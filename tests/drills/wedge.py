"""An inference that never ends: its worker is killed and replaced, everyone else is answered, the photo is not retried for ever."""

from __future__ import annotations

from pathlib import Path

from models.sections import Fake
from tests.bundles import make_bundle, solid_photo
from tests.drills.service_process import require, service
from tests.drills.traffic import Ask, Crowd, send

CLIENTS = 6
DARK, BRIGHT, TRIGGER = (40, 40, 40), (250, 250, 250), 200.0
STALL_S = 1.0


async def drill(folder: Path, seconds: float) -> list[str]:
    """Send one photo that blocks its lane while good ones are asked; the length of the drill is that of its events."""
    make_bundle(folder, backend="wedge", fake=Fake(trigger_above=TRIGGER))
    with service(folder, "--workers", "3", stall_timeout_s=STALL_S, timeout_ms=30_000) as running:
        crowd = Crowd(running.port, CLIENTS, lambda: Ask("good", solid_photo(DARK)), rest_s=0.005)
        async with crowd.asking():
            await crowd.more(20)
            wedged = await send(running.port, Ask("wedge", solid_photo(BRIGHT)))
            await crowd.more(20)
        require(wedged.status in (500, 504), f"the blocking photo was answered {wedged.status} {wedged.fault}")
        statuses, faults = crowd.tally.statuses(), crowd.tally.faults()
        require(not faults, f"{len(faults)} good photos were not answered properly: {faults[:3]}")
        require(set(statuses) == {200}, f"good photos should all be answered 200, they were {dict(statuses)}")
        running.wait_for("child_wedged")
        return [f"{statuses[200]} good photos answered while the wedged one got {wedged.status}"]
