"""Traces: where a request spent its time, across processes, for whatever collects OpenTelemetry (extra `otel`).

Off unless `traces` names an exporter; then nothing of OpenTelemetry is imported and no request meets a line of it. What is
traced stands where it happens: `gateway/spans.py` and `worker/spans.py`. Between processes a trace travels as the
`traceparent` of the bus's request frames (W3C Trace Context), which an untraced gateway hands on as it came.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from service.settings import Settings

if TYPE_CHECKING:
    from service.tracing.spans import Tracing


class TracingFault(Exception):
    """Traces are asked for and cannot be sent; the text is one sentence for a person."""


def check_tracing(settings: Settings) -> None:
    """Refuse to trace without OpenTelemetry.

    Raises:
        TracingFault: its SDK is not installed.
    """
    if settings.traces != "none" and find_spec("opentelemetry") is None:
        raise TracingFault("traces is set, and OpenTelemetry is not installed: install the extra `otel`.")


def open_tracing(settings: Settings, process: str) -> Tracing | None:
    """Begin to trace as the settings say; None where they say nothing.

    Raises:
        TracingFault: OpenTelemetry or the exporter is not installed.
    """
    if settings.traces == "none":
        return None
    check_tracing(settings)
    from service.tracing.exporters import find_exporter
    from service.tracing.spans import Tracing

    return Tracing(find_exporter(settings.traces), settings.traces_share, process)
