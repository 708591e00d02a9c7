"""Traces are off, go to the log, or to an exporter by its name; without OpenTelemetry nothing of it is needed."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest
from opentelemetry.sdk.trace.export import ConsoleSpanExporter
from opentelemetry.trace import SpanKind

from service.logs import configure
from service.settings import Settings
from service.tracing import TracingFault, open_tracing
from service.tracing.exporters import find_exporter


def test_without_a_wish_nothing_is_traced_and_nothing_imported() -> None:
    code = """
import sys
from service.settings import Settings
from service.tracing import open_tracing
import service.gateway.main, service.worker.main
assert open_tracing(Settings(), "gateway") is None
assert not any(name.startswith("opentelemetry") for name in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_span_becomes_a_line_of_the_log() -> None:
    stream = io.StringIO()
    configure(Settings(log_format="json"), "gateway", stream)
    tracing = open_tracing(Settings(traces="log"), "gateway")
    assert tracing is not None
    above = tracing.begin("above", SpanKind.SERVER, None, 10.0, {"fieldmark.model": "birds@1"})
    tracing.add("step", above, 10.25, 10.5)
    tracing.end(above, 11.0)
    tracing.close()
    step, whole = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (step["span"], step["ms"]) == ("step", 250.0)
    assert (whole["span"], whole["ms"], whole["fieldmark_model"]) == ("above", 1000.0, "birds@1")
    assert (step["trace_id"], step["parent_id"]) == (whole["trace_id"], whole["span_id"])
    assert whole["parent_id"] is None


def test_an_exporter_is_found_by_its_name() -> None:
    assert isinstance(find_exporter("console"), ConsoleSpanExporter)


def test_an_exporter_that_is_not_installed_is_one_sentence() -> None:
    with pytest.raises(TracingFault, match=r"no exporter of traces named 'fax'; installed: console, .*log"):
        open_tracing(Settings(traces="fax"), "gateway")


def test_a_missing_sdk_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.tracing.find_spec", lambda name: None)
    with pytest.raises(TracingFault, match="install the extra `otel`"):
        open_tracing(Settings(traces="log"), "gateway")
