"""What the gateway traces: the request below its caller's span, its jobs below the request, and nothing of their content."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from service.bus.base import Job
from service.errors import Overloaded, UnprocessableImage
from service.gateway.spans import RequestSpans, TracedBus
from service.tracing.spans import Tracing
from tests.service.gateway.fake_bus import FakeBus, answered
from tests.service.gateway.serving import JPEG, RunningGateway

CALLER = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
UNKEPT = CALLER[:-1] + "0"


class Traced:
    """A gateway that traces into a list."""

    def __init__(self, share: float = 1.0) -> None:
        self.exporter = InMemorySpanExporter()
        tracing = Tracing(self.exporter, share, "gateway", SimpleSpanProcessor(self.exporter))
        self.bus = FakeBus()
        self.gateway = RunningGateway(TracedBus(self.bus, tracing), observers=[RequestSpans(tracing)])  # type: ignore[arg-type]

    def ask(self, **headers: str) -> int:
        """Ask once, and end the gateway: a request's span ends after its answer."""
        with self.gateway, self.gateway.client() as client:
            asked = client.post("/v1/classify", params={"text": "a secret"}, content=JPEG, headers=headers)
        return asked.status_code

    def spans(self) -> dict[str, ReadableSpan]:
        """What has ended, by name."""
        return {span.name: span for span in self.exporter.get_finished_spans()}


@pytest.fixture
def traced() -> Traced:
    return Traced()


def test_a_request_is_below_its_caller_and_its_job_below_it(traced: Traced) -> None:
    assert traced.ask(traceparent=CALLER) == 200
    spans = traced.spans()
    request, bus, queue = spans["POST classify"], spans["bus classify/birds"], spans["queue"]
    assert {span.get_span_context().trace_id for span in spans.values()} == {0x0123456789ABCDEF0123456789ABCDEF}  # type: ignore[union-attr]
    assert [parent_of(span) for span in (request, bus, queue)] == [0x0123456789ABCDEF, id_of(request), id_of(bus)]
    assert dict(request.attributes or {})["http.response.status_code"] == 200
    assert dict(bus.attributes or {})["fieldmark.model"] == "birds@1.0.0"
    job = traced.bus.arrived.get_nowait()
    assert job.traceparent == f"00-0123456789abcdef0123456789abcdef-{id_of(bus):016x}-01", (
        "the worker's is below the bus's"
    )


def test_a_request_without_a_caller_begins_a_trace(traced: Traced) -> None:
    assert traced.ask() == 200
    assert traced.spans()["POST classify"].parent is None


@pytest.mark.parametrize(
    ("rule", "slug", "status"),
    [
        (lambda job: UnprocessableImage("no"), "unprocessable-image", StatusCode.UNSET),
        (lambda job: Overloaded("no"), "overloaded", StatusCode.UNSET),
    ],
)
def test_a_failure_is_named_and_only_ours_is_an_error(
    traced: Traced, rule: Callable[[Job], Any], slug: str, status: StatusCode
) -> None:
    traced.bus.rule = rule
    traced.ask()
    spans = traced.spans()
    assert dict(spans["bus classify/birds"].attributes or {})["error.type"] == slug
    assert spans["POST classify"].status.status_code is status


def test_a_refusal_of_the_bus_ends_its_span(traced: Traced) -> None:
    traced.bus.refusal = Overloaded("full", retry_after_s=1)
    assert traced.ask() == 429
    assert dict(traced.spans()["bus classify/birds"].attributes or {})["error.type"] == "overloaded"


def test_no_span_tells_of_the_content(traced: Traced) -> None:
    traced.bus.rule = answered
    traced.ask()
    told = [str(dict(span.attributes or {})) for span in traced.exporter.get_finished_spans()]
    assert told
    assert [text for text in told if "secret" in text] == []


def test_a_caller_that_keeps_no_trace_is_followed(traced: Traced) -> None:
    assert traced.ask(traceparent=UNKEPT) == 200
    assert traced.spans() == {}
    handed_on = traced.bus.arrived.get_nowait().traceparent or ""
    assert handed_on.startswith(UNKEPT[:36])
    assert handed_on.endswith("-00")


def test_a_share_of_nothing_keeps_nothing() -> None:
    traced = Traced(share=0.0)
    assert traced.ask() == 200
    assert traced.spans() == {}


def id_of(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.span_id


def parent_of(span: ReadableSpan) -> int:
    assert span.parent is not None
    return span.parent.span_id
