"""Requests that wait for a step, and which of them are taken together.

One route at a time: that of the oldest request, in the order of arrival. How many of them make a batch is decided by a
function that is passed in; `decide_batch` is the pipeline's.
"""

from __future__ import annotations

import bisect
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from service.worker.desk import Work


class Decision(NamedTuple):
    """Take so many now, or wait so long for more."""

    size: int
    wait_s: float = 0.0


#: Called with all waiting requests of one route, the oldest first; never with none.
Decide = Callable[[Sequence[Work]], Decision]


class Backlog:
    """A queue between threads. It needs no bound of its own: a worker holds no more than its credit.

    Of the takers that wait, the one that began to wait last is woken first (a condition of `threading` wakes the first):
    at low load one lane then does most of the work, on a core whose caches still hold the weights.
    """

    def __init__(self) -> None:
        self._waiting: list[Work] = []
        self._lock = threading.Lock()
        self._sleepers: list[threading.Lock] = []
        self._is_closed = False

    def put(self, work: Work) -> None:
        """Add a request at its place in the order of arrival."""
        with self._lock:
            bisect.insort(self._waiting, work, key=_arrival)
            self._wake_one()

    def take(self, decide: Decide) -> list[Work] | None:
        """Block for a batch of the route whose request is the oldest; None once it is closed and empty."""
        with self._lock:
            while True:
                if not self._waiting:
                    if self._is_closed:
                        return None
                    self._sleep()
                    continue
                route = self._waiting[0].request.route
                group = [work for work in self._waiting if work.request.route == route]
                decision = decide(group)
                if decision.size or self._is_closed:
                    return self._remove(group[: decision.size or len(group)])
                self._sleep(decision.wait_s)

    def close(self) -> None:
        """Let what waits be taken, and then end the takers."""
        with self._lock:
            self._is_closed = True
            while self._sleepers:
                self._wake_one()

    def _remove(self, batch: list[Work]) -> list[Work]:
        if len(batch) == 1:
            self._waiting.remove(batch[0])
        else:
            taken = set(map(id, batch))
            self._waiting = [work for work in self._waiting if id(work) not in taken]
        if self._waiting:
            self._wake_one()  # another taker may go on with another route
        return batch

    def _sleep(self, timeout_s: float = -1) -> None:
        """Give the lock away until this taker is woken or the time is over; whoever wakes early looks again."""
        bed = threading.Lock()
        bed.acquire()
        self._sleepers.append(bed)
        self._lock.release()
        try:
            bed.acquire(timeout=timeout_s)
        finally:
            self._lock.acquire()
            if bed in self._sleepers:
                self._sleepers.remove(bed)

    def _wake_one(self) -> None:
        if self._sleepers:
            self._sleepers.pop().release()


def _arrival(work: Work) -> int:
    return work.number


def take_one(_group: Sequence[Work]) -> Decision:
    """Take the oldest alone."""
    return Decision(1)


def take_share(group: Sequence[Work], takers: int) -> Decision:
    """Take as many as pay, but leave the other takers their share of what is there."""
    share = -(-len(group) // takers)
    return Decision(min(share, group[0].plan.curve.paying_batch))


def decide_batch(group: Sequence[Work], now: float) -> Decision:
    """All that is ready, up to the size that pays and that still meets the first deadline.

    Where the bundle asks for it (`batch_wait_ms`, usually 0) a batch below that size waits so long for more, but not
    past the point at which the deadline could be missed.
    """
    plan = group[0].plan
    paying = plan.curve.paying_batch
    size = min(len(group), paying)
    deadline = min(work.request.deadline for work in group[:size])
    while size > 1 and now + plan.curve.predict_ms(size) / 1000 > deadline:
        size -= 1
    if plan.batch_wait_ms and size == len(group) < paying:
        spare_s = deadline - now - plan.curve.predict_ms(paying) / 1000
        wait_s = min(group[0].ready_at + plan.batch_wait_ms / 1000 - now, spare_s)
        if wait_s > 0:
            return Decision(0, wait_s)
    return Decision(size)
