"""Who may ask: a request passes with a key of the needed scope, and a few paths need none.

A pure ASGI layer inside the edge, which turns a refusal into its answer. It stands only where there are keys; without
them no request passes through it. Nothing of a request's body is read before it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection

from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import Forbidden
from service.gateway.exchange import Exchange, exchange_of
from service.gateway.keyring import KeyRing
from service.keys import Key
from service.keys import Scope as KeyScope

#: What tells nothing of photos and models: whether it lives and serves, and the files of the pages, which ask as clients do.
OPEN_PATHS = frozenset({"/", "/healthz", "/readyz", "/docs", "/openapi.json", "/v2/health/live", "/v2/health/ready"})
OPEN_FOLDERS = ("/console/", "/docs/")


class Guard:
    """Wraps an application whose every path needs a key with `needed`, except for the open ones."""

    def __init__(
        self,
        app: ASGIApp,
        ring: KeyRing,
        needed: KeyScope,
        open_paths: Collection[str] = OPEN_PATHS,
        open_folders: tuple[str, ...] = OPEN_FOLDERS,
    ) -> None:
        self._app = app
        self._ring = ring
        self._needed = needed
        self._open_paths = open_paths
        self._open_folders = open_folders

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass a request on, or raise the `FieldmarkError` that refuses it; a known key costs no step of the loop."""
        path: str = scope["path"]
        if path in self._open_paths or path.startswith(self._open_folders):
            return self._app(scope, receive, send)
        exchange = exchange_of(scope)
        key = self._ring.recall(exchange.headers.get(b"authorization"))
        if key is None:
            return self._check_first(exchange, scope, receive, send)
        self._admit(exchange, key)
        return self._app(scope, receive, send)

    async def _check_first(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        self._admit(exchange, await self._ring.check(exchange.headers.get(b"authorization")))
        await self._app(scope, receive, send)

    def _admit(self, exchange: Exchange, key: Key) -> None:
        if self._needed not in key.scopes:
            raise Forbidden(
                f"The key {key.id} is for {' and '.join(key.scopes) or 'nothing'}; this needs {self._needed}.",
                challenge=f'Bearer realm="fieldmark", error="insufficient_scope", scope="{self._needed}"',
            )
        exchange.key_id = key.id
