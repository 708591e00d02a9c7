"""The thread layout of a CPU: lanes that each carry a request from decoding to its answer.

All lanes share one session with one thread a call, so nothing is oversubscribed and the pixels stay in one core's
cache. A lane takes several requests where the bundle's latency curve says that it pays; for convolutional nets on a
CPU it does not.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from service.engine.tasks.base import AnyPlan
from service.worker.backlog import Backlog, Decision, take_share
from service.worker.desk import Work
from service.worker.loop import Loop

#: Requests held beyond what is worked on: no lane waits for the gateway, and the queue stays there.
SPARE_CREDIT = 2


class Lanes:
    """So many threads, each with all steps of a request."""

    def __init__(self, loop: Loop, plans: Iterable[AnyPlan], lanes: int) -> None:
        self.lanes = lanes
        self.credit = lanes * max(plan.curve.paying_batch for plan in plans) + SPARE_CREDIT
        self._loop = loop
        self._inbox = Backlog()
        self._threads = [
            threading.Thread(target=loop.run, args=(self._take,), name=f"lane {index}", daemon=True)
            for index in range(lanes)
        ]

    def start(self) -> None:
        """Start the lanes."""
        for thread in self._threads:
            thread.start()

    def submit(self, work: Work) -> None:
        """Hand over a request that was received."""
        self._inbox.put(work)

    def close(self, timeout_s: float) -> None:
        """End the lanes when they have done what they hold, or leave them to the end of the process."""
        self._inbox.close()
        for thread in self._threads:
            thread.join(timeout_s)

    def _take(self) -> Sequence[Work] | None:
        batch = self._inbox.take(self._decide)
        return None if batch is None else [work for work in batch if self._loop.prepare(work)]

    def _decide(self, group: Sequence[Work]) -> Decision:
        return take_share(group, self.lanes)
