"""`/healthz` and `/readyz`: the process answers; a request would succeed, and with whom."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from service.bus.base import GatewayBus, Reach, RouteView, WorkerView
from service.gateway.openapi import answers
from service.gateway.router import Router
from service.slowness import watchers


class Alive(msgspec.Struct, frozen=True):
    """The gateway's process answers."""

    status: Literal["alive"] = "alive"


class WorkerState(msgspec.Struct, frozen=True):
    """One connected worker; `memory_bytes` and `busy_ratio` are of its last heartbeat.

    `slow_paths` names what makes it slower than it could be.
    """

    name: str
    device: str
    lanes: int
    held: int
    is_draining: bool
    memory_bytes: int | None
    busy_ratio: float | None
    slow_paths: list[str]


class RouteState(msgspec.Struct, frozen=True):
    """One route that can be completed: who waits, how long a new request would, and the measured rate."""

    route: str
    model: str
    queued: int
    predicted_wait_ms: float
    rate_per_s: float


class RefusedModel(msgspec.Struct, frozen=True):
    """A bundle that is not served, and why."""

    model: str
    faults: list[str]


class Ready(msgspec.Struct, frozen=True):
    """Whether a request would succeed now: all that is told to whoever brings no key where keys are asked for."""

    status: Literal["ready", "not-ready"]


class Readiness(msgspec.Struct, frozen=True):
    """Whether a request would succeed now. `slow_paths` names what makes the gateway slower than it could be.

    `bus` tells whose workers are in reach: `local`, the host's own; `redis`, those of other hosts too; `local-only`, the
    host's own while Redis cannot be reached.
    """

    status: Literal["ready", "not-ready"]
    bus: Reach
    workers: list[WorkerState]
    routes: list[RouteState]
    refused: list[RefusedModel]
    slow_paths: list[str]


SCHEMAS = (Alive, Ready, Readiness)


def health_routes(bus: GatewayBus, router: Router, *, in_full: bool = True) -> APIRouter:
    """Make the routes that a supervisor and a balancer ask; `in_full` says who serves, too."""
    routes = APIRouter(tags=["operation"], default_response_class=Response)

    @routes.get("/healthz", summary="Is the process alive", responses=answers(Alive))
    async def show_health() -> Any:
        return Response(msgspec.json.encode(Alive()), media_type="application/json")

    shape = Readiness if in_full else Ready

    @routes.get("/readyz", summary="Can it serve", responses=answers(shape, unready=shape))
    async def show_readiness() -> Any:
        state = _readiness(bus, router) if in_full else Ready("ready" if can_serve(bus) else "not-ready")
        status = 200 if state.status == "ready" else 503
        return Response(msgspec.json.encode(state), status, media_type="application/json")

    return routes


def can_serve(bus: GatewayBus, route: str | None = None) -> bool:
    """Tell whether a request would succeed now: any, or one for this route of the bus."""
    served = {view.route for view in bus.routes()}
    return (bool(served) if route is None else route in served) and any(not worker.draining for worker in bus.workers())


def _readiness(bus: GatewayBus, router: Router) -> Readiness:
    refused = [model for model in router.models() if model.status == "refused"]
    return Readiness(
        status="ready" if can_serve(bus) else "not-ready",
        bus=bus.reach,
        workers=[describe_worker(worker) for worker in bus.workers()],
        routes=[_route_state(route) for route in bus.routes()],
        refused=[RefusedModel(model.identity, model.faults) for model in refused],
        slow_paths=_slow_paths(),
    )


def describe_worker(worker: WorkerView) -> WorkerState:
    """Tell of one worker what its last heartbeat told."""
    hello, heartbeat = worker.hello, worker.heartbeat
    return WorkerState(
        name=hello.worker,
        device=hello.device,
        lanes=hello.lanes,
        held=worker.held,
        is_draining=worker.draining,
        memory_bytes=heartbeat.memory_bytes if heartbeat else None,
        busy_ratio=heartbeat.busy_ratio if heartbeat else None,
        slow_paths=hello.slow_paths,
    )


def _route_state(route: RouteView) -> RouteState:
    return RouteState(
        route.route, route.model, route.queued, round(route.predicted_wait_s * 1000, 3), round(route.rate_per_s, 3)
    )


def _slow_paths() -> list[str]:
    debugging = ["asyncio runs in debug mode"] if asyncio.get_running_loop().get_debug() else []
    return debugging + watchers()
