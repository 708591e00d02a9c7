from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import prometheus_client
import pytest

from service.gateway.router import Router
from service.metrics import NOTED_LIMIT, BusCollector, Metrics
from tests.service.gateway.fake_bus import FakeBus, answered, make_hello

#: Every name that a dashboard may rely on, with its labels.
NAMES = {
    "fieldmark_requests_total": {"task", "model", "status"},
    "fieldmark_request_seconds_bucket": {"task", "model", "le"},
    "fieldmark_stage_seconds_bucket": {"stage", "le"},
    "fieldmark_body_seconds_bucket": {"le"},
    "fieldmark_loop_lag_seconds_bucket": {"le"},
    "fieldmark_batch_size_bucket": {"model", "le"},
    "fieldmark_confidence_bucket": {"model", "le"},
    "fieldmark_uncertain_total": {"model"},
    "fieldmark_explain_total": set(),
    "fieldmark_feature_cache_total": {"result"},
    "fieldmark_queue_depth": {"route", "model"},
    "fieldmark_predicted_wait_seconds": {"route", "model"},
    "fieldmark_queue_bytes": set(),
    "fieldmark_inflight": set(),
    "fieldmark_refused_total": {"reason"},
    "fieldmark_expired_total": set(),
    "fieldmark_cancelled_total": set(),
    "fieldmark_retries_total": set(),
    "fieldmark_poison_total": set(),
    "fieldmark_late_answers_total": set(),
    "fieldmark_bus_reconnects_total": set(),
    "fieldmark_bus_local_only": set(),
    "fieldmark_batch_release_total": {"model", "reason"},
    "fieldmark_worker_up": {"worker"},
    "fieldmark_worker_held": {"worker"},
    "fieldmark_worker_credit": {"worker", "device"},
    "fieldmark_worker_restarts_total": {"reason"},
    "fieldmark_worker_memory_bytes": {"worker"},
    "fieldmark_engine_busy_ratio": {"worker"},
    "fieldmark_model_info": {"name", "version", "system", "variant", "engine"},
}


ARCHITECTURE = Path(__file__).parents[2] / "ARCHITECTURE.md"


def documented() -> dict[str, set[str]]:
    """Names and labels as the list under "Metrics" has them; a histogram stands there by its bare name."""
    section = ARCHITECTURE.read_text(encoding="utf-8").partition("\n## Metrics\n")[2].partition("\n## ")[0]
    (shown,) = re.findall(r"^- .*?(?=\n\n)", section, re.MULTILINE | re.DOTALL)
    return {
        f"fieldmark_{name}": set(re.findall(r"\w+", labels)) for name, labels in re.findall(r"`(\w+)(\{.*?\})?`", shown)
    }


@pytest.fixture
def bus() -> FakeBus:
    bus = FakeBus(hellos=[make_hello("birds", "cars")])
    bus.counters.refused["wait"] = 3
    bus.counters.restarts["crash"] = 2
    bus.counters.releases["birds@1.0.0", "credit"] = 7
    bus.counters.expired, bus.counters.cancelled, bus.counters.retried = 4, 5, 6
    bus.queued_bytes = 1234
    return bus


@pytest.fixture
def metrics(bus: FakeBus) -> Metrics:
    metrics = Metrics()
    metrics.registry.register(BusCollector(bus, list))
    return metrics


def samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
    }


def test_every_name_is_there_with_its_labels(bus: FakeBus) -> None:
    metrics = Metrics()
    metrics.registry.register(BusCollector(bus, Router(lambda: bus.hellos).models))
    metrics.count_request("classify", "birds@1.0.0", 200, 0.01)
    metrics.count_answer(answered(), is_explained=False)
    seen = {name: {label for label, _ in labels} for name, labels in samples(metrics)}
    for name, labels in NAMES.items():
        assert seen[name] == labels, name
    undocumented = {name for name in seen if not name.endswith(("_sum", "_count"))} - set(NAMES)
    assert undocumented == set()


def test_architecture_md_lists_the_same_names_and_labels() -> None:
    assert documented() == {name.removesuffix("_bucket"): labels - {"le"} for name, labels in NAMES.items()}


def test_what_the_bus_counts_is_read_when_asked(bus: FakeBus, metrics: Metrics) -> None:
    seen = samples(metrics)
    assert seen["fieldmark_refused_total", frozenset({("reason", "wait")})] == 3
    assert seen["fieldmark_worker_restarts_total", frozenset({("reason", "crash")})] == 2
    assert seen["fieldmark_batch_release_total", frozenset({("model", "birds@1.0.0"), ("reason", "credit")})] == 7
    assert [seen[f"fieldmark_{name}_total", frozenset()] for name in ("expired", "cancelled", "retries")] == [4, 5, 6]
    assert seen["fieldmark_queue_bytes", frozenset()] == 1234
    bus.counters.expired = 40
    assert samples(metrics)["fieldmark_expired_total", frozenset()] == 40


def test_what_has_not_happened_yet_is_counted_from_zero(metrics: Metrics) -> None:
    seen = samples(metrics)
    assert seen["fieldmark_refused_total", frozenset({("reason", "bytes")})] == 0
    assert seen["fieldmark_worker_restarts_total", frozenset({("reason", "wedge")})] == 0


def test_a_model_that_was_always_sure_is_counted_too(metrics: Metrics) -> None:
    for model, uncertain in (("a@1", False), ("b@1", True), ("b@1", True)):
        metrics.count_answer(answered(model=model, uncertain=uncertain), is_explained=False)
    seen = samples(metrics)
    assert [seen["fieldmark_uncertain_total", frozenset({("model", model)})] for model in ("a@1", "b@1")] == [0, 2]


def test_a_host_that_is_alone_says_so(bus: FakeBus, metrics: Metrics) -> None:
    alone = ("fieldmark_bus_local_only", frozenset())
    assert samples(metrics)[alone] == 0
    bus.reach = "local-only"
    assert samples(metrics)[alone] == 1


def test_a_draining_worker_is_not_up(bus: FakeBus, metrics: Metrics) -> None:
    up = ("fieldmark_worker_up", frozenset({("worker", "0")}))
    assert samples(metrics)[up] == 1
    bus.draining.add("0")
    assert samples(metrics)[up] == 0


def test_a_worker_that_drains_and_its_successor_are_one(metrics: Metrics, bus: FakeBus) -> None:
    (view,) = bus.workers()
    bus.workers = lambda: [replace(view, draining=True), view, replace(view, draining=True)]  # type: ignore[method-assign]
    lines = [line for line in metrics.render().decode().splitlines() if line.startswith("fieldmark_worker_up{")]
    assert lines == ['fieldmark_worker_up{worker="0"} 1.0']


def test_no_more_than_some_requests_wait_to_be_counted() -> None:
    metrics, limit = Metrics(), NOTED_LIMIT
    metrics.count_answer(answered(), is_explained=True)
    for _ in range(limit):
        metrics.count_request("classify", "a@1", 200, 0.01)
    assert (metrics._ended, metrics._answered) == ([], [])
    metrics.count_request("classify", "a@1", 200, 0.01)
    seen = samples(metrics)
    labels = frozenset({("task", "classify"), ("model", "a@1")})
    assert seen["fieldmark_requests_total", labels | {("status", "200")}] == limit + 1
    assert seen["fieldmark_request_seconds_bucket", labels | {("le", "0.01")}] == limit + 1
    assert seen["fieldmark_explain_total", frozenset()] == 1


def test_two_services_in_one_process_do_not_meet() -> None:
    first, second = Metrics(), Metrics()
    first.count_request("classify", "a@1", 200, 0.01)
    assert b'model="a@1"' not in second.render()
    assert not any(name.startswith("fieldmark") for name in prometheus_client.REGISTRY._names_to_collectors)


def test_a_page_holds_no_creation_times() -> None:
    metrics = Metrics()
    metrics.count_request("classify", "a@1", 200, 0.01)
    assert b"_created" not in metrics.render()


def test_questions_are_summed_up_over_tasks_and_models_and_pages_are_none(metrics: Metrics) -> None:
    metrics.count_answer(answered(batch=3), is_explained=False)
    for task, model, status, seconds in (
        ("classify", "birds@1.0.0", 200, 0.0015),
        ("ground", "ground@1.0.0", 200, 99.0),
        ("classify", "birds@1.0.0", 429, 0.0005),
        ("classify", "none", 422, 0.0005),
        ("none", "none", 200, 0.0005),
    ):
        metrics.count_request(task, model, status, seconds)
    metrics.count_unread(431)
    told = metrics.questions()
    assert (told.answered, told.refused, told.failed) == (2, 1, 1)
    assert told.latency == [2, 1, *([0] * (len(told.bounds_s) - 2)), 1]
    assert (told.batch_count, told.batch_sum) == (1, 3)


def test_there_are_no_questions_at_first(metrics: Metrics) -> None:
    told = metrics.questions()
    assert told.latency == [0] * (len(told.bounds_s) + 1)
    assert told.answered == 0
