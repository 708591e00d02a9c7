"""How children are watched and started again, on a clock that stands still; how they end: `test_supervision_drain.py`."""

from collections.abc import Callable
from signal import SIGKILL, SIGTERM
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.supervisor.slots import PAUSE_LIMIT_S, STABLE_S, START_ATTEMPTS_LIMIT, pause_s
from service.supervisor.supervision import LEAVE_GRACE_S, SILENCE_LEAST_S

BuildStage = Callable[..., Any]


def test_gateway_and_workers_start_side_by_side_and_the_address_is_told_once_all_are_ready(stage: BuildStage) -> None:
    at = stage(workers=2)
    assert [(child.role, child.index, child.reason) for child in at.children] == [
        ("gateway", 0, "start"),
        ("worker", 0, "start"),
        ("worker", 1, "start"),
    ]
    at.ready(at.gateway)
    at.ready(at.worker(0))
    assert at.announced == []
    at.ready(at.worker(1))
    assert at.announced == [("127.0.0.1", 8000, 8001)]

    at.end(at.worker(0))
    at.wait(1)
    at.ready(at.worker(0))
    assert at.announced == [("127.0.0.1", 8000, 8001)]


def test_a_stable_worker_that_crashes_is_started_again_at_once(stage: BuildStage) -> None:
    at = stage()
    at.all_ready()
    at.supervision.on_time()
    at.live(STABLE_S)
    at.end(at.worker(), -11)
    assert at.supervision.seconds_to_due() == 0
    at.wait(0)
    assert (len(at.children), at.worker().reason) == (3, "crash")


def test_a_worker_that_keeps_crashing_soon_after_it_is_ready_waits_longer_each_time_up_to_a_limit(
    stage: BuildStage,
) -> None:
    at = stage()
    at.all_ready()
    pauses = []
    for _ in range(8):
        at.end(at.worker())
        pauses.append(at.supervision.seconds_to_due())
        at.say(at.gateway, "beat")
        at.wait(pauses[-1])
        at.ready(at.worker())
    assert pauses == [0.25, 0.5, 1, 2, 4, 8, 10, 10]
    assert at.supervision.failure is None


def test_the_pause_stays_at_its_limit_for_ever() -> None:
    assert pause_s(0) == 0
    assert pause_s(1_000_000) == PAUSE_LIMIT_S


def test_a_worker_that_ends_again_and_again_before_it_is_ready_makes_the_service_give_up(stage: BuildStage) -> None:
    at = stage()
    at.ready(at.gateway)
    for _ in range(START_ATTEMPTS_LIMIT):
        at.wait(PAUSE_LIMIT_S)
        at.say(at.gateway, "beat")
        at.end(at.worker(), -11)
    assert at.gateway.signals == [SIGTERM]
    at.end(at.gateway, 0)
    assert at.supervision.exit_status == 1
    assert at.supervision.failure == (
        "Worker 0 ended 3 times in a row before it was ready, the last time with signal 11; its lines above say why."
    )


def test_what_a_child_says_before_the_service_was_ready_ends_the_start_with_its_sentence(stage: BuildStage) -> None:
    at = stage()
    at.say(at.worker(), "failed", "CUDAExecutionProvider is missing.")
    at.end(at.worker(), 1)
    assert at.gateway.signals == [SIGTERM]
    at.wait(PAUSE_LIMIT_S)
    at.end(at.gateway, -15)
    assert (at.supervision.exit_status, at.supervision.failure) == (1, "CUDAExecutionProvider is missing.")
    assert len(at.children) == 2


def test_a_restart_that_fails_is_tried_again_and_its_sentence_is_kept_for_the_end(stage: BuildStage) -> None:
    at = stage()
    at.all_ready()
    at.end(at.worker())
    for _ in range(START_ATTEMPTS_LIMIT):
        at.wait(PAUSE_LIMIT_S)
        at.say(at.gateway, "beat")
        at.say(at.worker(), "failed", "The store is empty.")
        assert at.supervision.failure is None
        at.end(at.worker(), 1)
    assert at.supervision.failure == "The store is empty."


def test_a_start_in_between_that_succeeds_forgives_the_failed_ones(stage: BuildStage) -> None:
    at = stage()
    at.all_ready()
    for _ in range(3):
        for _ in range(START_ATTEMPTS_LIMIT - 1):
            at.end(at.worker(), 1)
            at.wait(PAUSE_LIMIT_S)
            at.say(at.gateway, "beat")
        at.ready(at.worker())
    assert at.supervision.failure is None


def test_a_child_that_is_never_ready_is_killed_and_counts_as_failed(stage: BuildStage) -> None:
    at = stage(start_timeout_s=20, stall_timeout_s=30)
    at.ready(at.gateway)
    at.wait(20)
    assert at.worker().signals == [SIGKILL]
    for _ in range(START_ATTEMPTS_LIMIT):
        at.end(at.worker(), -9)
        at.say(at.gateway, "beat")
        at.wait(PAUSE_LIMIT_S)
        at.say(at.gateway, "beat")
        at.wait(20)
    assert at.supervision.failure == "Worker 0 was not ready after 20 s (start_timeout_s)."


@pytest.mark.parametrize("how", ["it says so", "it is silent"])
def test_a_wedged_worker_is_killed_and_started_again_with_that_reason(how: str, stage: BuildStage) -> None:
    at = stage(stall_timeout_s=30)
    at.all_ready()
    wedged = at.worker()
    if how == "it says so":
        at.say(wedged, "wedged", "lane 0 for 31 s")
        at.say(wedged, "wedged", "lane 0 for 32 s")
    else:
        at.wait(15)
        at.say(at.gateway, "beat")
        at.wait(15)
    assert (wedged.signals, at.gateway.signals) == ([SIGKILL], [])
    with capture_logs() as said:
        at.supervision.on_time()
    assert said == []
    at.wait(10)
    assert at.worker() is wedged, "the new one starts when the old one is gone"
    at.end(wedged, -9)
    at.wait(1)
    assert (at.worker().reason, wedged.signals) == ("wedge", [SIGKILL])


def test_beats_keep_children_alive(stage: BuildStage) -> None:
    at = stage(stall_timeout_s=30)
    at.all_ready()
    at.live(300)
    assert [child.signals for child in at.children] == [[], []]


def test_a_short_stall_limit_does_not_make_a_late_beat_deadly(stage: BuildStage) -> None:
    at = stage(stall_timeout_s=0.5)
    at.all_ready()
    at.wait(SILENCE_LEAST_S - 1)
    assert at.worker().signals == []
    at.wait(1)
    assert at.worker().signals == [SIGKILL]


def test_a_worker_above_its_memory_is_drained_only_when_its_successor_is_ready(stage: BuildStage) -> None:
    at = stage()
    at.all_ready()
    at.live(STABLE_S)
    old = at.worker()
    at.say(old, "memory", "5000000000")
    at.say(old, "memory", "5000000001")
    at.wait(0)
    new = at.worker()
    assert (len(at.children), new.reason, old.signals) == (3, "memory", [])
    at.ready(new)
    assert (old.signals, new.signals) == ([SIGTERM], [])
    at.end(old, 0)
    at.live(60)
    assert len(at.children) == 3


def test_workers_that_soon_outgrow_their_bound_are_replaced_ever_more_seldom(stage: BuildStage) -> None:
    at = stage()
    at.all_ready()
    pauses = []
    for _ in range(4):
        worker, children = at.worker(), len(at.children)
        at.say(worker, "memory", "5000000000")
        pauses.append(at.supervision.seconds_to_due())
        at.say(worker, "memory", "5000000000")
        assert len(at.children) == children
        at.say(at.gateway, "beat")
        at.wait(pauses[-1])
        at.ready(at.worker())
        at.end(worker, 0)
    assert pauses == [0.25, 0.5, 1, 2]


def test_a_child_that_cannot_be_started_is_tried_again_and_the_others_serve_on(stage: BuildStage) -> None:
    at = stage(workers=2)
    at.all_ready()
    at.fault = OSError(24, "Too many open files")
    at.end(at.worker(0), -9)
    at.live(2 * PAUSE_LIMIT_S)
    assert (at.supervision.failure, at.gateway.signals, len(at.children)) == (None, [], 3)
    at.fault = None
    at.live(PAUSE_LIMIT_S)
    assert (at.worker(0).reason, len(at.children)) == ("crash", 4)


def test_a_service_of_which_nothing_can_be_started_says_why_and_ends(stage: BuildStage) -> None:
    at = stage(fault=OSError(11, "Resource temporarily unavailable"))
    assert (at.supervision.exit_status, at.children) == (1, [])
    assert at.supervision.failure == "Gateway cannot be started: [Errno 11] Resource temporarily unavailable."


def test_a_drained_worker_that_does_not_leave_is_killed(stage: BuildStage) -> None:
    at = stage(drain_timeout_s=8)
    at.all_ready()
    at.live(STABLE_S)
    old = at.worker()
    at.say(old, "memory", "5000000000")
    at.wait(0)
    at.ready(at.worker())
    at.wait(8 + LEAVE_GRACE_S)
    assert old.signals == [SIGTERM, SIGKILL]


def test_a_successor_that_fails_is_tried_again_while_the_old_worker_serves_on(stage: BuildStage) -> None:
    at = stage()
    at.all_ready()
    at.live(STABLE_S)
    old = at.worker()
    at.say(old, "memory", "5000000000")
    at.wait(0)
    for _ in range(START_ATTEMPTS_LIMIT + 1):
        at.end(at.worker(), 1)
        at.live(PAUSE_LIMIT_S + 1)
    assert (at.supervision.failure, old.signals, at.worker().reason) == (None, [], "memory")


def test_a_worker_that_crashes_while_its_successor_starts_is_not_started_a_third_time(stage: BuildStage) -> None:
    at = stage()
    at.all_ready()
    at.live(STABLE_S)
    old = at.worker()
    at.say(old, "memory", "5000000000")
    at.wait(0)
    at.end(old, -9)
    at.wait(1)
    at.ready(at.worker())
    assert len(at.children) == 3


def test_the_address_of_the_first_gateway_is_kept_for_its_successors(stage: BuildStage) -> None:
    at = stage(port=0)
    at.say(at.gateway, "ready", "::1 43210 43211")
    assert at.supervision.address == ("::1", 43210, 43211)
