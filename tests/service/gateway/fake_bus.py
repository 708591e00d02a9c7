"""A bus without workers: it answers by a rule that the test sets, and shows what it was asked."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable

import msgspec

from service.answers import ClassifyAnswer, ImageSize, ModelRef, Prediction
from service.bus.base import Counters, Job, Outcome, Reach, RouteView, WorkerView
from service.bus.messages import Heartbeat, Hello, Result
from service.catalog import Catalog, DomainEntry, LabelEntry, ModelEntry, RouteInfo, encode_catalog
from service.errors import DeadlineExceeded, FieldmarkError

WAIT_S = 30.0

#: What becomes of a job: an outcome, a failure, or None: nobody answers.
Fate = Outcome | FieldmarkError | None


class FakeBus:
    """Implements `GatewayBus`. `rule` decides each job's fate; `arrived` and `left` hold jobs for the test to wait on."""

    def __init__(self, rule: Callable[[Job], Fate] | None = None, hellos: list[Hello] | None = None) -> None:
        self.rule: Callable[[Job], Fate] = rule or answered
        self.refusal: FieldmarkError | None = None
        self.hellos = [make_hello()] if hellos is None else hellos
        self.draining: set[str] = set()
        self.counters = Counters()
        self.reach: Reach = "local"
        self.queued_bytes = 0
        self.arrived: queue.Queue[Job] = queue.Queue()
        self.left: queue.Queue[Job] = queue.Queue()
        self.is_closed = False
        self._open: dict[asyncio.Future[Outcome], Job] = {}

    @property
    def inflight(self) -> int:
        return len(self._open)

    async def start(self) -> None:
        """Nothing listens."""

    def submit(self, job: Job) -> asyncio.Future[Outcome]:
        if self.refusal is not None:
            raise self.refusal
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()
        fate = self.rule(job)
        if isinstance(fate, Outcome):
            future.set_result(fate)
        elif isinstance(fate, FieldmarkError):
            future.set_exception(fate)
        else:
            self._open[future] = job
            future.add_done_callback(self._close)
            loop.call_at(job.deadline, self._expire, future)
        self.arrived.put(job)
        return future

    def workers(self) -> list[WorkerView]:
        beat = Heartbeat(memory_bytes=123_000_000, busy_ratio=0.5, held=1)
        return [WorkerView(hello, beat, 1, hello.worker in self.draining) for hello in self.hellos]

    def routes(self) -> list[RouteView]:
        return [RouteView(route.route, route.model, 2, 0.25, 80.0) for hello in self.hellos for route in hello.routes]

    async def drain(self, timeout_s: float) -> None:
        self.is_closed = True

    def finish(self) -> None:
        """Answer every job that waits; to be called in the loop's thread."""
        for future, job in list(self._open.items()):
            future.set_result(answered(job))

    def _expire(self, future: asyncio.Future[Outcome]) -> None:
        if not future.done():
            future.set_exception(DeadlineExceeded("The time ran out."))

    def _close(self, future: asyncio.Future[Outcome]) -> None:
        job = self._open.pop(future)
        if future.cancelled():
            self.left.put(job)


def answered(job: Job | None = None, model: str = "birds@1.0.0", **changes: object) -> Outcome:
    """Make the outcome of a job that went well."""
    name, _, version = model.partition("@")
    answer = ClassifyAnswer(
        model=ModelRef(name, version, "plain"),
        predictions=[Prediction("017.Cardinal", "Northern Cardinal", 0.97)],
        image=ImageSize(640, 480),
    )
    result = Result(
        id=1, model=model, decode_ms=1.5, infer_ms=8.0, post_ms=0.1, batch=1, confidence=0.97, uncertain=False
    )
    return Outcome(msgspec.structs.replace(result, **changes), msgspec.json.encode(answer), queue_ms=0.1, attempts=1)


def make_hello(*domains: str, worker: str = "0", auto: bool = False, versions: tuple[str, ...] = ("1.0.0",)) -> Hello:
    """Make a worker that serves a bundle per domain (`birds` where none is named), the last version as the default."""
    domains = domains or ("birds",)
    models = [_model(domain, version, is_default=version == versions[-1]) for domain in domains for version in versions]
    models.append(ModelEntry("broken", "0.1.0", "refused", faults=["model.onnx is missing"]))
    labels = [LabelEntry("017.Cardinal", "Northern Cardinal", {"family": "Cardinalidae"})]
    entries = [DomainEntry(domain, f"{domain}@{versions[-1]}", ["family"], labels) for domain in domains]
    routes = [RouteInfo(f"classify/{domain}", f"{domain}@{versions[-1]}", 10.0) for domain in domains]
    routes += [
        RouteInfo(f"classify/{model.identity}", model.identity, 10.0) for model in models if model.status == "serving"
    ]
    if auto:
        routes.append(RouteInfo("classify/auto", "auto", 12.0))
    return Hello(worker, 100, "cpu", 2, 4, routes, encode_catalog(Catalog(models, entries)))


def _model(domain: str, version: str, *, is_default: bool) -> ModelEntry:
    return ModelEntry(
        domain, version, "serving", system="plain", task="classify", domain=domain, default=is_default, classes=1,
        levels=["family"], size_px=224, variant="fp32", engine="onnxruntime", licence="Apache-2.0",
    )  # fmt: skip
