"""Clients hang up: queued work is dropped, sent work is cancelled, nothing is left behind, and others are served."""

from __future__ import annotations

import asyncio
from pathlib import Path

from models.sections import Fake
from tests.bundles import make_bundle, solid_photo
from tests.drills.service_process import RunningService, require, service, wait_until
from tests.drills.traffic import Ask, send

AFTER_ALL, IN_THE_MIDDLE = 8, 4
SLOW_MS = 400


async def drill(folder: Path, seconds: float) -> list[str]:
    """Let clients leave before their answer and in the middle of their upload; its length is that of its events."""
    make_bundle(folder, backend="slow", fake=Fake(base_ms=SLOW_MS), batch_curve_ms={1: SLOW_MS})
    photo = solid_photo()
    with service(folder, "--lanes", "1", max_queue_wait_ms=60_000) as running:
        leaving = [Ask("leaves", photo, leaves_after=1.0)] * AFTER_ALL
        leaving += [Ask("leaves in the middle", photo, leaves_after=0.5)] * IN_THE_MIDDLE
        await asyncio.gather(*(send(running.port, ask) for ask in leaving))
        await asyncio.to_thread(_all_are_noticed, running)
        left = await send(running.port, Ask("stays", photo))
        require(left.status == 200, f"the client that stayed was answered {left.status} {left.fault}")
        answered = running.metric("fieldmark_requests_total", task="classify", status="200")
        require(answered == 1, f"{answered:.0f} requests count as answered, one client was there")
        return [f"{AFTER_ALL} clients left and were dropped, the one that stayed was answered"]


def _all_are_noticed(running: RunningService) -> None:
    wait_until(lambda: running.metric("fieldmark_cancelled_total") == AFTER_ALL, f"{AFTER_ALL} requests are cancelled")
    wait_until(lambda: running.metric("fieldmark_inflight") == 0, "no request is in flight")
    wait_until(lambda: running.metric("fieldmark_queue_depth") == 0, "the queue is empty")
