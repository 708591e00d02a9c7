"""How answers leave: a whole one in one write, everything else the way that uvicorn sends it.

uvicorn writes an answer's head and its body apart, which costs a second system call here and a second wake-up there,
and checks each header on its own. Almost every answer of this service is whole when it is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from typing import cast

from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle


class Exit:
    """Stands in for the transport in the cycles of one connection: how it ends is the protocol's decision."""

    __slots__ = ("close", "is_closing", "write")

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = close


class _Done:
    """What is awaited where there is nothing to wait for: a coroutine for each message would cost more than the message."""

    def __await__(self) -> Generator[None, None, None]:
        return cast("Generator[None, None, None]", iter(()))


_DONE = _Done()


class Sender:
    """The `send` of one request, in the place of its cycle's own. A head waits here until a piece of its body comes."""

    __slots__ = ("_cycle", "_is_streaming", "_start")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._start: Message | None = None
        self._is_streaming = False

    def __call__(self, message: Message) -> Awaitable[None]:
        """Take one ASGI message."""
        if self._is_streaming:
            return self._stream(message)
        if message["type"] == "http.response.start":
            self._start = message
        elif self._start is None or not self._is_whole(message):
            self._is_streaming = True
            return self._begin_stream(message)
        elif self._cycle.flow.write_paused:
            return self._write_later(self._start, message["body"])
        else:
            self._write(self._start, message["body"])
        return _DONE

    def _is_whole(self, message: Message) -> bool:
        return not message.get("more_body") and bool(message.get("body")) and self._cycle.scope["method"] != "HEAD"

    async def _begin_stream(self, message: Message) -> None:
        if self._start is not None:
            await self._stream(self._start)
        await self._stream(message)

    async def _stream(self, message: Message) -> None:
        await RequestResponseCycle.send(self._cycle, message)  # type: ignore[arg-type]

    async def _write_later(self, start: Message, body: bytes) -> None:
        """Write when the client has read what was written before."""
        if not self._cycle.disconnected:
            await self._cycle.flow.drain()
        self._write(start, body)

    def _write(self, start: Message, body: bytes) -> None:
        """Write a head with its whole body, and tell the cycle that its answer is complete."""
        cycle = self._cycle
        if cycle.disconnected:
            return
        head = _head(start, cycle)
        cycle.response_started = cycle.response_complete = True
        cycle.transport.write(head + body)
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()


def _head(start: Message, cycle: RequestResponseCycle) -> bytes:
    """Status line and headers, of which the route has given the length of its body.

    Raises:
        RuntimeError: a line end in a header, which would let its author write another answer (RFC 9112, section 11.1).
    """
    headers = [*cycle.default_headers, *start["headers"]]
    if not cycle.keep_alive:
        headers.append((b"connection", b"close"))
    block = b"\r\n".join([*map(b": ".join, headers), b"", b""])
    if block.count(b"\n") != len(headers) + 1:
        raise RuntimeError("a header holds a line end")
    return STATUS_LINE[start["status"]] + block
