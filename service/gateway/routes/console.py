"""`/`: the console, a page on which a person asks about photos and watches the service.

Owns where its files are served and what they may load: scripts, styles, fonts and examples of this host, and photos that
the person chose. The page is plain files in `console/`; it asks the service through the same routes as any client.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request

from service.gateway.pages import PageFiles, content_policy

FOLDER = Path(__file__).parent.parent / "console"
#: A browser asks each time whether its copy is still right, so that no page is put together from two releases.
FILES = PageFiles(FOLDER, {"cache-control": "no-cache"})
_POLICY = content_policy(
    {
        "script-src": "'self'",
        "style-src": "'self'",
        "font-src": "'self'",
        "img-src": "'self' blob:",
        "connect-src": "'self'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
)


def console_routes() -> APIRouter:
    """Make the page and the way to its files."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/")
    async def show_page(request: Request) -> Any:
        return FILES.answer("index.html", request.headers.get("if-none-match", ""), _POLICY)

    @routes.get("/console/{name:path}")
    async def show_file(name: str, request: Request) -> Any:
        return FILES.answer(name, request.headers.get("if-none-match", ""))

    return routes
