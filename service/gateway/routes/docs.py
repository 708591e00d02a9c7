"""`/docs`: the API's description as a page that can be tried, without anything from another host.

Owns the page's content policy. The description itself is made in `openapi.py`; the vendored files stand in `static/`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service.gateway.pages import PageFiles, content_policy

STATIC = Path(__file__).parent.parent / "static"
FILES = PageFiles(STATIC, {"cache-control": "public, max-age=3600"})
#: Scripts and styles of this host only. Swagger UI draws its arrows as data: images and sets styles of single elements.
_POLICY = content_policy(
    {
        "script-src": "'self'",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
    }
)


def docs_routes(describe: Callable[[], bytes]) -> APIRouter:
    """Make the pages; `describe` gives the OpenAPI document as JSON."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/openapi.json")
    async def show_description() -> Any:
        return Response(describe(), media_type="application/json")

    @routes.get("/docs")
    async def show_page(request: Request) -> Any:
        return FILES.answer("docs.html", request.headers.get("if-none-match", ""), _POLICY)

    @routes.get("/docs/{name}")
    async def show_file(name: str, request: Request) -> Any:
        return FILES.answer(name, request.headers.get("if-none-match", ""))

    return routes
