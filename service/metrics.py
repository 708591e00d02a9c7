"""All metrics of the service, declared in one place under the prefix `fieldmark_`.

Owns a registry of its own, the bound children of the hot path, and the collector that reads the bus at scrape time:
queues, counters and the workers' last heartbeats are kept there and are not counted twice. Labels are bounded: tasks,
model identities, routes, workers and statuses, never a client's word. One scrape of the gateway shows the whole host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from service.bus.base import GatewayBus, Outcome
from service.catalog import ModelEntry

__all__ = ["CONTENT_TYPE_LATEST", "BusCollector", "Metrics"]

NAMESPACE: Final = "fieldmark"
#: Seconds; 1 ms to 10 s, denser where a request usually lies.
SECONDS: Final = (
    0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
LAG_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
BATCHES: Final = (1, 2, 4, 8, 16, 32, 64)
CONFIDENCES: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
STAGES: Final = ("queue", "decode", "infer", "post")


class Metrics:
    """What the gateway counts itself, per request."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._requests = self._counter("requests", "Answered requests.", "task", "model", "status")
        self._seconds = self._histogram(
            "request_seconds", "From the ASGI call to the answer.", SECONDS, "task", "model"
        )
        stages = self._histogram("stage_seconds", "Where answered requests spent their time.", SECONDS, "stage")
        self._stages = [stages.labels(stage).observe for stage in STAGES]
        self._batches = self._histogram("batch_size", "Requests that shared an inference.", BATCHES, "model")
        self._confidences = self._histogram("confidence", "Probability of the best class.", CONFIDENCES, "model")
        self.observe_body = self._histogram(
            "body_seconds", "From the ASGI call to the end of the upload.", SECONDS
        ).observe
        self.observe_lag = self._histogram(
            "loop_lag_seconds", "How late the event loop runs a timer.", LAG_SECONDS
        ).observe
        self.count_uncertain = self._counter("uncertain", "Answers that were marked uncertain.").inc
        self.count_explained = self._counter("explain", "Answers with an explanation.").inc
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._answers: dict[str, tuple[Histogram, Histogram]] = {}

    def count_request(self, task: str, model: str, status: int, seconds: float) -> None:
        """Count one request, however it ended."""
        key = (task, model, status)
        children = self._children.get(key)
        if children is None:
            children = self._requests.labels(task, model, str(status)), self._seconds.labels(task, model)
            self._children[key] = children
        children[0].inc()
        children[1].observe(seconds)

    def count_unread(self, status: int) -> None:
        """Count a request that was refused before there was one: its head, or its connection."""
        self._requests.labels("none", "none", str(status)).inc()

    def count_answer(self, outcome: Outcome) -> None:
        """Count what a worker answered."""
        result = outcome.result
        children = self._answers.get(result.model)
        if children is None:
            children = self._batches.labels(result.model), self._confidences.labels(result.model)
            self._answers[result.model] = children
        queue, decode, infer, post = self._stages
        queue(outcome.queue_ms / 1000)
        decode(result.decode_ms / 1000)
        infer(result.infer_ms / 1000)
        post(result.post_ms / 1000)
        children[0].observe(result.batch)
        if result.confidence is not None:
            children[1].observe(result.confidence)
        if result.uncertain:
            self.count_uncertain()

    def render(self) -> bytes:
        """Write all metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=NAMESPACE, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Iterable[float], *labels: str) -> Histogram:
        return Histogram(name, text, labels, namespace=NAMESPACE, registry=self.registry, buckets=tuple(buckets))


class BusCollector(Collector):
    """What the bus and the workers know, read at scrape time; `models` gives the bundles that they announced."""

    def __init__(self, bus: GatewayBus, models: Callable[[], Iterable[ModelEntry]]) -> None:
        self._bus = bus
        self._models = models

    def collect(self) -> Iterator[Metric]:
        """Give every family, also the empty ones, so that a dashboard never misses a name."""
        yield from self._queues()
        yield from self._counters()
        yield from self._workers()
        yield self._model_info()

    def _queues(self) -> Iterator[Metric]:
        depth = _gauge("queue_depth", "Requests that wait.", "route", "model")
        wait = _gauge("predicted_wait_seconds", "Wait of a request that came now.", "route", "model")
        for route in self._bus.routes():
            depth.add_metric([route.route, route.model], route.queued)
            wait.add_metric([route.route, route.model], route.predicted_wait_s)
        yield depth
        yield wait
        yield _value("queue_bytes", "Photo bytes that wait.", self._bus.queued_bytes)
        yield _value("inflight", "Requests that workers hold.", self._bus.inflight)

    def _counters(self) -> Iterator[Metric]:
        counters = self._bus.counters
        refused = _counter("refused", "Requests that were not admitted.", "reason")
        for reason, count in counters.refused.items():
            refused.add_metric([reason], count)
        restarts = _counter("worker_restarts", "Workers that took another's place.", "reason")
        for reason, count in counters.restarts.items():
            restarts.add_metric([reason], count)
        releases = _counter("batch_release", "Requests handed to a worker.", "model", "reason")
        for (model, reason), count in counters.releases.items():
            releases.add_metric([model, reason], count)
        yield from (refused, restarts, releases)
        for name, text, count in (
            ("expired", "Accepted requests whose time ran out.", counters.expired),
            ("cancelled", "Requests whose client left.", counters.cancelled),
            ("retries", "Requests sent again after a worker was lost.", counters.retried),
            ("poison", "Requests that alone brought a worker down.", counters.poisoned),
            ("late_answers", "Answers that nobody waited for any more.", counters.late),
        ):
            family = _counter(name, text)
            family.add_metric([], count)
            yield family

    def _workers(self) -> Iterator[Metric]:
        up = _gauge("worker_up", "1 for a worker that takes requests, 0 for one that drains.", "worker")
        held = _gauge("worker_held", "Requests that a worker holds.", "worker")
        memory = _gauge("worker_memory_bytes", "Resident memory.", "worker")
        busy = _gauge("engine_busy_ratio", "Share of lane time spent in inference.", "worker")
        for view in self._bus.workers():
            worker = [view.hello.worker]
            up.add_metric(worker, 0 if view.draining else 1)
            held.add_metric(worker, view.held)
            if view.heartbeat is not None:
                memory.add_metric(worker, view.heartbeat.memory_bytes)
                busy.add_metric(worker, view.heartbeat.busy_ratio)
        yield from (up, held, memory, busy)

    def _model_info(self) -> Metric:
        family = InfoMetricFamily(f"{NAMESPACE}_model", "Models that are served.")
        for model in self._models():
            if model.status == "serving":
                shown = ("name", "version", "system", "variant", "engine")
                family.add_metric([], {name: getattr(model, name) for name in shown})
        return family


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{NAMESPACE}_{name}", text, labels=labels)


def _counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"{NAMESPACE}_{name}", text, labels=labels)


def _value(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{NAMESPACE}_{name}", text, value=value)
