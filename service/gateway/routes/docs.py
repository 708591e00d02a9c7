"""`/docs`: the API's description as a page that can be tried, without anything from another host.

Owns the pages' content policy. The description itself is made in `openapi.py`; the vendored files stand in `static/`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from service.errors import NotFound

STATIC = Path(__file__).parent.parent / "static"
#: What is served of the folder, and nothing else of it.
FILES = {
    "docs.css": "text/css; charset=utf-8",
    "docs.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
}
#: Scripts and styles of this host only. Swagger UI draws its arrows as data: images and sets styles of single elements.
_SOURCES = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
PAGE_POLICY = "; ".join(f"{directive} {source}" for directive, source in _SOURCES.items())
_FILE_HEADERS = {"cache-control": "public, max-age=3600"}


def docs_routes(describe: Callable[[], bytes]) -> APIRouter:
    """Make the pages; `describe` gives the OpenAPI document as JSON."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/")
    async def show_start() -> Any:
        return RedirectResponse("/docs")

    @routes.get("/openapi.json")
    async def show_description() -> Any:
        return Response(describe(), media_type="application/json")

    @routes.get("/docs")
    async def show_page() -> Any:
        headers = {"content-security-policy": PAGE_POLICY}
        return Response(_content("docs.html"), media_type="text/html; charset=utf-8", headers=headers)

    @routes.get("/docs/{name}")
    async def show_file(name: str) -> Any:
        if name not in FILES:
            raise NotFound(f"There is no page /docs/{name[:64]}.")
        return Response(_content(name), media_type=FILES[name], headers=_FILE_HEADERS)

    return routes


@cache
def _content(name: str) -> bytes:
    """Read a file once, when first asked for: most services never show the page."""
    return (STATIC / name).read_bytes()
