"""Spans on the host's monotonic clock, and their way through a `traceparent`.

Owns the SDK's set-up: one provider a process, which is nobody's global, a bounded queue that drops what a slow collector
does not take, and the choice of which traces are kept: a caller's own decision first, then a share of the rest. Source: W3C
Trace Context, https://www.w3.org/TR/trace-context/.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from importlib.metadata import version

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags

#: For what was not sent yet, at the process's end.
CLOSE_TIMEOUT_S = 2.0

Attributes = Mapping[str, str | int | float | bool]


class Tracing:
    """Makes the spans of one process; safe from several threads. Times are seconds of `time.monotonic()`."""

    def __init__(
        self, exporter: SpanExporter, share: float, process: str, processor: SpanProcessor | None = None
    ) -> None:
        resource = Resource.create({"service.name": "fieldmark", "service.instance.id": process})
        sampler = ParentBased(TraceIdRatioBased(share))
        self._provider = TracerProvider(sampler=sampler, resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor or BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("fieldmark", version("fieldmark"))
        self._epoch_ns = time.time_ns() - time.monotonic_ns()

    def begin(
        self, name: str, kind: SpanKind, parent: str | Span | None, at: float, attributes: Attributes | None = None
    ) -> Span:
        """Begin a span below another: one of this process, or the one that a `traceparent` names."""
        context = trace.set_span_in_context(parent, Context()) if isinstance(parent, Span) else _context_of(parent)
        return self._tracer.start_span(name, context, kind, attributes, start_time=self._ns(at))

    def end(self, span: Span, at: float) -> None:
        """End a span."""
        span.end(self._ns(at))

    def add(self, name: str, parent: Span, start: float, end: float, attributes: Attributes | None = None) -> None:
        """Add a step of a span that is over."""
        self.end(self.begin(name, SpanKind.INTERNAL, parent, start, attributes), end)

    def close(self) -> None:
        """Send what is left, within `CLOSE_TIMEOUT_S`: a collector that is gone holds up no end."""
        ending = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        ending.start()
        ending.join(CLOSE_TIMEOUT_S)

    def _ns(self, at: float) -> int:
        return self._epoch_ns + int(at * 1e9)


def traceparent_of(span: Span) -> str:
    """Write a span as the parent of others."""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _context_of(traceparent: str | None) -> Context:
    """Read a `traceparent`; one that is none begins a trace of its own."""
    try:
        _, trace_id, span_id, flags = (int(part, 16) for part in (traceparent or "").split("-"))
    except ValueError:
        return Context()
    parent = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    return trace.set_span_in_context(NonRecordingSpan(parent), Context())
