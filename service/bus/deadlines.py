"""Which accepted job runs out of time next.

A heap of (deadline, number) whose entries are dropped lazily: a number that is no longer open is skipped, and when such
entries outnumber the open ones the heap is rebuilt, so it is bounded by the open jobs whatever the clients do. No timer
lives here: the bus arms one for `earliest`.
"""

from __future__ import annotations

import heapq
from collections.abc import Container, Iterator, Sized
from typing import Protocol

REBUILD_FROM = 64  # entries; below that a rebuild saves nothing


class OpenNumbers(Sized, Container[int], Protocol):
    """The numbers of the jobs that still wait for their answer."""


class Deadlines:
    """The deadlines of open jobs; `open_numbers` is the owner's live collection."""

    def __init__(self, open_numbers: OpenNumbers) -> None:
        self._open = open_numbers
        self._heap: list[tuple[float, int]] = []

    def __len__(self) -> int:
        """Entries held, live and stale."""
        return len(self._heap)

    def add(self, number: int, deadline: float) -> None:
        """Watch one job."""
        if len(self._heap) >= max(REBUILD_FROM, 2 * len(self._open)):
            self._heap = [entry for entry in self._heap if entry[1] in self._open]
            heapq.heapify(self._heap)
        heapq.heappush(self._heap, (deadline, number))

    def earliest(self) -> float | None:
        """The next deadline of an open job, in seconds of the bus's clock."""
        self._drop_stale()
        return self._heap[0][0] if self._heap else None

    def due(self, now: float) -> Iterator[int]:
        """Take out the open jobs whose deadline has come, earliest first."""
        while self._heap and self._heap[0][0] <= now:
            number = heapq.heappop(self._heap)[1]
            if number in self._open:
                yield number

    def _drop_stale(self) -> None:
        while self._heap and self._heap[0][1] not in self._open:
            heapq.heappop(self._heap)
