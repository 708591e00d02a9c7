"""`/metrics`: the figures of the whole host for Prometheus, on the internal port."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from service.metrics import CONTENT_TYPE_LATEST, Metrics


def figures_routes(metrics: Metrics) -> APIRouter:
    """Make the route."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/metrics")
    async def show_metrics() -> Any:
        return Response(metrics.render(), headers={"content-type": CONTENT_TYPE_LATEST})

    return routes
