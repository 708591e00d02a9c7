"""One photo that brings its worker down, among good ones: it alone is answered 500 `poison`, all others 200.

Three workers: the photo takes one down in company and one more when it is tried alone.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from models.sections import Fake
from tests.bundles import make_bundle, solid_photo
from tests.drills.service_process import require, service
from tests.drills.traffic import Ask, Crowd, send

CLIENTS = 8
DARK, BRIGHT, TRIGGER = (40, 40, 40), (250, 250, 250), 200.0
CRASHES = 2


async def drill(folder: Path, seconds: float) -> list[str]:
    """Send the bad photo twice while good ones are asked; the length of the drill is that of its events."""
    make_bundle(folder, backend="crash", fake=Fake(trigger_above=TRIGGER))
    poison = Ask("poison", solid_photo(BRIGHT))
    with service(folder, "--workers", "3") as running:
        crowd = Crowd(running.port, CLIENTS, lambda: Ask("good", solid_photo(DARK)), rest_s=0.005)
        async with crowd.asking():
            await crowd.more(20)
            mark = running.mark()
            first = await send(running.port, poison)
            for _ in range(CRASHES):
                mark = (await asyncio.to_thread(running.wait_for, "child_ready", since=mark))["mark"]
            second = await send(running.port, poison)
            await crowd.more(20)
        for outcome in (first, second):
            require(outcome.status == 500, f"the poison was answered {outcome.status} {outcome.fault} {outcome.body!r}")
            slug = json.loads(outcome.body)["type"]
            require(str(slug).endswith("poison"), f"the problem's type is {slug}")
        statuses, faults = crowd.tally.statuses(), crowd.tally.faults()
        require(not faults, f"{len(faults)} good photos were not answered properly: {faults[:3]}")
        require(set(statuses) == {200}, f"good photos should all be answered 200, they were {dict(statuses)}")
        crashes = running.metric("fieldmark_worker_restarts_total", reason="crash")
        require(crashes == CRASHES, f"{crashes:.0f} workers crashed, {CRASHES} were expected")
        known = running.metric("fieldmark_refused_total", reason="poison")
        require(known == 1, "the poison was not known when it came again")
        return [f"{statuses[200]} good photos answered, the poison took {crashes:.0f} workers and was then known"]
