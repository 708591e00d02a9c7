"""What is done about jobs that may have brought a worker down.

When a worker crashes, everything it held is suspect. Suspects wait in a line of their own, ahead of everyone, and run
one at a time, each alone on a worker; the one that crashes a worker again alone is poison. One that runs out of time alone
(it wedges its worker) keeps others away no longer, but is poison when the worker goes before it answers. `PhotoMemory`
remembers the photos for a while: poison is refused at once when it comes again, a suspect whose caller left before it
could be tried alone is tried alone then. Digests are made only for these, and for a new upload only if one of them has its size.
"""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from service.bus.links import Worker
from service.bus.queue import Line, Ticket

MEMORY_LIMIT = 1024  # photos remembered; the oldest is forgotten first

Sizes = tuple[int, ...]


class Verdict(IntEnum):
    """What is known of a job's photos."""

    CLEAN = 0
    SUSPECT = 1
    POISON = 2


class Recovery:
    """The suspects that wait, the one that runs, and the photos that are remembered.

    `reserved` is the worker that gets nothing more until it is empty, because a suspect waits for it.
    """

    def __init__(self, keep_s: float) -> None:
        self.waiting = Line()
        self.memory = PhotoMemory(keep_s)
        self.reserved: Worker | None = None
        self._running: tuple[Ticket, Worker] | None = None

    def counts(self) -> Counter[str]:
        """Waiting suspects of each route."""
        return Counter(ticket.job.route for ticket in self.waiting)

    def next(self, workers_of: Callable[[str], Sequence[Worker]]) -> tuple[Ticket, Worker] | None:
        """Take the suspect that can run now out of its line, with the idle worker for it.

        While the oldest suspect that any worker serves has no idle one, the least loaded is reserved for it.
        """
        self.reserved = None
        if self._running is not None:
            return None
        for ticket in self.waiting:
            workers = workers_of(ticket.job.route)
            if not workers:
                continue
            worker = min(workers, key=lambda worker: (worker.is_stopped, worker.load))
            if worker.held or not worker.has_room:
                self.reserved = worker
                return None
            self.waiting.remove(ticket)
            return ticket, worker
        return None

    def begin(self, ticket: Ticket, worker: Worker) -> None:
        """The suspect is about to be sent: its worker gets nothing else."""
        self._running = ticket, worker
        worker.is_alone = True

    def release(self, worker: Worker) -> None:
        """The worker is free for others again: its suspect was answered, ran out of time, or went with the worker."""
        if self._running is not None and self._running[1] is worker:
            self._running = None
            worker.is_alone = False

    def acquit(self, ticket: Ticket) -> None:
        """The suspect was answered, so it is none."""
        ticket.suspect = False
        self.memory.clear(ticket.images)

    def remember(self, ticket: Ticket, now: float) -> None:
        """The suspect goes without having been tried: it is one again when it comes again."""
        self.memory.record(ticket.images, Verdict.SUSPECT, now)

    def forgo(self, ticket: Ticket, now: float) -> None:
        """A job is answered without another attempt; if it is a suspect it goes untried."""
        if ticket.suspect:
            self.remember(ticket, now)

    def judge(self, tickets: Sequence[Ticket], now: float) -> list[Ticket]:
        """Decide about what a crashed worker held; gives the guilty, and makes the others suspects.

        A suspect is sent to a worker alone, so whoever was suspect already did it (or used up its time alone, and others
        came to its worker only then). A job that nobody waits for any more is remembered, in case it comes again.
        """
        guilty = [ticket for ticket in tickets if ticket.suspect]
        for ticket in tickets:
            if ticket.suspect:
                self.memory.record(ticket.images, Verdict.POISON, now)
            elif ticket.settle is None:
                self.remember(ticket, now)
            else:
                ticket.suspect = True
        return guilty


@dataclass(frozen=True, slots=True)
class _Entry:
    verdict: Verdict
    until: float


class PhotoMemory:
    """Digests of photos that brought workers down, each kept for `keep_s` seconds."""

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._entries: OrderedDict[tuple[Sizes, bytes], _Entry] = OrderedDict()
        self._sizes: Counter[Sizes] = Counter()

    def __len__(self) -> int:
        return len(self._entries)

    def record(self, images: Sequence[bytes], verdict: Verdict, now: float) -> None:
        """Remember these photos from now on; a worse verdict stands until it is forgotten."""
        key = _key(images)
        known = self._entries.pop(key, None)
        if known is None:
            self._sizes[key[0]] += 1
        else:
            verdict = max(verdict, known.verdict)
        self._entries[key] = _Entry(verdict, now + self._keep_s)
        self._forget(now)

    def clear(self, images: Sequence[bytes]) -> None:
        """Forget a suspicion: these photos were answered."""
        if self._may_know(images):
            self._drop(_key(images))

    def verdict(self, images: Sequence[bytes], now: float) -> Verdict:
        """What is known of these photos."""
        if not self._may_know(images):
            return Verdict.CLEAN
        self._forget(now)
        entry = self._entries.get(_key(images))
        return entry.verdict if entry else Verdict.CLEAN

    def _may_know(self, images: Sequence[bytes]) -> bool:
        return bool(self._sizes) and _sizes(images) in self._sizes

    def _forget(self, now: float) -> None:
        while self._entries:
            key, entry = next(iter(self._entries.items()))
            if entry.until > now and len(self._entries) <= MEMORY_LIMIT:
                return
            self._drop(key)

    def _drop(self, key: tuple[Sizes, bytes]) -> None:
        if self._entries.pop(key, None) is None:
            return
        self._sizes[key[0]] -= 1
        if not self._sizes[key[0]]:
            del self._sizes[key[0]]


def _sizes(images: Sequence[bytes]) -> Sizes:
    return tuple(map(len, images))


def _key(images: Sequence[bytes]) -> tuple[Sizes, bytes]:
    digest = hashlib.blake2b(digest_size=32)
    for image in images:
        digest.update(image)
    return _sizes(images), digest.digest()
