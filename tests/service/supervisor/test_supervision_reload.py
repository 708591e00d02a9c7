"""Reloads: fresh workers for all, one after another, and never at the price of those that serve."""

from collections.abc import Callable
from signal import SIGTERM
from typing import Any

from service.supervisor.slots import START_ATTEMPTS_LIMIT

BuildStage = Callable[..., Any]


def test_a_reload_replaces_one_worker_after_the_other(stage: BuildStage) -> None:
    at = stage(workers=2)
    at.all_ready()
    old = [at.worker(0), at.worker(1)]
    at.say(at.gateway, "reload")
    assert [(child.index, child.reason) for child in at.children[3:]] == [(0, "reload")]
    at.ready(at.worker(0))
    assert [(child.index, child.reason) for child in at.children[4:]] == [(1, "reload")]
    assert [worker.signals for worker in old] == [[SIGTERM], []]
    at.ready(at.worker(1))
    for worker in old:
        at.end(worker, 0)
    at.live(60)
    assert len(at.children) == 5


def test_a_reload_waits_for_a_worker_that_starts_and_replaces_it_too(stage: BuildStage) -> None:
    """It may have read its bundles before they changed."""
    at = stage()
    at.ready(at.gateway)
    at.say(at.gateway, "reload")
    first = at.worker()
    assert len(at.children) == 2
    at.ready(first)
    assert (at.worker() is first, at.worker().reason) == (False, "reload")


def test_a_reload_whose_worker_cannot_start_leaves_the_old_one_serving(stage: BuildStage) -> None:
    at = stage()
    at.all_ready()
    old = at.worker()
    at.say(at.gateway, "reload")
    for _ in range(START_ATTEMPTS_LIMIT + 1):
        at.end(at.worker(), 1)
        at.live(11)
    assert (at.supervision.failure, old.signals, at.worker().reason) == (None, [], "reload")


def test_nothing_is_reloaded_while_the_service_ends(stage: BuildStage) -> None:
    at = stage()
    at.all_ready()
    at.supervision.on_signal(SIGTERM)
    at.say(at.gateway, "reload")
    assert len(at.children) == 2
