"""The waiting jobs: first in, first out per route; between routes the oldest head; two priorities that share.

A pure data structure: no clock, no sockets. It knows order and size; whether a job may enter (admission), where it runs
and when it expires are decided elsewhere. Everything is O(1) in the number of jobs: a job that was cancelled or has
expired leaves at once, and nothing of it stays behind.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Container, Iterable, Iterator, Sequence

import msgspec

from service.bus.base import Job, Outcome
from service.bus.messages import Priority, Request
from service.errors import FieldmarkError

ROUNDING = 1e-9  # ten tenths make one
Settle = Callable[[Outcome | FieldmarkError], None]


class Ticket(msgspec.Struct, eq=False):
    """An accepted job on its way to its one answer.

    `number` counts up with every accepted job, so it tells age; on the wire it is the request's id. `settle` takes the
    answer and is None from then on. `suspect` marks a job that may have brought a worker down. Times are seconds of the
    bus's clock.
    """

    number: int
    job: Job
    settle: Settle | None
    submitted: float
    suspect: bool = False
    attempts: int = 0
    released: float = 0.0
    size_bytes: int = 0

    def __post_init__(self) -> None:
        self.size_bytes = sum(map(len, self.job.images))

    @property
    def images(self) -> Sequence[bytes]:
        """The photos as uploaded."""
        return self.job.images

    def as_request(self) -> Request:
        """The job as it goes to a worker."""
        job = self.job
        return Request(
            id=self.number,
            route=job.route,
            deadline=job.deadline,
            sizes=[len(image) for image in job.images],
            parameters=job.parameters,
            priority=job.priority,
            traceparent=job.traceparent,
            request_id=job.request_id,
            alone=self.suspect,
        )


class Line:
    """Tickets in order of arrival, each removable at once."""

    def __init__(self) -> None:
        self._tickets: OrderedDict[int, Ticket] = OrderedDict()
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._tickets)

    def __iter__(self) -> Iterator[Ticket]:
        return iter(self._tickets.values())

    @property
    def head(self) -> Ticket:
        """The first ticket; the line must not be empty."""
        return next(iter(self._tickets.values()))

    def append(self, ticket: Ticket) -> None:
        """Add at the end."""
        self._tickets[ticket.number] = ticket
        self.size_bytes += ticket.size_bytes

    def put_back(self, ticket: Ticket) -> None:
        """Add at the head."""
        self.append(ticket)
        self._tickets.move_to_end(ticket.number, last=False)

    def remove(self, ticket: Ticket) -> bool:
        """Take the ticket out; False if it is not here."""
        if self._tickets.pop(ticket.number, None) is None:
            return False
        self.size_bytes -= ticket.size_bytes
        return True


class WaitingQueue:
    """All lines, one for each route and priority; only lines that hold something are kept.

    `bulk_share` is the least share of the releases that bulk gets while both priorities wait; interactive gets the rest.
    `size_bytes` are the photo bytes of all waiting jobs.
    """

    def __init__(self, bulk_share: float) -> None:
        self._bulk_share = bulk_share
        self._owed_to_bulk = 0.0  # releases; grows by the share with each release while both wait
        self._lines: dict[Priority, dict[str, Line]] = {priority: {} for priority in Priority}
        self._count = 0
        self.size_bytes = 0

    def __len__(self) -> int:
        return self._count

    def waiting(self, priority: Priority) -> Iterator[tuple[str, int]]:
        """Each route of this priority with the number of its waiting jobs."""
        for route, line in self._lines[priority].items():
            yield route, len(line)

    def append(self, ticket: Ticket) -> None:
        """Add a new job at the end of its line."""
        self._entered(ticket).append(ticket)

    def put_back(self, tickets: Iterable[Ticket]) -> None:
        """Return jobs to the heads of their lines, the oldest foremost."""
        for ticket in newest_first(tickets):
            self._entered(ticket).put_back(ticket)

    def remove(self, ticket: Ticket) -> bool:
        """Take out a job that was cancelled or has expired; False if it does not wait here."""
        line = self._lines[ticket.job.priority].get(ticket.job.route)
        if line is None or not line.remove(ticket):
            return False
        self._count -= 1
        self.size_bytes -= ticket.size_bytes
        if not line:
            del self._lines[ticket.job.priority][ticket.job.route]
        return True

    def pop(self, routes: Container[str]) -> Ticket | None:
        """Take the next job whose route is among `routes`: the oldest head of the priority whose turn it is."""
        interactive = self._oldest(Priority.INTERACTIVE, routes)
        bulk = self._oldest(Priority.BULK, routes)
        ticket = self._whose_turn(interactive, bulk) if interactive and bulk else interactive or bulk
        if ticket:
            self.remove(ticket)
        return ticket

    def _whose_turn(self, interactive: Ticket, bulk: Ticket) -> Ticket:
        self._owed_to_bulk += self._bulk_share
        if self._owed_to_bulk < 1.0 - ROUNDING:
            return interactive
        self._owed_to_bulk -= 1.0
        return bulk

    def _oldest(self, priority: Priority, routes: Container[str]) -> Ticket | None:
        lines = self._lines[priority]
        heads = [line.head for route, line in lines.items() if route in routes] if lines else None
        if not heads:
            return None
        return heads[0] if len(heads) == 1 else min(heads, key=_age)

    def _entered(self, ticket: Ticket) -> Line:
        """The line that the ticket goes to; it is counted already."""
        self._count += 1
        self.size_bytes += ticket.size_bytes
        lines = self._lines[ticket.job.priority]
        line = lines.get(ticket.job.route)
        if line is None:
            line = lines[ticket.job.route] = Line()
        return line


def newest_first(tickets: Iterable[Ticket]) -> list[Ticket]:
    """The order in which jobs are put back at a head, so that the oldest ends up foremost."""
    return sorted(tickets, key=_age, reverse=True)


def _age(ticket: Ticket) -> int:
    return ticket.number
