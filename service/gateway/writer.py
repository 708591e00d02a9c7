"""What the answers of one connection are written through, so that a short one leaves in one packet.

uvicorn writes an answer's head and its body apart, which costs a second system call here and a second wake-up there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_CONTINUE = b"HTTP/1.1 100 "


class AnswerWriter:
    """Stands in for the transport in the cycles of one connection, which write one after another.

    An answer's head leaves together with the first piece of its body. `close` sends what is left and calls `end`: how a
    connection ends is its protocol's decision.
    """

    def __init__(self, transport: asyncio.Transport, end: Callable[[], None]) -> None:
        self._transport = transport
        self._end = end
        self._head = b""
        self._is_in_answer = False
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Hold a head back, pass on everything else."""
        if self._is_in_answer:
            self._transport.write(self._head + data)
            self._head = b""
        elif data.startswith(_CONTINUE):
            self._transport.write(data)
        else:
            self._head = data
            self._is_in_answer = True

    def end_answer(self) -> None:
        """Send a head that got no body."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""
        self._is_in_answer = False

    def close(self) -> None:
        """Send what is left and end the connection."""
        self.end_answer()
        self._end()
