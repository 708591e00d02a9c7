"""A worker's part of a trace: one span for each request that it holds, below it decoding, inference and the answer.

There only where traces are asked for; the desk tells of each request when it comes and when it is answered. The steps are
added at the end, from the times that the result reports anyway.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from service.bus.messages import Result
from service.tracing.spans import Attributes, Tracing
from service.worker.desk import Work


class WorkSpans:
    """Gives every request a span below the gateway's. `clock` gives monotonic seconds."""

    def __init__(self, tracing: Tracing, worker: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._tracing = tracing
        self._worker = worker
        self._clock = clock

    def begin(self, work: Work) -> Span:
        """Note that a request has come."""
        request = work.request
        attributes = {
            "fieldmark.worker": self._worker,
            "fieldmark.route": request.route,
            "fieldmark.request_id": request.request_id,
        }
        name = f"worker {request.route}"
        return self._tracing.begin(name, SpanKind.CONSUMER, request.traceparent, self._clock(), attributes)

    def end(self, span: Span, work: Work, result: Result) -> None:
        """Note that it is answered."""
        now = self._clock()
        if span.is_recording():
            span.set_attributes({"fieldmark.model": result.model, "fieldmark.batch": result.batch})
            if result.error is None:
                self._add_steps(span, work, result, now)
            else:
                span.set_attribute("error.type", result.error)
                span.set_status(Status(StatusCode.ERROR))
        self._tracing.end(span, now)

    def _add_steps(self, span: Span, work: Work, result: Result, now: float) -> None:
        inferred = now - result.post_ms / 1000
        self._tracing.add("decode", span, work.ready_at - result.decode_ms / 1000, work.ready_at)
        attributes: Attributes = {"fieldmark.model": result.model, "fieldmark.batch": result.batch}
        self._tracing.add("infer", span, inferred - result.infer_ms / 1000, inferred, attributes)
        self._tracing.add("answer", span, inferred, now)
