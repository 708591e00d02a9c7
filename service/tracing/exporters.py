"""Where spans go: to the log, or to an exporter of OpenTelemetry that is installed, by the name that it has there."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import entry_points

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from service.logs import get_logger
from service.tracing import TracingFault

#: The group in which packages announce their exporters, such as `otlp_proto_http`.
GROUP = "opentelemetry_traces_exporter"
LOG = "log"

_log = get_logger()


class LogExporter(SpanExporter):
    """Writes a log line for each span, so that a trace can be followed without a collector."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write spans that have ended."""
        for span in spans:
            own = span.get_span_context()
            _log.info(
                "span",
                span=span.name,
                trace_id=f"{own.trace_id:032x}" if own else None,
                span_id=f"{own.span_id:016x}" if own else None,
                parent_id=f"{span.parent.span_id:016x}" if span.parent else None,
                ms=round(((span.end_time or 0) - (span.start_time or 0)) / 1e6, 3),
                **{name.replace(".", "_"): value for name, value in (span.attributes or {}).items()},
            )
        return SpanExportResult.SUCCESS


def find_exporter(name: str) -> SpanExporter:
    """Make the exporter of this name; it reads its own `OTEL_...` variables.

    Raises:
        TracingFault: none of that name is installed.
    """
    if name == LOG:
        return LogExporter()
    for entry in entry_points(group=GROUP, name=name):
        exporter: SpanExporter = entry.load()()
        return exporter
    known = ", ".join(sorted({LOG, *(entry.name for entry in entry_points(group=GROUP))}))
    raise TracingFault(f"There is no exporter of traces named {name!r}; installed: {known}.")
