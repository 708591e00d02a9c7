"""What a worker traces: each request below the gateway's span, with its steps."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from service.answers import Parameters
from service.bus.base import Delivery
from service.bus.messages import Request
from service.tracing.spans import Tracing
from service.worker.desk import Desk
from service.worker.loop import Loop
from service.worker.spans import WorkSpans
from service.worker.watchdog import Watchdog
from tests.service.worker.fakes import FAR, Clock, FakePlan, MemoryBus

GATEWAY = "00-0123456789abcdef0123456789abcdef-00000000000000aa-01"


def trace(photo: bytes, traceparent: str | None = GATEWAY) -> dict[str, ReadableSpan]:
    """Answer one photo that takes 10 ms to infer and give the spans by name."""
    clock = Clock()
    exporter = InMemorySpanExporter()
    watcher = WorkSpans(Tracing(exporter, 1.0, "worker 0", SimpleSpanProcessor(exporter)), "0", clock)
    desk, plan = Desk(MemoryBus(), watcher), FakePlan(clock=clock)
    loop = Loop(Watchdog(30, clock), clock)
    request = Request(1, plan.route, FAR, [len(photo)], Parameters(), traceparent=traceparent, request_id="r-1")
    work = desk.accept(Delivery(request, [memoryview(photo)]), plan)  # type: ignore[arg-type]
    clock.sleep(0.5)
    if loop.prepare(work):
        loop.infer([work])
    return {span.name: span for span in exporter.get_finished_spans()}


def test_a_request_is_below_the_gateways_span_with_its_steps() -> None:
    spans = trace(b"good")
    work = spans["worker classify/fake"]
    assert work.parent is not None
    assert (work.parent.trace_id, work.parent.span_id) == (0x0123456789ABCDEF0123456789ABCDEF, 0xAA)
    told = dict(work.attributes or {})
    assert (told["fieldmark.worker"], told["fieldmark.request_id"], told["fieldmark.model"]) == ("0", "r-1", "fake@1")
    own = work.get_span_context()
    assert own is not None
    assert {
        name: span.parent.span_id for name, span in spans.items() if span is not work and span.parent
    } == dict.fromkeys(("decode", "infer", "answer"), own.span_id)
    assert milliseconds(work) == pytest.approx(510)
    assert milliseconds(spans["infer"]) == pytest.approx(10)


@pytest.mark.parametrize("traceparent", [None, "", "00-x-y-01", f"00-{'0' * 32}-{'0' * 16}-01"])
def test_what_names_no_span_begins_a_trace(traceparent: str | None) -> None:
    assert trace(b"good", traceparent)["worker classify/fake"].parent is None


def test_a_failure_is_named() -> None:
    (work,) = trace(b"bad").values()
    assert dict(work.attributes or {})["error.type"] == "unprocessable-image"
    assert work.status.status_code is StatusCode.ERROR


def test_what_the_gateway_does_not_keep_the_worker_does_not_either() -> None:
    assert trace(b"good", GATEWAY[:-1] + "0") == {}


def milliseconds(span: ReadableSpan) -> float:
    assert span.end_time is not None
    assert span.start_time is not None
    return (span.end_time - span.start_time) / 1e6
