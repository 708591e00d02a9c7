"""One thing that shall happen on a connection unless something else comes first, without a timer for every request.

Times are set and called off with each request and almost never come. The event loop keeps its timers sorted; an alarm keeps
one of them, which looks when it rings whether it is wanted, and later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Alarm:
    """An action at a time, or none."""

    __slots__ = ("_action", "_due", "_loop", "_timer", "_timer_at")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._action: Callable[[], None] | None = None
        self._due = self._timer_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_set(self) -> bool:
        """Whether an action is to come."""
        return self._action is not None

    def set(self, delay_s: float, action: Callable[[], None]) -> None:
        """Let `action` come in so many seconds, in place of what was to come."""
        self._action = action
        self._due = self._loop.time() + delay_s
        if self._timer is None or self._due < self._timer_at:
            self._wind()

    def clear(self) -> None:
        """Let nothing come."""
        self._action = None

    def close(self) -> None:
        """Let nothing come and give the timer back."""
        self._action = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wind(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = self._due
        self._timer = self._loop.call_at(self._due, self._ring)

    def _ring(self) -> None:
        self._timer = None
        action = self._action
        if action is None:
            return
        if self._loop.time() < self._due:
            self._wind()
        else:
            self._action = None
            action()
