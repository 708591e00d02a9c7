"""What the supervisor decides: when a child is started, replaced, drained or killed, and when it is all over.

It is told what happened (a message, an end, a signal, the passing of time) and acts through two functions that were
passed in, one that starts a child and one that reads the clock; so it is tested without processes. What it remembers of
each child is in `slots.py`; reading pipes and waiting is the part of `loop.py`.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from enum import IntEnum

from service.logs import get_logger
from service.settings import Settings
from service.status import Message, StartReason
from service.supervisor.child import Child, Role
from service.supervisor.slots import STABLE_S, START_ATTEMPTS_LIMIT, Slot, Watch, describe_status, pause_s

#: Time beyond the drain that a child has to leave before it is killed.
LEAVE_GRACE_S = 5.0
#: Beats come every second, but a crowded machine may hold several back: this much silence is always forgiven.
SILENCE_LEAST_S = 10.0

StartChild = Callable[[Role, int, StartReason], Child]

log = get_logger()


class Phase(IntEnum):
    """How far the service is in its life; it only goes up."""

    RUNNING = 0
    DRAINING_GATEWAY = 1
    ENDING_WORKERS = 2
    OVER = 3


class Supervision:
    """The state of the service's processes, and every decision about them.

    `exit_status` is None until all is over. `on_ready` is called once, with the gateway's host, port and internal port, when
    it and all workers are ready for the first time.
    """

    def __init__(
        self,
        settings: Settings,
        workers: int,
        start: StartChild,
        clock: Callable[[], float],
        on_ready: Callable[[str, int, int], None],
    ) -> None:
        self._settings = settings
        self._start = start
        self._clock = clock
        self._on_ready = on_ready
        self._silence_limit_s = max(settings.stall_timeout_s, SILENCE_LEAST_S)
        self._is_announced = False
        self._stale: list[Slot] = []  # workers that a reload has not replaced yet
        self.gateway = Slot("gateway", 0)
        self.workers = [Slot("worker", index) for index in range(workers)]
        self.phase = Phase.RUNNING
        self.address: tuple[str, int, int] | None = None
        self.failure: str | None = None

    @property
    def exit_status(self) -> int | None:
        """0 after an ordered end, 1 after a failure; None while anything is left."""
        if self.phase is not Phase.OVER:
            return None
        return 1 if self.failure else 0

    # What happens, told by the loop.

    def begin(self) -> None:
        """Start everything; gateway and workers load side by side."""
        for slot in self._slots():
            if self._may_start():
                self._launch(slot)

    def on_message(self, child: Child, message: Message) -> None:
        """Take one line of a child's status pipe."""
        slot, watch = self._find(child)
        watch.heard = self._clock()
        match message.word:
            case "ready":
                self._become_ready(slot, watch, message.text)
            case "wedged":
                log.error("child_wedged", child=slot.name, pid=child.pid, reason=message.text)
                self._kill(watch, "wedge")
            case "memory":
                self._replace(slot, watch, message.text)
            case "reload":
                self._reload()
            case "failed":
                watch.sentence = message.text
                if not self._is_announced:
                    self._give_up(message.text)

    def on_exit(self, child: Child, status: int) -> None:
        """Take the end of a child; `status` is negative for a signal."""
        slot, watch = self._find(child)
        planned = watch in slot.leaving or watch.leave_by is not None
        record = log.info if planned else log.warning
        record("child_ended", child=slot.name, pid=child.pid, status=status, planned=planned)
        if watch in slot.leaving:
            slot.leaving.remove(watch)
        elif watch is slot.starting:
            slot.starting = None
            self._after_failed_start(slot, watch, status)
        else:
            slot.serving = None
            self._after_end(slot, watch)
        self._reload_next()
        self._advance()

    def on_signal(self, number: int) -> None:
        """Drain at the first signal; at a second, kill what is left."""
        if self.phase is Phase.RUNNING:
            log.info("drain", signal=signal.Signals(number).name, limit_s=self._settings.drain_timeout_s)
            self.drain()
        else:
            log.warning("killed_while_draining", signal=signal.Signals(number).name)
            self.failure = self.failure or "A second signal ended the drain."
            for slot in self._slots():
                for watch in slot.watches():
                    watch.child.send_signal(signal.SIGKILL)
            self._advance()

    def on_time(self) -> None:
        """Do what has become due."""
        now = self._clock()
        for slot in self._slots():
            for watch in list(slot.watches()):
                self._check(slot, watch, now)
            if slot.start_at is not None and slot.start_at <= now:
                slot.start_at = None
                if self._may_start():
                    self._launch(slot)

    def seconds_to_due(self) -> float | None:
        """How long until `on_time` has something to do."""
        dues = [slot.start_at for slot in self._slots() if slot.start_at is not None]
        dues += [self._due(watch) for slot in self._slots() for watch in slot.watches() if watch.killed_for is None]
        return max(0.0, min(dues) - self._clock()) if dues else None

    def drain(self) -> None:
        """End in order: the gateway stops accepting, finishes and leaves; then the workers go.

        Workers that fall meanwhile are started again, because what was accepted is still to be answered.
        """
        self.phase = Phase.DRAINING_GATEWAY
        for watch in self.gateway.watches():
            self._ask_to_leave(watch, self._settings.drain_timeout_s)
        self._advance()

    # Decisions.

    def _become_ready(self, slot: Slot, watch: Watch, words: str) -> None:
        if watch is not slot.starting:
            return
        watch.ready_at = self._clock()
        log.info("child_ready", child=slot.name, pid=watch.child.pid, after_s=round(watch.ready_at - watch.since, 2))
        slot.starting, previous, slot.serving = None, slot.serving, watch
        slot.failed_starts = 0
        if previous is not None:
            slot.leaving.append(previous)
            self._ask_to_leave(previous, self._settings.drain_timeout_s)
        if slot is self.gateway:
            host, port, internal_port = words.split()
            self.address = (host, int(port), int(internal_port))
        self._announce()
        self._reload_next()

    def _announce(self) -> None:
        if not self._is_announced and self.address and all(slot.serving for slot in self._slots()):
            self._is_announced = True
            self._on_ready(*self.address)

    def _replace(self, slot: Slot, watch: Watch, used: str) -> None:
        """Start a successor of a worker that is above its memory bound; it goes when the successor is ready."""
        if self.phase is Phase.RUNNING and watch is slot.serving and slot.starting is None and slot.start_at is None:
            limit = self._settings.worker_memory_bytes
            log.warning("child_above_memory", child=slot.name, pid=watch.child.pid, used=used, limit=limit)
            self._start_again(slot, watch, "memory")

    def _reload(self) -> None:
        """Begin to put a fresh worker into each place, which reads its bundles anew."""
        log.info("reload", workers=len(self.workers))
        self._stale = list(self.workers)
        self._reload_next()

    def _reload_next(self) -> None:
        """Replace the next worker once none is starting: memory has to hold one more worker, not all of them twice."""
        is_busy = any(slot.starting is not None or slot.start_at is not None for slot in self.workers)
        if self._stale and not is_busy and self.phase is Phase.RUNNING:
            slot = self._stale.pop(0)
            slot.reason = "reload"
            self._launch(slot)

    def _after_failed_start(self, slot: Slot, watch: Watch, status: int) -> None:
        """A start ended before it was ready: try again after a pause, but not for ever where nobody serves."""
        if not self._may_start():
            return
        slot.failed_starts += 1
        if slot.failed_starts >= START_ATTEMPTS_LIMIT and slot.serving is None:
            self._give_up(
                watch.sentence
                or f"{slot.name.capitalize()} ended {slot.failed_starts} times in a row before it was ready, "
                f"the last time with {describe_status(status)}; its lines above say why."
            )
            return
        slot.start_at = self._clock() + pause_s(slot.failed_starts)

    def _after_end(self, slot: Slot, watch: Watch) -> None:
        """A serving child ended: fill its place, at once where it had been stable."""
        if not self._may_start() or slot.starting is not None:
            return
        self._start_again(slot, watch, watch.killed_for or "crash")

    def _start_again(self, slot: Slot, watch: Watch, reason: StartReason) -> None:
        """Have the place of a child filled anew, after a pause that grows where such children do not last."""
        now = self._clock()
        is_stable = watch.ready_at is not None and now - watch.ready_at >= STABLE_S
        slot.quick_ends = 0 if is_stable else slot.quick_ends + 1
        slot.reason = reason
        slot.start_at = now + pause_s(slot.quick_ends)

    def _may_start(self) -> bool:
        """Nothing starts once it should end, except workers for what a draining gateway still has to answer."""
        is_needed = self.phase is Phase.DRAINING_GATEWAY and self.failure is None
        return self.phase is Phase.RUNNING or is_needed

    def _launch(self, slot: Slot) -> None:
        now = self._clock()
        try:
            child = self._start(slot.role, slot.index, slot.reason)
        except OSError as error:
            log.warning("child_not_started", child=slot.name, reason=str(error))
            if not self._is_announced:
                self._give_up(f"{slot.name.capitalize()} cannot be started: {error}.")
            else:  # the host lacks processes, descriptors or memory, which may pass
                slot.quick_ends += 1
                slot.start_at = now + pause_s(slot.quick_ends)
            return
        slot.starting = Watch(child, since=now, heard=now)
        log.info("child_started", child=slot.name, pid=child.pid, reason=slot.reason)

    def _check(self, slot: Slot, watch: Watch, now: float) -> None:
        """Kill a child that is late: to become ready, to say that it lives, or to leave."""
        if watch.killed_for is not None or self._due(watch) > now:
            return
        if watch.leave_by is not None and watch.leave_by <= now:
            log.warning("child_left_too_late", child=slot.name, pid=watch.child.pid)
            self._kill(watch, "crash")
        elif watch.ready_at is None:
            limit = self._settings.start_timeout_s
            watch.sentence = f"{slot.name.capitalize()} was not ready after {limit:g} s (start_timeout_s)."
            log.error("child_not_ready", child=slot.name, pid=watch.child.pid, limit_s=limit)
            self._kill(watch, "crash")
        else:
            log.error("child_silent", child=slot.name, pid=watch.child.pid, limit_s=self._silence_limit_s)
            self._kill(watch, "wedge")

    def _due(self, watch: Watch) -> float:
        """When a child is late, if nothing is heard of it."""
        if watch.ready_at is None:
            due = watch.since + self._settings.start_timeout_s
        else:
            due = watch.heard + self._silence_limit_s
        return due if watch.leave_by is None else min(due, watch.leave_by)

    def _give_up(self, sentence: str) -> None:
        """Remember the first failure and end in order."""
        if self.failure is None:
            self.failure = sentence
        if self.phase is Phase.RUNNING:
            self.drain()

    def _ask_to_leave(self, watch: Watch, time_s: float) -> None:
        watch.leave_by = self._clock() + time_s + LEAVE_GRACE_S
        watch.child.send_signal(signal.SIGTERM)

    @staticmethod
    def _kill(watch: Watch, reason: StartReason) -> None:
        if watch.killed_for is None:
            watch.killed_for = reason
            watch.child.send_signal(signal.SIGKILL)

    def _advance(self) -> None:
        """Go on to the next phase of the end when the one before is finished."""
        if self.phase is Phase.DRAINING_GATEWAY and not any(self.gateway.watches()):
            self.phase = Phase.ENDING_WORKERS
            for slot in self.workers:
                for watch in slot.watches():
                    self._ask_to_leave(watch, 0.0)
        if self.phase is Phase.ENDING_WORKERS and not any(any(slot.watches()) for slot in self._slots()):
            self.phase = Phase.OVER

    def _slots(self) -> Iterator[Slot]:
        yield self.gateway
        yield from self.workers

    def _find(self, child: Child) -> tuple[Slot, Watch]:
        for slot in self._slots():
            for watch in slot.watches():
                if watch.child is child:
                    return slot, watch
        raise LookupError(f"process {child.pid} is not watched")
