"""All metrics of the service, declared in one place under the prefix `fieldmark_`.

Owns the counts of the gateway and the collector that reads the bus at scrape time: queues, counters and the workers'
last heartbeats are kept there and not counted twice. Labels are bounded: tasks, model identities, routes, workers and
statuses, never a client's word. One scrape of the gateway shows the whole host.

What a request is counted for is only noted while it runs, and counted with that of others, or when somebody asks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from service.bus.base import GatewayBus, Outcome
from service.bus.messages import Result
from service.catalog import ModelEntry
from service.histogram import Histogram

__all__ = ["CONTENT_TYPE_LATEST", "BusCollector", "Metrics", "Questions"]

NAMESPACE: Final = "fieldmark"
#: Label of a request that has no task, which is no question, or no model.
NONE: Final = "none"
#: Seconds; 1 ms to 10 s, denser where a request usually lies.
SECONDS: Final = (
    0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
#: Requests that are noted before they are counted: few enough that counting them delays nobody by a millisecond.
NOTED_LIMIT: Final = 64
LAG_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
BATCHES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
#: Reasons are shown before they came about, so that the first time is an increase; `Counters` says what they mean.
REFUSALS: Final = ("wait", "deadline", "count", "bytes", "room", "not-ready", "poison")
RESTARTS: Final = ("crash", "wedge", "memory", "reload")
CONFIDENCES: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


class Questions(msgspec.Struct, frozen=True):
    """What became of the questions so far: answered, refused with 429, or failed in any other way.

    `latency` counts them by the seconds that they took: up to each of `bounds_s`, without those before it, and last beyond
    all. `batch_sum` adds up, for `batch_count` answers, how many questions shared their inference.
    """

    answered: int
    refused: int
    failed: int
    bounds_s: tuple[float, ...]
    latency: list[int]
    batch_count: int
    batch_sum: float


class Metrics(Collector):
    """What the gateway counts itself; used from the event loop's thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(self)
        self._requests: dict[tuple[str, str, int], int] = {}
        self._seconds = _histogram("request_seconds", "From the ASGI call to the answer.", SECONDS, "task", "model")
        self._stages = _histogram("stage_seconds", "Where answered requests spent their time.", SECONDS, "stage")
        self._batches = _histogram("batch_size", "Requests that shared an inference.", BATCHES, "model")
        self._confidences = _histogram("confidence", "Probability of the best class.", CONFIDENCES, "model")
        self._bodies = _histogram("body_seconds", "From the ASGI call to the end of the upload.", SECONDS)
        self._lags = _histogram("loop_lag_seconds", "How late the event loop runs a timer.", LAG_SECONDS)
        self._uncertain: Counter[str] = Counter()
        self._explained = 0
        self._cached = {True: 0, False: 0}
        self._stage_tallies = [self._stages.of(stage).observe for stage in ("queue", "decode", "infer", "post")]
        self._count_body = self._bodies.of().observe
        self._ended: list[tuple[str, str, int, float]] = []
        self._answered: list[tuple[float, Result, bool]] = []
        self._read: list[float] = []
        self.observe_body: Callable[[float], None] = self._read.append
        self.observe_lag = self._lags.of().observe

    def count_request(self, task: str, model: str, status: int, seconds: float) -> None:
        """Count one request, however it ended."""
        self._ended.append((task, model, status, seconds))
        if len(self._ended) >= NOTED_LIMIT:
            self._settle()

    def count_unread(self, status: int) -> None:
        """Count a request that was refused before there was one: its head, or its connection."""
        self._count(NONE, NONE, status)

    def count_answer(self, outcome: Outcome, *, is_explained: bool) -> None:
        """Count what a worker answered, before the request that asked for it."""
        self._answered.append((outcome.queue_ms, outcome.result, is_explained))

    def collect(self) -> Iterator[Metric]:
        """Give every family."""
        self._settle()
        requests = _counter("requests", "Answered requests.", "task", "model", "status")
        for (task, model, status), count in self._requests.items():
            requests.add_metric([task, model, str(status)], count)
        yield requests
        uncertain = _counter("uncertain", "Answers that were marked uncertain.", "model")
        for model, count in self._uncertain.items():
            uncertain.add_metric([model], count)
        yield uncertain
        yield _total("explain", "Answers with an explanation.", self._explained)
        looks = _counter("feature_cache", "Photos whose features were asked for, and whether they were kept.", "result")
        looks.add_metric(["hit"], self._cached[True])
        looks.add_metric(["miss"], self._cached[False])
        yield looks
        for histogram in (
            self._seconds,
            self._stages,
            self._batches,
            self._confidences,
            self._bodies,
            self._lags,
        ):
            yield histogram.family()

    def questions(self) -> Questions:
        """Sum up the questions of all tasks and models; what has no task, such as a page, is none."""
        self._settle()
        counts = {"answered": 0, "refused": 0, "failed": 0}
        for (task, _, status), count in self._requests.items():
            if task != NONE:
                counts["answered" if status // 100 == 2 else "refused" if status == 429 else "failed"] += count
        asked = [tally for (task, _), tally in self._seconds.tallies() if task != NONE]
        latency = [sum(column) for column in zip(*(tally.counts for tally in asked), strict=True)]
        batches = [tally for _, tally in self._batches.tallies()]
        return Questions(
            **counts,
            bounds_s=SECONDS,
            latency=latency or [0] * (len(SECONDS) + 1),
            batch_count=sum(sum(tally.counts) for tally in batches),
            batch_sum=sum(tally.total for tally in batches),
        )

    def render(self) -> bytes:
        """Write all metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def _settle(self) -> None:
        """Count what was noted."""
        for task, model, status, seconds in self._ended:
            self._count(task, model, status)
            self._seconds.of(task, model).observe(seconds)
        for seconds in self._read:
            self._count_body(seconds)
        for queue_ms, result, is_explained in self._answered:
            for observe, stage_ms in zip(
                self._stage_tallies, (queue_ms, result.decode_ms, result.infer_ms, result.post_ms), strict=True
            ):
                observe(stage_ms / 1000)
            self._batches.of(result.model).observe(result.batch)
            if result.confidence is not None:
                self._confidences.of(result.model).observe(result.confidence)
            self._uncertain[result.model] += result.uncertain
            self._explained += is_explained
            if result.cached is not None:
                self._cached[result.cached] += 1
        for noted in (self._ended, self._read, self._answered):
            noted.clear()

    def _count(self, task: str, model: str, status: int) -> None:
        key = (task, model, status)
        self._requests[key] = self._requests.get(key, 0) + 1


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
        for reason, count in (dict.fromkeys(REFUSALS, 0) | counters.refused).items():
            refused.add_metric([reason], count)
        restarts = _counter("worker_restarts", "Workers that took another's place.", "reason")
        for reason, count in (dict.fromkeys(RESTARTS, 0) | counters.restarts).items():
            restarts.add_metric([reason], count)
        releases = _counter("batch_release", "Requests handed to a worker.", "model", "reason")
        for (model, reason), count in counters.releases.items():
            releases.add_metric([model, reason], count)
        yield from (refused, restarts, releases)
        yield _total("expired", "Accepted requests whose time ran out.", counters.expired)
        yield _total("cancelled", "Requests whose client left.", counters.cancelled)
        yield _total("retries", "Requests sent again after a worker was lost.", counters.retried)
        yield _total("poison", "Requests that alone brought a worker down.", counters.poisoned)
        yield _total("late_answers", "Answers that nobody waited for any more.", counters.late)
        yield _total("bus_reconnects", "Times that other hosts came into reach again.", counters.reconnects)
        yield _value("bus_local_only", "1 while other hosts are out of reach.", self._bus.reach == "local-only")

    def _workers(self) -> Iterator[Metric]:
        up = _gauge("worker_up", "1 for a worker that takes requests, 0 for one that drains.", "worker")
        held = _gauge("worker_held", "Requests that a worker holds.", "worker")
        credit = _gauge("worker_credit", "Requests that a worker may hold.", "worker", "device")
        memory = _gauge("worker_memory_bytes", "Resident memory.", "worker")
        busy = _gauge("engine_busy_ratio", "Share of lane time spent in inference.", "worker")
        # A worker that drains and its successor have one name: the one that serves counts.
        views = sorted(self._bus.workers(), key=lambda view: not view.draining)
        for view in {view.hello.worker: view for view in views}.values():
            worker = [view.hello.worker]
            up.add_metric(worker, 0 if view.draining else 1)
            held.add_metric(worker, view.held)
            credit.add_metric([*worker, view.hello.device], view.hello.credit)
            if view.heartbeat is not None:
                memory.add_metric(worker, view.heartbeat.memory_bytes)
                busy.add_metric(worker, view.heartbeat.busy_ratio)
        yield from (up, held, credit, memory, busy)

    def _model_info(self) -> Metric:
        family = InfoMetricFamily(f"{NAMESPACE}_model", "Models that are served.")
        for model in self._models():
            if model.status == "serving":
                shown = ("name", "version", "system", "variant", "engine")
                family.add_metric([], {name: getattr(model, name) for name in shown})
        return family


def _histogram(name: str, text: str, bounds: tuple[float, ...], *labels: str) -> Histogram:
    return Histogram(f"{NAMESPACE}_{name}", text, bounds, *labels)


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{NAMESPACE}_{name}", text, labels=labels)


def _counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"{NAMESPACE}_{name}", text, labels=labels)


def _total(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"{NAMESPACE}_{name}", text, value=value)


def _value(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{NAMESPACE}_{name}", text, value=value)
