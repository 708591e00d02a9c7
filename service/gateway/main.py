"""The gateway's process: its start and its end, each one readable function.

Start: listening sockets, bus, application, ready. End, at SIGTERM or SIGINT: take no new connections, answer what was
accepted, close the bus.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib.util
import resource
from collections.abc import Sequence
from typing import TYPE_CHECKING

from service.bus.base import GatewayBus
from service.bus.local import LocalBus
from service.bus.redis.address import RedisUnusable, check_redis
from service.gateway.doors import Doors, DoorShut, open_doors
from service.gateway.edge import Observer
from service.gateway.loop import new_loop
from service.keys import KeysFault
from service.logs import get_logger
from service.metrics import Metrics
from service.settings import Settings
from service.status import StatusPipe
from service.tracing import TracingFault, open_tracing

if TYPE_CHECKING:
    from service.tracing.spans import Tracing

BEAT_S = 1.0
LAG_PROBES_PER_BEAT = 4
#: Open files beside the connections that are allowed: those above the limit that are told so, workers, Redis, pages.
SPARE_FILES = 512

_log = get_logger(part="gateway")


def run_gateway(settings: Settings, status: StatusPipe) -> int:
    """Serve until a signal ends it; gives the process's exit status."""
    if importlib.util.find_spec("httptools") is None:
        status.failed("httptools is missing, and the parser that uvicorn has without it costs 3x as much: install it.")
        return 1
    try:
        if settings.redis_url is not None:
            check_redis(settings.redis_url)
        _allow_open_files(settings.connections_limit + SPARE_FILES)
        tracing = open_tracing(settings, "gateway")
        doors = open_doors(settings)
    except (DoorShut, KeysFault, RedisUnusable, TracingFault) as fault:
        status.failed(str(fault))
        return 1
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(_run(settings, status, doors, tracing))
    finally:
        if tracing is not None:
            tracing.close()


def _allow_open_files(needed: int) -> None:
    """Raise the process's own limit of open files, often 1024, to what is needed, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        _log.warning("open_files_limited", allowed=allowed, needed=needed)


async def _run(settings: Settings, status: StatusPipe, doors: Doors, tracing: Tracing | None) -> int:
    bus = _choose_bus(settings)
    try:
        await bus.start()
    except OSError as error:
        status.failed(f"Cannot open the bus at {bus.path}: {error.strerror or error}.")
        return 1
    metrics = Metrics()
    pulse = asyncio.create_task(_pulse(status, metrics))
    try:
        observed, observers = _observe(settings, bus, tracing)
        await serve(settings, observed, metrics, doors, status, observers)
    finally:
        pulse.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await pulse
    return 0


def _choose_bus(settings: Settings) -> LocalBus:
    """The bus of this host, or where a Redis is named the one that reaches other hosts too."""
    if settings.redis_url is None:
        return LocalBus(settings)
    from service.bus.redis.gateway import RedisBus

    return RedisBus(settings)


def _observe(settings: Settings, bus: GatewayBus, tracing: Tracing | None) -> tuple[GatewayBus, list[Observer]]:
    """Give the bus and who sees every request, as the settings ask for traces and an access log: both cost nothing unless asked."""
    observers: list[Observer] = []
    if tracing is not None:
        from service.gateway.spans import RequestSpans, TracedBus

        bus = TracedBus(bus, tracing)
        observers.append(RequestSpans(tracing))
    if settings.access_log_share > 0:
        from service.gateway.access_log import AccessLog

        observers.append(AccessLog(settings.access_log_share))
    return bus, observers


async def serve(
    settings: Settings,
    bus: GatewayBus,
    metrics: Metrics,
    doors: Doors,
    status: StatusPipe,
    observers: Sequence[Observer] = (),
) -> None:
    """Serve on open sockets until a signal, then answer what was accepted and close the bus."""
    from service.gateway.app import create_app, create_internal_app
    from service.gateway.server import GatewayServer, serving_inside

    host, port = doors.public.getsockname()[:2]
    internal_port = doors.internal.getsockname()[1]

    def has_started() -> None:
        # What is loaded stays: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        _log.info("gateway_ready", host=host, port=port, internal_port=internal_port)
        status.ready(host, port, internal_port)

    server = GatewayServer(settings, create_app(settings, bus, metrics, doors.ring, observers), metrics, has_started)
    async with serving_inside(
        settings, create_internal_app(bus, metrics, status.reload, doors.ring), metrics, doors.internal
    ):
        await server.serve(sockets=[doors.public])
    _log.info("gateway_drained", is_forced=server.force_exit)
    await bus.drain(0 if server.force_exit else settings.drain_timeout_s)


async def _pulse(status: StatusPipe, metrics: Metrics) -> None:
    """Say about once a second, from the loop itself, that the loop runs; and measure how late it runs things."""
    loop = asyncio.get_running_loop()
    while True:
        for _ in range(LAG_PROBES_PER_BEAT):
            due = loop.time() + BEAT_S / LAG_PROBES_PER_BEAT
            await asyncio.sleep(BEAT_S / LAG_PROBES_PER_BEAT)
            metrics.observe_lag(max(0.0, loop.time() - due))
        status.beat()
