"""The requests that a worker holds for one connection, and the promise that each gets exactly one result.

A desk belongs to its connection: a gateway that was started anew numbers its requests anew, so a result must never
reach another gateway than the one that asked. Owns results and their order of nothing: any thread may answer.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from service.bus.base import Delivery, WorkerBus
from service.bus.messages import Request, Result
from service.engine.tasks.base import AnyPlan
from service.errors import FieldmarkError


class Work(msgspec.Struct, eq=False):
    """One request on its way through the worker; `prepared` is what its plan made of the photos.

    `ready_at` is when it could be inferred, in seconds of the monotonic clock; `span` is what a watcher made of it.
    """

    request: Request
    images: Sequence[memoryview]
    plan: AnyPlan
    desk: Desk
    number: int
    prepared: Any = None
    decode_ms: float = 0.0
    ready_at: float = 0.0
    is_cancelled: bool = False
    span: Any = None


class Watcher(Protocol):
    """Is told of each request that a desk holds; any thread may tell of its end."""

    def begin(self, work: Work) -> Any:
        """It has come; what this gives is handed to `end`."""

    def end(self, span: Any, work: Work, result: Result) -> None:
        """It is answered."""


class Desk:
    """What is held for one connection to a gateway."""

    def __init__(self, bus: WorkerBus, watcher: Watcher | None = None) -> None:
        self.bus = bus
        self._watcher = watcher
        self._held: dict[int, Work] = {}
        self._arrived = 0
        self._answered = threading.Condition()
        self._is_waited_for = False

    @property
    def held(self) -> int:
        """How many requests have no result yet."""
        return len(self._held)

    def accept(self, delivery: Delivery, plan: AnyPlan) -> Work:
        """Take in a request; called by the one thread that receives."""
        self._arrived += 1
        work = Work(delivery.request, delivery.images, plan, self, self._arrived)
        self._held[delivery.request.id] = work
        if self._watcher is not None:
            work.span = self._watcher.begin(work)
        return work

    def cancel(self, request_id: int) -> None:
        """Mark a request as not wanted any more; its result releases the credit when its turn comes."""
        work = self._held.get(request_id)
        if work is not None:
            work.is_cancelled = True

    def refuse(self, request_id: int, error: FieldmarkError) -> None:
        """Send an error as the result of a request that is not taken in."""
        self.bus.answer(Result(request_id, error=error.slug, detail=error.detail))

    def answer(self, work: Work, result: Result, body: bytes = b"") -> None:
        """Send the result of a request, unless it has one."""
        if self._held.pop(work.request.id, None) is None:
            return
        self.bus.answer(result, body)
        if self._watcher is not None:
            self._watcher.end(work.span, work, result)
        if self._is_waited_for:
            with self._answered:
                self._answered.notify_all()

    def fail(self, work: Work, error: FieldmarkError) -> None:
        """Send an error as the result of a request."""
        result = Result(
            work.request.id, error=error.slug, detail=error.detail, model=work.plan.model, decode_ms=work.decode_ms
        )
        self.answer(work, result)

    def wait_idle(self, timeout_s: float) -> bool:
        """Block until nothing is held; False where that took too long."""
        self._is_waited_for = True
        with self._answered:
            return self._answered.wait_for(lambda: not self._held, timeout_s)
