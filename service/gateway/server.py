"""uvicorn, set up for this service: its parser, its limits, its signals.

The same signal twice ends it at once; two different ones do not, because a terminal's Ctrl-C reaches this process and,
as SIGTERM, once more through its supervisor.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import signal
import socket
from collections.abc import Callable, Iterator
from types import FrameType
from typing import cast

import uvicorn
from starlette.types import ASGIApp

from service.gateway.protocol import ConnectionLimits, GatewayProtocol
from service.metrics import Metrics
from service.settings import Settings

BACKLOG = 2048
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class GatewayServer(uvicorn.Server):
    """Serves one application; `started` is called when the first connection could be taken."""

    def __init__(self, settings: Settings, app: ASGIApp, metrics: Metrics, started: Callable[[], None]) -> None:
        limits = ConnectionLimits(
            head_bytes=settings.header_limit_bytes,
            body_bytes=settings.body_limit_bytes,
            head_timeout_s=settings.header_timeout_s,
            body_timeout_s=settings.body_timeout_s,
            connections=settings.connections_limit,
        )
        protocol = functools.partial(
            GatewayProtocol, limits=limits, refused=lambda error: metrics.count_unread(error.status)
        )
        config = uvicorn.Config(
            app,
            http=cast("type[asyncio.Protocol]", protocol),
            loop="asyncio",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=settings.keep_alive_s,
            timeout_graceful_shutdown=math.ceil(settings.drain_timeout_s),
        )
        super().__init__(config)
        self._has_started = started
        self._signals_seen: set[int] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept."""
        await super().startup(sockets)
        self._has_started()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Turn signals into a drain while serving, and into nothing afterwards."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the drain at the first signal; end it at the second of a kind."""
        self.should_exit = True
        self.force_exit = sig in self._signals_seen
        self._signals_seen.add(sig)


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket; port 0 lets the system choose.

    Its protocol is named, not left at 0: asyncio turns Nagle's algorithm off only where it reads TCP there, and with it
    on every answer waits some 40 ms for the client's delayed acknowledgement.

    Raises:
        OSError: the address is taken, unknown or not allowed.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
