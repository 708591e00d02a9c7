"""How the service ends: the gateway first, the workers after it, nothing started again, and everything at a second signal."""

from collections.abc import Callable
from signal import SIGINT, SIGKILL, SIGTERM
from typing import Any

from service.supervisor.supervision import LEAVE_GRACE_S, Phase

BuildStage = Callable[..., Any]


def test_the_drain_ends_the_gateway_first_and_the_workers_after_it(stage: BuildStage) -> None:
    at = stage(workers=2)
    at.all_ready()
    at.supervision.on_signal(SIGTERM)
    assert (at.gateway.signals, at.worker(0).signals) == ([SIGTERM], [])
    at.end(at.gateway, 0)
    assert [at.worker(0).signals, at.worker(1).signals] == [[SIGTERM], [SIGTERM]]
    at.end(at.worker(1), 0)
    assert at.supervision.exit_status is None
    at.end(at.worker(0), 0)
    assert (at.supervision.exit_status, at.supervision.failure) == (0, None)


def test_a_worker_that_crashes_while_the_gateway_drains_is_started_again(stage: BuildStage) -> None:
    at = stage()
    at.all_ready()
    at.supervision.on_signal(SIGTERM)
    at.end(at.worker(), -9)
    at.wait(1)
    assert at.worker().reason == "crash"
    at.ready(at.worker())
    at.end(at.gateway, 0)
    assert at.worker().signals == [SIGTERM]


def test_nothing_is_started_again_after_the_drain_has_reached_it(stage: BuildStage) -> None:
    at = stage(workers=2)
    at.all_ready()
    at.end(at.worker(1))
    at.supervision.on_signal(SIGINT)
    at.end(at.gateway, -9)
    at.wait(1)
    assert len(at.children) == 3
    at.end(at.worker(0), -9)
    assert at.supervision.exit_status == 0


def test_the_gateway_is_not_started_again_once_it_should_end(stage: BuildStage) -> None:
    at = stage()
    at.all_ready()
    at.end(at.gateway, -9)
    at.supervision.on_signal(SIGTERM)
    assert at.worker().signals == [SIGTERM], "there is no gateway to wait for"
    at.wait(1)
    at.end(at.worker(), 0)
    assert (at.supervision.exit_status, len(at.children)) == (0, 2)


def test_nothing_is_started_after_a_second_signal(stage: BuildStage) -> None:
    at = stage(workers=2)
    at.all_ready()
    at.end(at.worker(1))
    at.supervision.on_signal(SIGTERM)
    at.supervision.on_signal(SIGTERM)
    at.wait(1)
    assert len(at.children) == 3


def test_a_drain_that_takes_too_long_is_ended(stage: BuildStage) -> None:
    at = stage(drain_timeout_s=20)
    at.all_ready()
    at.supervision.on_signal(SIGTERM)
    at.live(20 + LEAVE_GRACE_S)
    assert at.gateway.signals == [SIGTERM, SIGKILL]
    at.end(at.gateway, -9)
    at.wait(LEAVE_GRACE_S)
    assert at.worker().signals == [SIGTERM, SIGKILL]
    at.end(at.worker(), -9)
    assert at.supervision.phase is Phase.OVER


def test_a_second_signal_kills_what_is_left(stage: BuildStage) -> None:
    at = stage()
    at.all_ready()
    at.supervision.on_signal(SIGINT)
    at.supervision.on_signal(SIGINT)
    assert [child.signals for child in at.children] == [[SIGTERM, SIGKILL], [SIGKILL]]
    for child in at.children:
        at.end(child, -9)
    assert (at.supervision.exit_status, at.supervision.failure) == (1, "A second signal ended the drain.")


def test_a_signal_during_the_start_ends_it(stage: BuildStage) -> None:
    at = stage()
    at.supervision.on_signal(SIGTERM)
    at.end(at.gateway, -15)
    assert at.worker().signals == [SIGTERM]
    at.end(at.worker(), -15)
    assert at.supervision.exit_status == 0
