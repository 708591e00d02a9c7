"""What the supervision remembers of its children, and how long it pauses before it starts one again.

A `Slot` is a place that must be filled. It holds at most one child that serves and one that starts. A start that succeeds
takes the serving place, and who had it before is drained: that is the whole of a replacement, and a first start is one
with nobody to replace.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from service.status import StartReason
from service.supervisor.child import Child, Role

#: Starts in a row that end before the child is ready, after which the service gives up.
START_ATTEMPTS_LIMIT = 3
#: The pause before a restart doubles from the first of these to the second ...
PAUSE_FIRST_S, PAUSE_LIMIT_S = 0.25, 10.0
#: ... and is left out for a child that had been ready this long.
STABLE_S = 10.0


@dataclass(slots=True, eq=False)
class Watch:
    """One child as it is watched; `killed_for` is why the supervisor itself ended it."""

    child: Child
    since: float
    heard: float
    ready_at: float | None = None
    leave_by: float | None = None
    killed_for: StartReason | None = None
    sentence: str = ""


@dataclass(slots=True, eq=False)
class Slot:
    """A place that must be filled: the gateway, or a worker."""

    role: Role
    index: int
    serving: Watch | None = None
    starting: Watch | None = None
    leaving: list[Watch] = field(default_factory=list)
    start_at: float | None = None
    reason: StartReason = "start"
    failed_starts: int = 0
    quick_ends: int = 0

    @property
    def name(self) -> str:
        """As in the log and in `ps`."""
        return self.role if self.role == "gateway" else f"{self.role} {self.index}"

    def watches(self) -> Iterator[Watch]:
        """Give every child of this slot that has not ended."""
        yield from (watch for watch in (self.serving, self.starting, *self.leaving) if watch is not None)


def pause_s(ends: int) -> float:
    """Seconds before the next start, after so many ends in a row."""
    doublings = min(ends - 1, 16)  # enough for the limit, and far from the largest float
    return min(PAUSE_FIRST_S * 2.0**doublings, PAUSE_LIMIT_S) if ends else 0.0


def describe_status(status: int) -> str:
    """Name an exit status, or the signal that ended a process."""
    return f"exit status {status}" if status >= 0 else f"signal {-status}"
