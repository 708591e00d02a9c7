"""The two thread layouts: same loop, different threads and batch sizes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from models.manifest import read_manifest
from models.sections import Fake
from service.answers import Parameters
from service.engine.backends.testing import SlowBackend
from service.engine.bundle import load_bundle
from service.engine.tasks.classify import ClassifyPlan
from service.settings import Settings
from service.worker.backlog import Backlog
from service.worker.desk import Desk, Work
from service.worker.lanes import Lanes
from service.worker.layout import choose_layout
from service.worker.loop import Loop
from service.worker.pipeline import Pipeline
from service.worker.watchdog import Watchdog
from tests.bundles import make_bundle, solid_photo
from tests.service.worker.fakes import WAIT_S, Clock, FakePlan, MemoryBus, delivery, make_work


class HeldPlan(FakePlan):
    """A plan whose device is busy until the test lets it go on."""

    def __init__(self, curve_ms: dict[int, float] | None = None) -> None:
        super().__init__(curve_ms)
        self.entered, self.released = threading.Semaphore(0), threading.Semaphore(0)

    def infer(self, batch: Sequence[bytes]) -> list[bytes]:
        self.entered.release()
        assert self.released.acquire(timeout=WAIT_S)
        return super().infer(batch)


class CountedBacklog(Backlog):
    """Says how many were put into it."""

    def __init__(self) -> None:
        super().__init__()
        self.count = threading.Semaphore(0)

    def put(self, work: Work) -> None:
        super().put(work)
        self.count.release()


def loop() -> Loop:
    return Loop(Watchdog(30))


def test_each_lane_carries_one_request() -> None:
    plan, desk = HeldPlan(), Desk(MemoryBus())
    lanes = Lanes(loop(), [plan], 2)
    lanes.start()
    for number in range(3):
        lanes.submit(make_work(plan, number, desk=desk))
    for _ in range(2):
        assert plan.entered.acquire(timeout=WAIT_S)
    assert not plan.entered.acquire(blocking=False)
    plan.released.release(3)
    assert desk.wait_idle(WAIT_S)
    lanes.close(WAIT_S)
    assert [len(batch) for batch in plan.batches] == [1, 1, 1]


def test_a_lane_takes_several_where_the_curve_says_that_it_pays() -> None:
    plan, desk = HeldPlan({1: 10.0, 2: 12.0}), Desk(MemoryBus())
    lanes = Lanes(loop(), [plan], 1)
    lanes.start()
    lanes.submit(make_work(plan, 0, desk=desk))
    assert plan.entered.acquire(timeout=WAIT_S)
    for number in range(1, 4):
        lanes.submit(make_work(plan, number, desk=desk))
    plan.released.release(3)
    assert desk.wait_idle(WAIT_S)
    lanes.close(WAIT_S)
    assert [len(batch) for batch in plan.batches] == [1, 2, 1]


def test_the_pipeline_batches_what_became_ready_while_the_device_was_busy() -> None:
    plan, desk = HeldPlan({1: 10.0, 2: 12.0, 4: 15.0}), Desk(MemoryBus())
    pipeline = Pipeline(loop(), [plan], decoders=2)
    pipeline._ready = ready = CountedBacklog()
    pipeline.start()
    pipeline.submit(make_work(plan, 0, desk=desk))
    assert plan.entered.acquire(timeout=WAIT_S)  # an idle device takes the first at once, alone
    for number in range(1, 8):
        pipeline.submit(make_work(plan, number, desk=desk))
    for _ in range(8):
        assert ready.count.acquire(timeout=WAIT_S)
    plan.released.release(3)
    assert desk.wait_idle(WAIT_S)
    pipeline.close(WAIT_S)
    assert [len(batch) for batch in plan.batches] == [1, 4, 3]


@pytest.mark.parametrize(
    ("fake", "sizes", "busy_ms"),
    [
        (Fake(base_ms=8, item_ms=2), [8, 2], 36),  # 24 + 12: per photo 10, 6, 4, 3
        (Fake(base_ms=0, item_ms=5), [1] * 10, 50),  # nothing to gain
        (Fake(base_ms=2, item_ms=5), [2] * 5, 60),  # 7, 6, then 5.5: the second step gains too little
    ],
)
def test_batches_follow_the_known_curve_of_a_fake_device(
    tmp_path: Path, fake: Fake, sizes: list[int], busy_ms: float
) -> None:
    clock = Clock()
    curve = {size: fake.base_ms + fake.item_ms * size for size in (1, 2, 4, 8)}
    folder = make_bundle(tmp_path, backend="slow", fake=fake, batch_curve_ms=curve)
    bundle = load_bundle(folder, lambda _: SlowBackend(clock.sleep), 16)
    plan = ClassifyPlan("classify/colours", bundle)
    watchdog = Watchdog(30, clock)
    steps, desk = Loop(watchdog, clock), Desk(MemoryBus())
    pipeline = Pipeline(steps, [plan], decoders=1, clock=clock)
    for number in range(10):
        work = desk.accept(delivery(number, solid_photo(), plan.route), plan)
        assert steps.prepare(work)
        pipeline._ready.put(work)
    pipeline._ready.close()
    steps.run(pipeline._take)
    results = [desk.bus.results.get_nowait()[0] for _ in range(10)]  # type: ignore[attr-defined]
    assert [result.batch for result in results] == [size for size in sizes for _ in range(size)]
    assert watchdog.busy_s() == pytest.approx(busy_ms / 1000)


def test_credit_is_what_the_layout_holds_and_two_more() -> None:
    steep, flat = FakePlan({1: 10.0, 2: 12.0}), FakePlan()
    assert Lanes(loop(), [flat], 3).credit == 5
    assert Lanes(loop(), [flat, steep], 3).credit == 8
    pipeline = Pipeline(loop(), [flat, steep], decoders=3)
    assert (pipeline.lanes, pipeline.credit) == (2, 6)


@pytest.mark.parametrize(("device", "kind"), [("cpu", Lanes), ("cuda", Pipeline), ("tensorrt", Pipeline)])
def test_the_device_chooses_the_layout(device: str, kind: type) -> None:
    assert isinstance(choose_layout(Settings(device=device, lanes=3), loop(), [FakePlan()]), kind)


def test_a_real_plan_answers_each_member_of_a_batch_as_it_would_alone(tmp_path: Path) -> None:
    bundle_folder = make_bundle(tmp_path)
    assert read_manifest(bundle_folder).name == "colours"
    from service.engine.backends.ort import OrtBackend

    plan = ClassifyPlan("classify/colours", load_bundle(bundle_folder, lambda _: OrtBackend(), 16))
    photos = [solid_photo(colour) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    prepared = [plan.prepare([photo], Parameters(explain=index == 1)) for index, photo in enumerate(photos)]
    together = [plan.finish(p, s).answer for p, s in zip(prepared, plan.infer(prepared), strict=True)]
    alone = [plan.finish(p, plan.infer([p])[0]).answer for p in prepared]
    assert together == alone
