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
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from types import FrameType
from typing import cast

import uvicorn
from starlette.types import ASGIApp

from service.gateway.doors import BACKLOG
from service.gateway.limits import ConnectionLimits
from service.gateway.protocol import GatewayProtocol
from service.metrics import Metrics
from service.settings import Settings

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

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shut the door, then answer everybody who is inside or had knocked."""
        await self._let_in(sockets or [])
        await super().shutdown(sockets)

    async def _let_in(self, listeners: Sequence[socket.socket]) -> None:
        """Close the listening sockets, and take in the connections that they held.

        To such a client it is connected, and its request may be on the way; the kernel would reset what nobody has taken.
        """
        loop = asyncio.get_running_loop()
        for listener in listeners:
            loop.remove_reader(listener)
        for _ in range(2):  # what the loop has taken becomes a transport, and that a connection, which is then told
            await asyncio.sleep(0)
        knocking = [connection for listener in listeners for connection in _accept_all(listener)]
        for server in self.servers:
            server.close()
        for connection in knocking:
            await loop.connect_accepted_socket(self._make_protocol, connection)

    def _make_protocol(self) -> asyncio.Protocol:
        make = cast("Callable[..., asyncio.Protocol]", self.config.http_protocol_class)
        return make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

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
        self.force_exit |= sig in self._signals_seen
        self._signals_seen.add(sig)


def _accept_all(listener: socket.socket) -> Iterator[socket.socket]:
    """The connections that wait at a socket, `BACKLOG` at most."""
    with contextlib.suppress(OSError):  # there are no more, or no more can be had
        for _ in range(BACKLOG):
            yield listener.accept()[0]


class InternalServer(GatewayServer):
    """Serves the internal port beside another, which hears the signals and tells this one when to end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


@contextlib.asynccontextmanager
async def serving_inside(
    settings: Settings, app: ASGIApp, metrics: Metrics, listener: socket.socket
) -> AsyncIterator[None]:
    """Serve the internal port until the block ends."""
    has_started = asyncio.Event()
    server = InternalServer(settings, app, metrics, has_started.set)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await has_started.wait()
    try:
        yield
    finally:
        server.should_exit = True
        await serving
