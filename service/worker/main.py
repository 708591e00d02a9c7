"""A worker process from its start to its end, in the order in which it happens.

Start: signals, threads and nice value, bundles loaded and checked, threads of the layout, pulse, connection, ready. End:
the gateway is told, what is held is answered. Wired here and nowhere else; what happens to a request stands in
`loop.py`, to a connection in `serving.py`.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import queue
import secrets
import signal
import socket
from collections.abc import Iterator
from functools import partial
from types import FrameType

from service.bus.base import WorkerBus
from service.bus.local import LocalWorkerBus
from service.bus.messages import Hello
from service.bus.redis.address import RedisUnusable, check_redis
from service.catalog import encode_catalog
from service.engine.backends.base import StartError
from service.engine.engine import Engine
from service.logs import get_logger
from service.settings import Settings
from service.slowness import missing_instructions, watchers
from service.status import StartReason, StatusPipe
from service.tracing import TracingFault, open_tracing
from service.worker.desk import Watcher
from service.worker.layout import Layout, choose_layout
from service.worker.loop import Loop
from service.worker.pulse import Pulse
from service.worker.serving import Event, NoGateway, Serving
from service.worker.watchdog import Watchdog

#: Refusals and health answers of the gateway stay quick while all cores infer.
NICE_ABOVE_GATEWAY = 1

log = get_logger()


def run_worker(settings: Settings, index: int, status: StatusPipe, started_because: StartReason) -> int:
    """Serve until SIGTERM; gives the exit status, 0 after an ordered end."""
    events = _listen_for_signals()
    os.nice(NICE_ABOVE_GATEWAY)
    try:
        check_way(settings)
        return _serve(settings, index, status, started_because, events)
    except (StartError, NoGateway, RedisUnusable, TracingFault) as error:
        status.failed(str(error))
        return 1


def _serve(
    settings: Settings,
    index: int,
    status: StatusPipe,
    started_because: StartReason,
    events: queue.SimpleQueue[Event],
) -> int:
    engine = Engine(
        settings.store,
        device=settings.device,
        arithmetic=settings.arithmetic,
        lanes=1,
        testing_backends=settings.testing_backends,
        feature_cache_bytes=settings.feature_cache_bytes,
    )
    for entry in engine.catalog.models:
        if entry.status == "refused":
            log.error("bundle_refused", model=entry.identity, faults=entry.faults)
    watchdog = Watchdog(settings.stall_timeout_s)
    layout = choose_layout(settings, Loop(watchdog), [engine.plan(info.route) for info in engine.routes])
    pulse = Pulse(status, watchdog, layout.lanes, settings.worker_memory_bytes)
    layout.start()
    pulse.start()
    _settle_memory()

    hello = _introduce(settings, index, engine, layout, started_because)
    with _watched(settings, hello.worker) as watcher:
        serving = Serving(partial(_connect, settings, secrets.token_hex(8)), engine, layout, pulse, events, watcher)
        return serving.run(hello, status.ready, settings.start_timeout_s, settings.drain_timeout_s)


@contextlib.contextmanager
def _watched(settings: Settings, worker: str) -> Iterator[Watcher | None]:
    """Trace the requests of the block, where the settings say so.

    Raises:
        TracingFault: traces cannot be sent.
    """
    tracing = open_tracing(settings, f"worker {worker}")
    if tracing is None:
        yield None
        return
    from service.worker.spans import WorkSpans

    try:
        yield WorkSpans(tracing, worker)
    finally:
        tracing.close()


def check_way(settings: Settings) -> None:
    """Refuse to load anything where no gateway could be reached.

    Raises:
        NoGateway: no way to one is named.
        RedisUnusable: the named one is none.
    """
    if settings.socket is None:
        check_redis(_redis_url(settings))


def _redis_url(settings: Settings) -> str:
    """The Redis of a worker without a socket.

    Raises:
        NoGateway: it has neither.
    """
    if settings.redis_url is None:
        raise NoGateway(
            "No gateway is named: set FIELDMARK_SOCKET to the socket of one on this host, or FIELDMARK_REDIS_URL to the "
            "Redis that links hosts."
        )
    return settings.redis_url


def _connect(settings: Settings, process: str) -> WorkerBus:
    """Reach the gateway of this host, or where none is named those of other hosts, which know this process by its word.

    Raises:
        NoGateway: no way to one is named.
        OSError: there is none now.
    """
    if settings.socket is not None:
        return LocalWorkerBus.connect(settings.socket)
    from service.bus.redis.worker import RedisWorkerBus

    return RedisWorkerBus(_redis_url(settings), process=process)


def _settle_memory() -> None:
    """Give back what loading left behind, some 25 MB a bundle, and spare the collector what stays for good."""
    gc.collect()
    gc.freeze()
    with contextlib.suppress(AttributeError):  # a libc that is not glibc keeps no such heap
        ctypes.CDLL(None).malloc_trim(0)


def _introduce(settings: Settings, index: int, engine: Engine, layout: Layout, started_because: StartReason) -> Hello:
    is_remote = settings.socket is None and settings.redis_url is not None
    return Hello(
        worker=f"{socket.gethostname()}:{index}" if is_remote else str(index),
        pid=os.getpid(),
        device=settings.device,
        lanes=layout.lanes,
        credit=layout.credit,
        routes=engine.routes,
        catalog=encode_catalog(engine.catalog),
        started_because=started_because,
        slow_paths=[*watchers(), *(missing_instructions() if settings.device == "cpu" else [])],
    )


def _listen_for_signals() -> queue.SimpleQueue[Event]:
    """SIGTERM, and Ctrl-C where the worker was started by hand, wake the main thread; the queue is made for that."""
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()

    def wake(_number: int, _frame: FrameType | None) -> None:
        events.put(Event.SIGNAL)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, wake)
    return events
