"""What a thread layout is, and which one a device gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from service.engine.tasks.base import AnyPlan
from service.machine import usable_cores
from service.settings import Settings
from service.worker.desk import Work
from service.worker.lanes import Lanes
from service.worker.loop import Loop
from service.worker.pipeline import Pipeline


class Layout(Protocol):
    """Threads that bring requests to their answer.

    `lanes` is how many requests it works on at once, `credit` how many it may hold.
    """

    lanes: int
    credit: int

    def start(self) -> None:
        """Start the threads."""

    def submit(self, work: Work) -> None:
        """Hand over a request that was received."""

    def close(self, timeout_s: float) -> None:
        """End the threads when they have done what they hold; each gets so long."""


def choose_layout(settings: Settings, loop: Loop, plans: Sequence[AnyPlan]) -> Layout:
    """Lanes on a CPU, a pipeline in front of a GPU; as many threads that decode as there are usable cores."""
    threads = settings.lanes or usable_cores()
    return Lanes(loop, plans, threads) if settings.device == "cpu" else Pipeline(loop, plans, threads)
