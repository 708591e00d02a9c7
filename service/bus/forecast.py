"""How long a new job would wait: the work ahead of it, divided by the rate measured from completions.

Owns the cost of each route and how the workers share the routes. All routes that share workers wait for each other, so
the work ahead is counted over all of them, each with its own cost. Pure; the dispatcher feeds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from service.bus.base import RouteView
from service.bus.links import Worker
from service.bus.messages import Priority
from service.bus.queue import WaitingQueue
from service.bus.recovery import Recovery
from service.catalog import RouteInfo

MEMORY = 32  # completions that the running mean of a route's cost looks back over


@dataclass(slots=True)
class Cost:
    """Worker-seconds per request of one route: a running mean that begins with the announced cost as one sample."""

    seconds: float
    samples: int = 1

    def observe(self, seconds: float) -> None:
        """Take in one completion."""
        self.samples = min(self.samples + 1, MEMORY)
        self.seconds += (seconds - self.seconds) / self.samples


@dataclass(frozen=True, slots=True)
class Pool:
    """The workers that can take a route's requests; `lanes` is how many they work on at once."""

    info: RouteInfo
    workers: Sequence[Worker]
    lanes: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lanes", sum(worker.hello.lanes for worker in self.workers))


class Load(NamedTuple):
    """What stands before a new job: the predicted wait, its own run, and the queue as it is."""

    wait_s: float
    service_s: float
    queued: int
    queued_bytes: int


class Forecast:
    """Costs, pools and the predictions made from them."""

    def __init__(self, queue: WaitingQueue, recovery: Recovery, bulk_share: float) -> None:
        self._queue = queue
        self._recovery = recovery
        self._bulk_share = bulk_share
        self._costs: dict[str, Cost] = {}
        self._pools: dict[str, Pool] = {}

    def workers_of(self, route: str) -> Sequence[Worker]:
        """The workers that take this route's requests now."""
        pool = self._pools.get(route)
        return pool.workers if pool else ()

    def views(self) -> list[RouteView]:
        """The routes that can be completed now, with their depth, predicted wait and rate."""
        depth = self._recovery.counts()
        for priority in Priority:
            depth.update(dict(self._queue.waiting(priority)))
        return [
            RouteView(
                route=route,
                model=pool.info.model,
                queued=depth[route],
                predicted_wait_s=self.wait_s(route, Priority.INTERACTIVE),
                rate_per_s=self.rate_per_s(route),
            )
            for route, pool in self._pools.items()
        ]

    def regroup(self, workers: Iterable[Worker]) -> None:
        """Learn which workers take requests now; called whenever one comes, drains or goes.

        A route's measured cost outlives its workers, so that a restarted one is not judged by its announcement again.
        """
        pools: dict[str, list[Worker]] = {}
        infos: dict[str, RouteInfo] = {}
        for worker in workers:
            for route, info in worker.routes.items():
                pools.setdefault(route, []).append(worker)
                infos[route] = info
                if route not in self._costs:
                    self._costs[route] = Cost(info.expected_ms / 1000 / worker.hello.lanes)
        self._pools = {route: Pool(infos[route], members) for route, members in pools.items()}

    def observe(self, route: str, seconds: float) -> None:
        """Take in the cost of one completed request, in worker-seconds."""
        self._costs[route].observe(seconds)

    def cost_s(self, route: str) -> float:
        """Worker-seconds that a request of this route takes."""
        return self._costs[route].seconds

    def service_s(self, route: str) -> float:
        """Seconds that a request of this route runs, once it has a lane."""
        pool = self._pools[route]
        return self.cost_s(route) * pool.lanes / len(pool.workers)

    def rate_per_s(self, route: str) -> float:
        """Requests per second that the route's workers sustain, if they do nothing else."""
        return len(self._pools[route].workers) / self.cost_s(route)

    def load(self, route: str, priority: Priority) -> Load:
        """What stands before a job that comes now."""
        return Load(
            wait_s=self.wait_s(route, priority),
            service_s=self.service_s(route),
            queued=len(self._queue) + len(self._recovery.waiting),
            queued_bytes=self._queue.size_bytes + self._recovery.waiting.size_bytes,
        )

    def wait_s(self, route: str, priority: Priority) -> float:
        """Seconds until a job that comes now would begin to run: 0 while a lane is free.

        Of the requests ahead all but those that other lanes still run must have finished. Interactive jobs yield the
        bulk share while bulk waits; bulk waits for everything ahead of it, or for its own share of the time.
        """
        pool = self._pools[route]
        if (
            not self._queue
            and not self._recovery.waiting
            and sum(len(worker.held) for worker in pool.workers) < pool.lanes
        ):
            return 0.0
        held = sum(self.cost_s(other.ticket.job.route) for worker in pool.workers for other in worker.held.values())
        running = held + self._suspected_s(pool) - (pool.lanes - 1) * self.cost_s(route)
        interactive = self._queued_s(pool, Priority.INTERACTIVE)
        bulk = self._queued_s(pool, Priority.BULK)
        if priority is Priority.BULK:
            ahead = interactive + bulk
            if self._bulk_share:
                ahead = min(ahead, bulk / self._bulk_share)
        else:
            ahead = interactive + min(bulk, interactive * self._bulk_share / max(1e-3, 1 - self._bulk_share))
        return max(0.0, running + ahead) / len(pool.workers)

    def _queued_s(self, pool: Pool, priority: Priority) -> float:
        """Queued work that falls to this pool's workers, in worker-seconds."""
        return sum(
            count * self.cost_s(route) * self._overlap(route, pool) for route, count in self._queue.waiting(priority)
        )

    def _suspected_s(self, pool: Pool) -> float:
        """Work of waiting suspects: each has a whole worker to itself."""
        if not self._recovery.waiting:
            return 0.0
        return sum(
            count * self.service_s(route) * self._overlap(route, pool)
            for route, count in self._recovery.counts().items()
            if route in self._pools
        )

    def _overlap(self, route: str, pool: Pool) -> float:
        """Share of a route's work that is done by the workers of `pool`."""
        other = self._pools.get(route)
        if other is None:
            return 0.0  # nobody can take it now, so it stands in nobody's way
        if other is pool or other.workers == pool.workers:
            return 1.0
        return sum(worker in pool.workers for worker in other.workers) / len(other.workers)
