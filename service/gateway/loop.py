"""The gateway's event loop: asyncio's own, over a selector that looks at the sockets once for all the steps that follow.

A request takes its way in steps: its bytes come, its task begins, its body is whole, its answer comes back, its task
goes on. Between any two of them asyncio asks its selector for news that it would not wait for. With few requests at a
time, which is how an inference service runs, there are none, and more than half of a request's looks found nothing. Here
they are left out, `SKIPS_LIMIT` in a row at most, so that no chain of steps keeps sockets waiting. Timers and calls from
other threads need no look; asyncio sees to them between any two steps, as ever.
"""

from __future__ import annotations

import asyncio
import selectors

#: Looks that are left out before one is due; two or three steps belong to a request.
SKIPS_LIMIT = 4


class StepSelector(selectors.DefaultSelector):
    """Looks when the loop would wait, and now and then while it is busy."""

    def __init__(self) -> None:
        super().__init__()
        self._skipped = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; without a look nothing, which a selector that may not wait is free to say."""
        if timeout is not None and timeout <= 0 and self._skipped < SKIPS_LIMIT:
            self._skipped += 1
            return []
        self._skipped = 0
        return super().select(timeout)


def new_loop() -> asyncio.AbstractEventLoop:
    """Make a loop over such a selector, for `asyncio.Runner`."""
    return asyncio.SelectorEventLoop(StepSelector())
