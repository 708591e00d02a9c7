"""What waits for its client to read it, and an end for one that reads nothing: its connection would be held for ever."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.flow_control import FlowControl

from service.gateway.alarm import Alarm

#: For how long a client may take nothing of what is written before its connection is cut off.
UNREAD_TIMEOUT_S = 30.0


class WatchedFlow(FlowControl):
    """uvicorn's flow of one connection, which cuts a client off that takes nothing; one that takes little has its time."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(transport)
        transport.set_write_buffer_limits(0)  # each byte that waits is told of, not only many
        self._written = transport
        self._alarm = Alarm(loop)

    def pause_writing(self) -> None:
        """Watch what waits now; nothing is added to it meanwhile."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """Watch no longer: everything was taken, or the connection is lost."""
        super().resume_writing()
        self._alarm.close()

    def _watch(self) -> None:
        waiting = self._written.get_write_buffer_size()
        self._alarm.set(UNREAD_TIMEOUT_S, lambda: self._look(waiting))

    def _look(self, before: int) -> None:
        if self._written.get_write_buffer_size() < before:
            self._watch()
        else:
            self._written.abort()
