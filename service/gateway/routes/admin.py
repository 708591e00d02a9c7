"""`/v1/admin`: what whoever runs the service may do to it, on the internal port.

Where keys are asked for, it needs one with the scope `admin`; where not, the port's address is its only guard. A web page
that is open on this machine reaches that address too, so what a browser sends for a page is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service.errors import Forbidden, NotFound


class Reloading(msgspec.Struct, frozen=True):
    """A worker after the other is being replaced; `/v1/models` shows when the new ones have joined."""

    status: Literal["reloading"] = "reloading"


def admin_routes(reload: Callable[[], bool]) -> APIRouter:
    """Make the routes; `reload` asks for fresh workers and tells whether anyone was there to hear it."""
    routes = APIRouter(include_in_schema=False)

    @routes.post("/v1/admin/reload")
    async def reload_bundles(request: Request) -> Any:
        if "origin" in request.headers:
            raise Forbidden("Web pages do not run this service.")
        if not reload():
            raise NotFound("Nobody here starts workers anew: this gateway was started by itself. Restart its workers.")
        return Response(msgspec.json.encode(Reloading()), 202, media_type="application/json")

    return routes
