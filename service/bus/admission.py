"""Whether a job may enter the queue, and when a refused client should come back.

A job is refused when it would wait longer than it may, or when the queue is full by count or by bytes; also when its time
is over, nobody serves its route, its photos are poison, or the service drains. What the wait will be is the forecast's
business; this file owns the rules and the promise that a refusal makes.

The promise: whoever comes back once after `Retry-After` should get in. Two things stand against it. Clients told the
same time come back as one wave, so each refusal books a place in a line of returns: they come at a part of the measured
rate and leave the rest to new clients. And while the overload lasts, a client that comes back meets it again; so the
first return is put where the overload has presumably ended: an overload is taken to last as long again as it has lasted,
and a few seconds at least.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from service.bus.base import Counters, Job
from service.bus.forecast import Forecast, Load
from service.bus.messages import Priority
from service.bus.queue import Ticket
from service.bus.recovery import PhotoMemory, Verdict
from service.errors import DeadlineExceeded, NotReady, Overloaded, Poison
from service.settings import Settings

RETURN_SHARE = 0.4  # of the rate is given to returning clients; new ones may then bring a load of 0.6
SHORTEST_OVERLOAD_S = 5.0  # how long an overload is taken to last at least
CALM_S = 2.0  # without a refusal for so long an overload has ended
RETURN_LIMIT_S = 60.0  # nobody is sent away for longer
RESTART_S = 3  # a worker that is started again is ready after so long


class Returns:
    """The line of returns: when the clients that were refused are told to come back."""

    def __init__(self) -> None:
        self._overload_began = -math.inf
        self._last_refusal = -math.inf
        self._last_return = -math.inf

    def book(self, now: float, drain_s: float, interval_s: float) -> float:
        """Seconds from now until the next free place in the line."""
        if now - self._last_refusal > CALM_S:
            self._overload_began = now
        self._last_refusal = now
        age = now - self._overload_began
        overload_ends = self._overload_began + max(SHORTEST_OVERLOAD_S, 2 * age)
        free_from = max(now + drain_s, overload_ends, self._last_return + interval_s / RETURN_SHARE)
        self._last_return = min(free_from, now + RETURN_LIMIT_S)
        return self._last_return - now


class Admission:
    """The door to the queue. `is_closed` once the service drains; `random` gives numbers in 0..1 for the jitter.

    It asks the forecast what waits and the memory of photos what is poison, and counts what it refuses.
    """

    def __init__(
        self,
        settings: Settings,
        forecast: Forecast,
        memory: PhotoMemory,
        counters: Counters,
        random: Callable[[], float],
    ) -> None:
        self.is_closed = False
        self._forecast = forecast
        self._memory = memory
        self._counters = counters
        self._max_wait_s = settings.max_queue_wait_ms / 1000
        self._limit = settings.queue_limit
        self._limit_bytes = settings.queue_limit_bytes
        self._random = random
        self._returns = Returns()

    def admit(self, ticket: Ticket, now: float) -> None:
        """Let a job in, marked if its photos are suspect, or raise as `GatewayBus.submit` says."""
        job = ticket.job
        left_s = job.deadline - now
        if left_s <= 0:
            self._counters.expired += 1
            raise DeadlineExceeded("The time that timeout_ms gives was over before the photo was there.")
        if self.is_closed:
            self._counters.refused["not-ready"] += 1
            raise NotReady("the service is shutting down")
        if not self._forecast.workers_of(job.route):
            self._counters.refused["not-ready"] += 1
            raise NotReady(f"no worker serves {job.route} now", retry_after_s=RESTART_S + self._jitter_s())
        verdict = self._memory.verdict(job.images, now)
        if verdict is Verdict.POISON:
            self._counters.refused["poison"] += 1
            raise Poison
        ticket.suspect = verdict is Verdict.SUSPECT
        load = self._forecast.load(job.route, job.priority)
        refusal = self.refusal(load, job.priority, ticket.size_bytes, left_s)
        if refusal:
            self._counters.refused[refusal[0]] += 1
            rate_per_s = self._forecast.rate_per_s(job.route)
            raise self._overloaded(*refusal, now=now, drain_s=load.wait_s, rate_per_s=rate_per_s)

    def refusal(self, load: Load, priority: Priority, size_bytes: int, left_s: float) -> tuple[str, str] | None:
        """Why a job of `size_bytes` with `left_s` seconds to live is refused: (reason, sentence), or None.

        A job that would run at once is never refused for its short life: only waiting is admission's business.
        """
        if load.queued >= self._limit:
            return "count", f"{load.queued} requests are waiting, the limit is {self._limit}"
        if load.queued_bytes + size_bytes > self._limit_bytes:
            return "bytes", f"{load.queued_bytes + size_bytes} bytes would be waiting, the limit is {self._limit_bytes}"
        if priority is Priority.INTERACTIVE and load.wait_s > self._max_wait_s:
            return "wait", f"the request would wait {load.wait_s:.2f} s, the limit is {self._max_wait_s:.2f} s"
        if load.wait_s > 0 and load.wait_s + load.service_s > left_s:
            return "deadline", f"the request would wait {load.wait_s:.2f} s and has {left_s:.2f} s left"
        return None

    def turn_away(self, job: Job, now: float) -> Overloaded:
        """The refusal of a job that was let in and then did not fit into the way to a worker."""
        self._counters.refused["room"] += 1
        size_bytes = sum(map(len, job.images))
        sentence = f"there is no room now for {size_bytes} bytes on the way to another host"
        if not self._forecast.workers_of(job.route):
            return Overloaded(sentence, retry_after_s=RESTART_S + self._jitter_s())
        wait_s, rate_per_s = self._forecast.wait_s(job.route, job.priority), self._forecast.rate_per_s(job.route)
        return self._overloaded("room", sentence, now=now, drain_s=wait_s, rate_per_s=rate_per_s)

    def _overloaded(self, reason: str, sentence: str, *, now: float, drain_s: float, rate_per_s: float) -> Overloaded:
        """The refusal with its `Retry-After`; `drain_s` is the predicted wait, `rate_per_s` what the route sustains.

        A job that is in too great a hurry for an ordinary queue is no sign of overload: its client may come back when
        that queue has drained.
        """
        if reason != "deadline":
            drain_s = self._returns.book(now, drain_s, 1 / rate_per_s)
        return Overloaded(sentence, retry_after_s=max(1, math.ceil(drain_s)) + self._jitter_s())

    def _jitter_s(self) -> int:
        return int(self._random() < 0.5)
