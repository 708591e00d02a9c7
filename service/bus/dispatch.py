"""The one owner of accepted jobs: queue, workers, what they hold, retries, deadlines.

The dispatcher decides and keeps account; it opens no socket, arms no timer and reads the time only from the clock that
it was given. A bus calls it from one thread: `submit` and `leave` for callers, `join` ... `lost` for workers, `expire`
when `next_deadline` has come. It calls back through `Link` (towards a worker) and a ticket's `settle` (towards the
caller), never twice for one ticket.

Order and shares are the queue's, refusals are admission's, suspects and poison are explained in recovery.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Sequence

from service.bus.admission import Admission
from service.bus.base import Counters, Job, Outcome, RouteView, WorkerView
from service.bus.deadlines import Deadlines
from service.bus.forecast import Forecast
from service.bus.links import Link, Worker
from service.bus.messages import Heartbeat, Hello, Result
from service.bus.queue import Settle, Ticket, WaitingQueue, newest_first
from service.bus.recovery import Recovery, Verdict
from service.errors import ClientClosed, DeadlineExceeded, FieldmarkError, Internal, NotReady, Poison, from_wire
from service.settings import Settings

DROPPED = frozenset({ClientClosed.slug, DeadlineExceeded.slug})  # a worker's word that it did not run a request


class Dispatcher:
    """Accepts jobs, gives them to workers and answers each exactly once."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float], random: Callable[[], float]) -> None:
        self.counters = Counters()
        self._attempts_limit = settings.attempts_limit
        self._clock = clock
        self._queue = WaitingQueue(settings.bulk_share)
        self._recovery = Recovery(settings.poison_memory_s)
        self._forecast = Forecast(self._queue, self._recovery, settings.bulk_share)
        self._admission = Admission(settings, self._forecast, self._recovery.memory, self.counters, random)
        self._numbers = itertools.count(1)
        self._open: dict[int, Ticket] = {}
        self._deadlines = Deadlines(self._open)
        self._workers: list[Worker] = []
        self.hellos: Sequence[Hello] = ()

    # Callers

    def submit(self, job: Job, settle: Settle) -> Ticket:
        """Accept a job, or raise as `GatewayBus.submit` says; `settle` may be called before this returns."""
        now = self._clock()
        ticket = Ticket(next(self._numbers), job, settle, submitted=now)
        self._admission.admit(ticket, now)
        self._open[ticket.number] = ticket
        self._deadlines.add(ticket.number, job.deadline)
        (self._recovery.waiting if ticket.suspect else self._queue).append(ticket)
        self._release_all(now)
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """The caller is gone: drop the job, or tell the worker that has it."""
        if ticket.settle is not None:
            self.counters.cancelled += 1
            self._withdraw(ticket)
            self._release_all(self._clock())

    def expire(self) -> None:
        """Answer every job whose deadline has come, wherever it is."""
        now = self._clock()
        for number in self._deadlines.due(now):
            self._expire(self._open[number])
        self._release_all(now)

    def refuse_new(self) -> None:
        """Begin to drain: accept no more jobs."""
        self._admission.is_closed = True

    def abandon(self) -> None:
        """Answer everything that is still open, because the service ends now."""
        for ticket in list(self._open.values()):
            self._withdraw(ticket, NotReady("the service stopped before the request was done"))

    # Workers

    def join(self, link: Link, hello: Hello, *, is_remote: bool = False) -> Worker:
        """A worker introduced itself; it is given work at once, one on another host what the own ones cannot take."""
        worker = Worker(link, hello, is_remote=is_remote)
        if hello.started_because != "start":
            self.counters.restarts[hello.started_because] += 1
        self._workers.append(worker)
        self._regroup()
        return worker

    def finish(self, worker: Worker, result: Result, body: bytes) -> None:
        """A worker answered a request."""
        now = self._clock()
        given = worker.give_back(result.id, now)
        if given is None:
            self.counters.late += 1
            return
        ticket, cost_s = given
        if result.error is None:
            self._forecast.observe(ticket.job.route, cost_s)
        if ticket.suspect:
            self._recovery.release(worker)
            if result.error in DROPPED:
                self._recovery.remember(ticket, now)
            else:
                self._recovery.acquit(ticket)
        if ticket.settle is None:
            self.counters.late += result.error not in DROPPED
        elif result.error == DeadlineExceeded.slug:
            self._expire(ticket)
        elif result.error is not None:
            self._settle(ticket, from_wire(result.error, result.detail))
        else:
            queue_ms = 1000 * (ticket.released - ticket.submitted)
            self._settle(ticket, Outcome(result, body, queue_ms, ticket.attempts))
        self._release_all(now)

    def grant(self, worker: Worker, credit: int) -> None:
        """A worker changed its credit."""
        worker.credit = credit
        self._release_all(self._clock())

    def beat(self, worker: Worker, heartbeat: Heartbeat) -> None:
        """A worker reported its figures."""
        worker.heartbeat = heartbeat

    def pause(self, worker: Worker, *, is_paused: bool) -> None:
        """The way to a worker is full, or free again."""
        worker.is_paused = is_paused
        if not is_paused:
            self._release_all(self._clock())

    def retire(self, worker: Worker) -> None:
        """A worker takes no more requests; what it holds it still answers."""
        if not worker.is_draining:
            worker.is_draining = True
            worker.link.drain()
            self._regroup()

    def lost(self, worker: Worker, blameless: Container[int] = ()) -> None:
        """The way to a worker broke; what it had not answered goes back, as suspects unless it was draining.

        `blameless` are the numbers of requests that cannot have brought it down.
        """
        now = self._clock()
        self._workers.remove(worker)
        self._recovery.release(worker)
        tickets = worker.give_all_back()
        if not worker.is_draining:
            accused = [ticket for ticket in tickets if ticket.number not in blameless]
            for ticket in self._recovery.judge(accused, now):
                self._poison(ticket)
        self._return([ticket for ticket in tickets if self._may_retry(ticket)])
        self._regroup()

    def strayed(self, worker: Worker, number: int, *, is_suspect: bool) -> None:
        """A request that is booked on this worker gets no answer from it, and goes back.

        `is_suspect`: it was lost with a worker that is not known. Otherwise it, or its answer, was lost on the way.
        """
        now = self._clock()
        ticket = self._take_from(worker, number, now)
        if ticket is not None:
            if is_suspect:
                self._recovery.judge([ticket], now)
            self._return([ticket] if self._may_retry(ticket) else [])
            self._release_all(now)

    def turn_away(self, worker: Worker, number: int) -> None:
        """The way to this worker has no room for a request that is booked on it: its caller is to come back later."""
        now = self._clock()
        ticket = self._take_from(worker, number, now)
        if ticket is not None:
            self._recovery.forgo(ticket, now)
            if ticket.settle is not None:
                self._settle(ticket, self._admission.turn_away(ticket.job, now))
            self._release_all(now)

    def _take_from(self, worker: Worker, number: int, now: float) -> Ticket | None:
        """Book that a worker will not answer a request; None if it does not hold it."""
        given = worker.give_back(number, now)
        if given is not None and given[0].suspect:
            self._recovery.release(worker)
        return given[0] if given is not None else None

    # Views

    @property
    def next_deadline(self) -> float | None:
        """When `expire` must be called next, in seconds of the clock."""
        return self._deadlines.earliest()

    @property
    def accepted(self) -> int:
        """Jobs that still wait for their answer."""
        return len(self._open)

    @property
    def inflight(self) -> int:
        """Jobs that workers hold and nobody has answered yet."""
        return len(self._open) - len(self._queue) - len(self._recovery.waiting)

    @property
    def queued_bytes(self) -> int:
        """Photo bytes of the waiting jobs."""
        return self._queue.size_bytes + self._recovery.waiting.size_bytes

    def workers(self) -> list[WorkerView]:
        """The connected workers, in the order in which they came."""
        return [worker.view() for worker in self._workers]

    def routes(self) -> list[RouteView]:
        """The routes that can be completed now, with their depth, predicted wait and rate."""
        return self._forecast.views()

    # Out of the queue

    def _release_all(self, now: float) -> None:
        """Give waiting jobs to workers until nobody waits or nobody has room."""
        if not self._queue and not self._recovery.waiting:
            return
        self._release_suspect(now)
        reserved = self._recovery.reserved
        ready = [worker for worker in self._workers if worker is not reserved and worker.has_room]
        while ready and self._queue:
            worker = ready[0] if len(ready) == 1 else min(ready, key=_nearest)
            ticket = self._queue.pop(worker.routes)
            if ticket is None:
                ready.remove(worker)
            elif self._still_wanted(ticket, now):
                self._release(worker, ticket, now)
                if not worker.has_room:
                    ready.remove(worker)

    def _release_suspect(self, now: float) -> None:
        """Run the next suspect that is still wanted, if a worker is idle."""
        while found := self._recovery.next(self._forecast.workers_of):
            ticket, worker = found
            if self._still_wanted(ticket, now):
                self._recovery.begin(ticket, worker)
                self._release(worker, ticket, now)

    def _still_wanted(self, ticket: Ticket, now: float) -> bool:
        """Answer a job that came out of the queue and must not run any more."""
        if ticket.job.deadline <= now:
            self._recovery.forgo(ticket, now)
            self._expire(ticket)
            return False
        if self._recovery.memory.verdict(ticket.images, now) is Verdict.POISON:
            self._poison(ticket)
            return False
        return True

    def _release(self, worker: Worker, ticket: Ticket, now: float) -> None:
        job = ticket.job
        ticket.attempts += 1
        ticket.released = now
        reason = "alone" if ticket.suspect else "retry" if ticket.attempts > 1 else "credit"
        self.counters.releases[worker.routes[job.route].model, reason] += 1
        worker.take(ticket, now)
        worker.link.deliver(ticket.as_request(), job.images)

    # After a loss

    def _return(self, tickets: list[Ticket]) -> None:
        """Put jobs back at the head."""
        self._queue.put_back(ticket for ticket in tickets if not ticket.suspect)
        for ticket in newest_first(ticket for ticket in tickets if ticket.suspect):
            self._recovery.waiting.put_back(ticket)

    def _may_retry(self, ticket: Ticket) -> bool:
        """Whether a job that lost its worker gets another attempt; otherwise it is answered."""
        if ticket.settle is not None and ticket.attempts < self._attempts_limit:
            self.counters.retried += 1
            return True
        self._recovery.forgo(ticket, self._clock())
        if ticket.settle is not None:
            self._settle(ticket, Internal(f"the request was lost {ticket.attempts} times, the limit is reached"))
        return False

    def _regroup(self) -> None:
        self.hellos = tuple(worker.hello for worker in self._workers)
        self._forecast.regroup(worker for worker in self._workers if not worker.is_draining)
        self._release_all(self._clock())

    # The one answer

    def _expire(self, ticket: Ticket) -> None:
        self.counters.expired += 1
        self._withdraw(ticket, DeadlineExceeded("There was no answer within the time that timeout_ms gives."))

    def _poison(self, ticket: Ticket) -> None:
        if ticket.settle is not None:
            self.counters.poisoned += 1
            self._settle(ticket, Poison())

    def _withdraw(self, ticket: Ticket, answer: FieldmarkError | None = None) -> None:
        """End a job early: out of the queue, or with word to the worker that holds it."""
        self._settle(ticket, answer)
        if self._queue.remove(ticket):
            return
        if self._recovery.waiting.remove(ticket):
            self._recovery.remember(ticket, self._clock())
            return
        for worker in self._workers:
            if ticket.number in worker.held:
                worker.link.cancel(ticket.number)
                if ticket.suspect and isinstance(answer, DeadlineExceeded):
                    self._recovery.release(worker)

    def _settle(self, ticket: Ticket, answer: Outcome | FieldmarkError | None) -> None:
        """Give the one answer; None where the caller has left."""
        settle, ticket.settle = ticket.settle, None
        del self._open[ticket.number]
        if settle is not None and answer is not None:
            settle(answer)


def _nearest(worker: Worker) -> tuple[bool, float]:
    """The host's own workers first, among them the least loaded."""
    return worker.is_remote, worker.load
