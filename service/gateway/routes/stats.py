"""`/v1/stats`: how the service is doing, for the page that shows it at work.

The figures of Prometheus are on the internal port, which a page cannot reach; here are the few that it draws.
"""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from service.bus.base import GatewayBus
from service.gateway.openapi import answers
from service.gateway.routes.health import WorkerState, describe_worker
from service.metrics import Metrics, Questions


class Stats(msgspec.Struct, frozen=True):
    """What was counted since the gateway began, who waits for a worker, whom workers hold, and the workers."""

    questions: Questions
    queued: int
    inflight: int
    workers: list[WorkerState]


SCHEMAS = (Stats,)


def stats_routes(bus: GatewayBus, metrics: Metrics) -> APIRouter:
    """Make the route."""
    routes = APIRouter(tags=["operation"], default_response_class=Response)

    @routes.get("/v1/stats", summary="How it is doing", responses=answers(Stats))
    async def show_stats() -> Any:
        queued = sum(route.queued for route in bus.routes())
        workers = [describe_worker(worker) for worker in bus.workers()]
        stats = Stats(metrics.questions(), queued, bus.inflight, workers)
        return Response(msgspec.json.encode(stats), media_type="application/json")

    return routes
