"""The thread layout of a GPU: a pool that decodes and one thread that infers, the next batch decoding meanwhile.

No timer forms a batch: it is what became ready while the device was busy, so an idle service answers at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence

from service.engine.tasks.base import AnyPlan
from service.worker.backlog import Backlog, Decision, decide_batch, take_one
from service.worker.desk import Work
from service.worker.lanes import SPARE_CREDIT
from service.worker.loop import Loop


class Pipeline:
    """A decode pool of so many threads in front of one device."""

    def __init__(
        self, loop: Loop, plans: Iterable[AnyPlan], decoders: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.lanes = max(plan.curve.paying_batch for plan in plans)
        self.credit = 2 * self.lanes + SPARE_CREDIT  # one batch in the device, the next decoded or decoding
        self._loop = loop
        self._clock = clock
        self._inbox, self._ready = Backlog(), Backlog()
        self._decoders = [
            threading.Thread(target=self._decode, name=f"decode {index}", daemon=True) for index in range(decoders)
        ]
        self._device = threading.Thread(target=loop.run, args=(self._take,), name="device", daemon=True)

    def start(self) -> None:
        """Start the pool and the device's thread."""
        for thread in [*self._decoders, self._device]:
            thread.start()

    def submit(self, work: Work) -> None:
        """Hand over a request that was received."""
        self._inbox.put(work)

    def close(self, timeout_s: float) -> None:
        """End the threads in the order of a request's way, each with what it holds done."""
        self._inbox.close()
        for thread in self._decoders:
            thread.join(timeout_s)
        self._ready.close()
        self._device.join(timeout_s)

    def _decode(self) -> None:
        while batch := self._inbox.take(take_one):
            for work in batch:
                if self._loop.prepare(work):
                    self._ready.put(work)

    def _take(self) -> Sequence[Work] | None:
        return self._ready.take(self._decide)

    def _decide(self, group: Sequence[Work]) -> Decision:
        return decide_batch(group, self._clock())
