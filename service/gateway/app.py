"""The gateway's application: its routes, the edge around them, and the error forms of the framework's own refusals.

Owns how the parts are put together. It holds no state beyond them and starts nothing; `main.py` runs it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from service.bus.base import GatewayBus
from service.errors import BadRequest, FieldmarkError, MethodNotAllowed, NotFound
from service.gateway.edge import Edge, Observer
from service.gateway.exchange import exchange_of
from service.gateway.guard import OPEN_PATHS, Guard
from service.gateway.keyring import KeyRing
from service.gateway.openapi import describe
from service.gateway.problems import write_failure
from service.gateway.router import Router
from service.gateway.routes import admin, console, docs, figures, health, inference, models, photos, stats
from service.gateway.schema import PHOTO_TASKS, AskSchema
from service.gateway.uploads import UploadLimits
from service.keys import Scope as KeyScope
from service.metrics import BusCollector, Metrics
from service.settings import Settings


def create_app(
    settings: Settings,
    bus: GatewayBus,
    metrics: Metrics,
    ring: KeyRing | None = None,
    observers: Sequence[Observer] = (),
) -> Front:
    """Put the application together; with a `ring`, every question needs a key of it. `observers` see every request."""
    # It warns of every broken form, which is the caller's to know and says so to the caller.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
    router = Router(lambda: bus.hellos)
    metrics.registry.register(BusCollector(bus, router.models))
    schemas = {task: AskSchema(settings.timeout_ms, settings.timeout_limit_ms, task) for task in PHOTO_TASKS}
    limits = UploadLimits(settings.body_limit_bytes, settings.field_limit_bytes)

    app = _bare_app()
    hot: dict[tuple[str, str], ASGIApp] = {}
    for task, schema in schemas.items():
        endpoint = photos.PhotoTask(task, bus, router, schema, limits, metrics)
        path = photos.path_of(task)
        app.router.routes.append(Route(path, endpoint, methods=["POST"], name=task, include_in_schema=False))
        hot["POST", path] = Edge(Guard(endpoint, ring, KeyScope.INFER) if ring else endpoint, metrics, observers)
    app.router.routes.extend(inference.InferenceApi(bus, router, schemas["classify"], limits, metrics).routes())
    app.include_router(models.models_routes(router))
    app.include_router(stats.stats_routes(bus, metrics))
    app.include_router(health.health_routes(bus, router, in_full=ring is None))
    app.include_router(console.console_routes())
    described = models.SCHEMAS + stats.SCHEMAS + health.SCHEMAS
    open_paths = OPEN_PATHS if ring is not None else None
    app.include_router(docs.docs_routes(cache(lambda: describe(app.routes, schemas, described, open_paths))))
    if ring is not None:
        app.add_middleware(Guard, ring=ring, needed=KeyScope.INFER)
    app.add_middleware(Edge, metrics=metrics, observers=observers)
    return Front(app, hot)


def create_internal_app(
    bus: GatewayBus, metrics: Metrics, reload: Callable[[], bool], ring: KeyRing | None = None
) -> FastAPI:
    """Put together what the internal port serves; with a `ring`, administration needs a key of it. `reload`: `admin_routes`."""
    app = _bare_app()
    app.include_router(admin.admin_routes(reload))
    app.include_router(figures.figures_routes(metrics))
    app.include_router(health.health_routes(bus, Router(lambda: bus.hellos)))
    if ring is not None:
        app.add_middleware(
            Guard, ring=ring, needed=KeyScope.ADMIN, open_paths=("/metrics", "/healthz", "/readyz"), open_folders=()
        )
    app.add_middleware(Edge, metrics=metrics)
    return app


def _bare_app() -> FastAPI:
    """An application without any route, whose refusals have the service's own form."""
    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.add_exception_handler(HTTPException, _refuse)
    return app


class Front:
    """Chooses who answers: a hot endpoint by its method and path, or the framework's application.

    The framework's layers cost as much as a hot endpoint itself; each stands among its routes as well.
    """

    def __init__(self, app: FastAPI, hot: Mapping[tuple[str, str], ASGIApp]) -> None:
        self.app = app
        self._hot = hot

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer one request."""
        return self._hot.get((scope["method"], scope["path"]), self.app)(scope, receive, send)


async def _refuse(request: Request, error: Exception) -> Response:
    """Give a refusal of the framework's router the service's own form."""
    assert isinstance(error, HTTPException)  # noqa: S101 - for the type checker; registered for nothing else
    fault = _fault_of(request, error.status_code)
    body, described = write_failure(fault, exchange_of(request.scope).request_id, request.url.path)
    headers = {name.decode(): value.decode() for name, value in described}
    if error.status_code == MethodNotAllowed.status:
        headers |= error.headers or {}
    return Response(body, fault.status, headers)


def _fault_of(request: Request, status: int) -> FieldmarkError:
    path = request.url.path[:64]
    if status == NotFound.status:
        return NotFound(f"There is no {path}; /docs lists what there is.")
    if status == MethodNotAllowed.status:
        return MethodNotAllowed(f"{path} does not take {request.method[:16]}.")
    return BadRequest(f"{path} cannot be asked this way.")
