"""The gateway's part of a trace: one span for the request, below it one for each job on the bus.

Neither stands in the way of a request that is not traced: `RequestSpans` is an observer of the edge, `TracedBus` a bus
around the bus, and both are there only where traces are asked for. No span holds a text, a photo or a key.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from starlette.types import Scope

from service.bus.base import Counters, GatewayBus, Job, Outcome, Reach, RouteView, WorkerView
from service.bus.messages import Hello
from service.errors import FieldmarkError
from service.gateway.exchange import Exchange
from service.metrics import NONE
from service.tracing.spans import Attributes, Tracing, traceparent_of

PATH_LIMIT = 128


class RequestSpans:
    """Gives every request a span, below the caller's where it names one; what the request asks of the bus is below it."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def __call__(self, exchange: Exchange, scope: Scope) -> Callable[[float], None]:
        """Begin a request's span; gives what ends it after so many seconds."""
        method: str = scope["method"]
        attributes: Attributes = {
            "http.request.method": method,
            "url.path": scope["path"][:PATH_LIMIT],
            "fieldmark.request_id": exchange.request_id,
        }
        span = self._tracing.begin(method, SpanKind.SERVER, exchange.traceparent, exchange.started, attributes)
        exchange.join_trace(traceparent_of(span))

        def end(seconds: float) -> None:
            if exchange.task != NONE:
                span.update_name(f"{method} {exchange.task}")
            span.set_attributes({"http.response.status_code": exchange.status, "fieldmark.model": exchange.model})
            if exchange.status >= 500:
                span.set_status(Status(StatusCode.ERROR))
            self._tracing.end(span, exchange.started + seconds)

        return end


class TracedBus:
    """A `GatewayBus` that traces each job of another: how long it waited, and all until its outcome."""

    def __init__(self, bus: GatewayBus, tracing: Tracing, clock: Callable[[], float] = time.monotonic) -> None:
        self._bus = bus
        self._tracing = tracing
        self._clock = clock

    def submit(self, job: Job) -> asyncio.Future[Outcome]:
        """Admit a job; raises what the bus raises."""
        started = self._clock()
        attributes: Attributes = {"fieldmark.route": job.route, "fieldmark.photos": len(job.images)}
        span = self._tracing.begin(f"bus {job.route}", SpanKind.PRODUCER, job.traceparent, started, attributes)
        job.traceparent = traceparent_of(span)
        try:
            outcome = self._bus.submit(job)
        except FieldmarkError as error:
            self._fail(span, error.slug)
            raise
        outcome.add_done_callback(lambda done: self._end(span, started, done))
        return outcome

    def _end(self, span: Span, started: float, done: asyncio.Future[Outcome]) -> None:
        error = None if done.cancelled() else done.exception()
        if done.cancelled() or error is not None:
            self._fail(span, error.slug if isinstance(error, FieldmarkError) else "cancelled")
            return
        outcome = done.result()
        self._tracing.add("queue", span, started, started + outcome.queue_ms / 1000)
        span.set_attributes({"fieldmark.model": outcome.result.model, "fieldmark.attempts": outcome.attempts})
        self._tracing.end(span, self._clock())

    def _fail(self, span: Span, slug: str) -> None:
        span.set_attribute("error.type", slug)
        span.set_status(Status(StatusCode.ERROR))
        self._tracing.end(span, self._clock())

    # What is not traced.

    @property
    def reach(self) -> Reach:
        """Whose workers can be reached now."""
        return self._bus.reach

    @property
    def counters(self) -> Counters:
        """What was counted since the start."""
        return self._bus.counters

    @property
    def hellos(self) -> Sequence[Hello]:
        """What the connected workers announced."""
        return self._bus.hellos

    @property
    def queued_bytes(self) -> int:
        """Photo bytes of the requests that wait in the queue."""
        return self._bus.queued_bytes

    @property
    def inflight(self) -> int:
        """Requests that workers hold."""
        return self._bus.inflight

    async def start(self) -> None:
        """Begin to listen for workers."""
        await self._bus.start()

    def workers(self) -> list[WorkerView]:
        """The connected workers."""
        return self._bus.workers()

    def routes(self) -> list[RouteView]:
        """The routes that can be completed."""
        return self._bus.routes()

    async def drain(self, timeout_s: float) -> None:
        """Refuse new jobs, finish and close."""
        await self._bus.drain(timeout_s)
