"""The worker's dealings with the gateway: connect, introduce itself, receive, and leave in order.

Owns the life of a connection. A gateway that goes away is waited for, because the bundles are loaded and the
supervisor starts another; a signal ends the worker after what it holds is answered.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from enum import Enum

import msgspec

from service.bus.base import WorkerBus
from service.bus.frames import FrameError
from service.bus.messages import Hello
from service.engine.engine import Engine
from service.errors import NotFound
from service.logs import get_logger
from service.worker.desk import Desk, Watcher
from service.worker.layout import Layout
from service.worker.pulse import Pulse

#: Between two attempts to reach a gateway that is starting beside this worker.
CONNECT_PAUSE_S = 0.02
#: Before a gateway is looked for again: a new one takes longer to start, and one that refuses us is not besieged.
RECONNECT_PAUSE_S = 0.25
#: For the threads of the layout to end once nothing is held.
CLOSE_TIMEOUT_S = 1.0

log = get_logger()


class Event(Enum):
    """What wakes the main thread."""

    SIGNAL = 1
    GATEWAY_GONE = 2


class NoGateway(Exception):
    """There was no gateway to connect to; the message says why."""


class Serving:
    """Serves one gateway after another. `connect` raises OSError while there is none; `watcher` sees each request."""

    def __init__(
        self,
        connect: Callable[[], WorkerBus],
        engine: Engine,
        layout: Layout,
        pulse: Pulse,
        events: queue.SimpleQueue[Event],
        watcher: Watcher | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect = connect
        self._engine = engine
        self._layout = layout
        self._pulse = pulse
        self._events = events
        self._watcher = watcher
        self._clock = clock

    def run(self, hello: Hello, on_ready: Callable[[], None], start_timeout_s: float, drain_timeout_s: float) -> int:
        """Serve until a signal; gives the exit status: 0 when all that was held is answered.

        Raises:
            NoGateway: none was there within `start_timeout_s` of the start.
        """
        limit: float | None = self._clock() + start_timeout_s
        while True:
            bus = self._reach(limit)
            if bus is None:
                return 0
            desk = self._pulse.desk = Desk(bus, self._watcher)
            bus.hello(hello)
            if limit is not None:
                on_ready()
            threading.Thread(target=self._receive, args=(desk,), name="receive", daemon=True).start()
            if self._events.get() is Event.SIGNAL:
                return self._leave(desk, drain_timeout_s)
            (log.warning if desk.held else log.info)("gateway_gone", held=desk.held)
            self._pulse.desk = None
            bus.close()
            limit = None
            hello = msgspec.structs.replace(hello, started_because="start")
            if self._is_told_to_end(RECONNECT_PAUSE_S):
                return 0

    def _reach(self, limit: float | None) -> WorkerBus | None:
        """Connect, with as many attempts as it takes; None when a signal came first.

        The first failure is told, and another only when it is a different one.
        """
        told = None
        while True:
            try:
                bus = self._connect()
            except OSError as error:
                reason = error.strerror or str(error)
                if limit is not None and self._clock() > limit:
                    raise NoGateway(f"No gateway could be reached: {reason.rstrip('.')}.") from error
                if reason != told:
                    log.warning("gateway_unreachable", error=reason)
                    told = reason
            else:
                if told is not None or limit is None:
                    log.info("gateway_reached")
                return bus
            if self._is_told_to_end(CONNECT_PAUSE_S):
                return None

    def _is_told_to_end(self, within_s: float) -> bool:
        """Wait for a signal, for so long at most."""
        try:
            return self._events.get(timeout=within_s) is Event.SIGNAL
        except queue.Empty:
            return False

    def _receive(self, desk: Desk) -> None:
        """Take in what comes over one connection until it ends, or the gateway says that no more comes."""
        try:
            while (thing := desk.bus.receive()) is not None:
                if isinstance(thing, int):
                    desk.cancel(thing)
                    continue
                try:
                    plan = self._engine.plan(thing.request.route)
                except NotFound as error:
                    desk.refuse(thing.request.id, error)
                    continue
                self._layout.submit(desk.accept(thing, plan))
        except FrameError:
            log.exception("gateway_broke_the_format")
        finally:
            self._events.put(Event.GATEWAY_GONE)

    def _leave(self, desk: Desk, drain_timeout_s: float) -> int:
        """Say that no more is taken, wait for the gateway's word that no more comes, finish, and go."""
        until = self._clock() + drain_timeout_s
        desk.bus.leave()
        is_idle = self._await_farewell(until) and desk.wait_idle(max(0.0, until - self._clock()))
        log.info("worker_leaves", unanswered=desk.held)
        self._pulse.stop()
        self._layout.close(CLOSE_TIMEOUT_S)
        desk.bus.close()
        return 0 if is_idle else 1

    def _await_farewell(self, until: float) -> bool:
        """False where a second signal or the end of the time came first."""
        try:
            return self._events.get(timeout=max(0.0, until - self._clock())) is Event.GATEWAY_GONE
        except queue.Empty:
            return False
