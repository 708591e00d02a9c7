"""What happens to a request between the bus and its answer."""

from __future__ import annotations

import msgspec
import pytest

from service.answers import ClassifyAnswer
from service.worker.desk import Desk, Work
from service.worker.loop import Loop
from service.worker.watchdog import Watchdog
from tests.service.worker.fakes import Clock, FakePlan, MemoryBus, make_work, results_of


class Bench:
    """A loop with a clock and one desk."""

    def __init__(self, curve_ms: dict[int, float] | None = None) -> None:
        self.clock = Clock()
        self.watchdog = Watchdog(30, self.clock)
        self.loop = Loop(self.watchdog, self.clock)
        self.plan = FakePlan(curve_ms, self.clock)
        self.bus = MemoryBus()
        self.desk = Desk(self.bus)

    def work(self, number: int = 1, photo: bytes = b"good", deadline: float = 1e9) -> Work:
        return make_work(self.plan, number, photo, desk=self.desk, deadline=deadline)

    def ready(self, *photos: bytes) -> list[Work]:
        batch = [self.work(number, photo) for number, photo in enumerate(photos)]
        assert all(self.loop.prepare(work) for work in batch)
        return batch


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_good_photo_is_answered_with_its_times(bench: Bench) -> None:
    bench.loop.infer(bench.ready(b"good"))
    result, body = bench.bus.results.get_nowait()
    assert (result.error, result.model, result.batch, result.confidence) == (None, "fake@1", 1, 1.0)
    assert result.infer_ms == pytest.approx(10)
    assert msgspec.json.decode(body, type=ClassifyAnswer).predictions[0].class_id == "good"


def test_expired_work_is_not_decoded(bench: Bench) -> None:
    work = bench.work(deadline=bench.clock.now)
    assert not bench.loop.prepare(work)
    assert results_of(bench.desk)[1].error == "deadline"
    assert not bench.plan.prepared.acquire(blocking=False)


def test_work_that_expires_after_decoding_is_not_inferred(bench: Bench) -> None:
    late, good = bench.work(1, deadline=bench.clock.now + 1), bench.work(2)
    assert bench.loop.prepare(late)
    assert bench.loop.prepare(good)
    bench.clock.sleep(1)
    bench.loop.infer([late, good])
    assert {number: result.error for number, result in results_of(bench.desk).items()} == {1: "deadline", 2: None}
    assert bench.plan.batches == [[b"good"]]


def test_cancelled_work_is_neither_decoded_nor_inferred(bench: Bench) -> None:
    early, (decoded,) = bench.work(7), bench.ready(b"good")
    bench.desk.cancel(7)
    bench.desk.cancel(decoded.request.id)
    assert not bench.loop.prepare(early)
    bench.loop.infer([decoded])
    assert {result.error for result in results_of(bench.desk).values()} == {"client-closed"}
    assert bench.plan.batches == []


def test_a_photo_that_cannot_be_decoded_fails_alone(bench: Bench) -> None:
    batch = [bench.work(1, b"bad"), bench.work(2)]
    bench.loop.infer([work for work in batch if bench.loop.prepare(work)])
    results = results_of(bench.desk)
    assert (results[1].error, results[1].detail) == ("unprocessable-image", "it is bad")
    assert results[2].error is None


def test_a_batch_that_fails_is_run_member_by_member_once(bench: Bench) -> None:
    bench.loop.infer(bench.ready(b"one", b"sick", b"two"))
    assert bench.plan.batches == [[b"one", b"sick", b"two"], [b"one"], [b"sick"], [b"two"]]
    assert {number: result.error for number, result in results_of(bench.desk).items()} == {
        0: None,
        1: "internal",
        2: None,
    }


def test_a_failed_batch_teaches_the_curve_nothing(bench: Bench) -> None:
    bench.loop.infer(bench.ready(b"sick", b"two"))
    assert bench.plan.curve.predict_ms(2) == 20


def test_a_good_batch_refines_the_curve(bench: Bench) -> None:
    bench.plan.curve.observe(1, 40)
    bench.loop.infer(bench.ready(b"one"))
    assert bench.plan.curve.predict_ms(1) == pytest.approx(37)


def test_what_allows_no_answer_is_refused_and_a_picture_takes_the_answers_place(bench: Bench) -> None:
    refused, drawn = bench.ready(b"nothing known", b"to be drawn")
    bench.loop.infer([refused, drawn])
    (first, none), (second, body) = (bench.bus.results.get_nowait() for _ in range(2))
    assert (first.error, first.detail, none) == ("no-known-subject", "it is nothing", b"")
    assert (second.error, body) == (None, b"a picture")


@pytest.mark.parametrize("photo", [b"bug in prepare", b"bug in infer", b"bug in finish"])
def test_a_fault_of_ours_costs_one_answer_and_no_lane(bench: Bench, photo: bytes) -> None:
    work = bench.work(1, photo)
    if bench.loop.prepare(work):
        bench.loop.infer([work])
    result = results_of(bench.desk)[1]
    assert (result.error, result.detail) == ("internal", "Internal error")
    assert bench.watchdog.busy_s() == pytest.approx(0.01 if photo != b"bug in prepare" else 0)


def test_the_encoded_photo_is_let_go_once_it_is_decoded(bench: Bench) -> None:
    (work,) = bench.ready(b"good")
    assert not work.images
