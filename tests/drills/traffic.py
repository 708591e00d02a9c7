"""Clients for the drills: each request on a connection of its own, and every outcome kept.

Owns a small HTTP client that can do what no polite one does (send slowly, leave in the middle), and a crowd of clients
that ask until they are told to stop. A reply is checked on the spot: it carries the request's own id, and nothing
follows it, so an answer that belongs to someone else or comes twice is seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

PATIENCE_S = 60.0
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: what kind it is for the tally, its photo, and how the client behaves.

    The body is sent in `pieces` with `pause_s` between them. A client with `leaves_after` goes away after that share of
    the body; with 1.0 it has sent everything and does not wait for the answer.
    """

    kind: str
    photo: bytes
    path: str = "/v1/classify"
    content_type: str = "image/jpeg"
    pieces: int = 1
    pause_s: float = 0.0
    leaves_after: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request: a status with its body, or a `fault` in words; one that left on purpose has neither."""

    ask: Ask
    status: int | None = None
    body: bytes = b""
    fault: str | None = None
    was_sent: bool = True


@dataclass
class Tally:
    """All outcomes of a crowd."""

    outcomes: list[Outcome] = field(default_factory=list)

    def statuses(self, kind: str | None = None) -> Counter[int | None]:
        """How often each status came, for one kind of request or all; None stands for those that left."""
        return Counter(outcome.status for outcome in self.outcomes if kind in (None, outcome.ask.kind))

    def faults(self) -> list[str]:
        """Requests that were sent and not answered, or answered wrongly."""
        return [
            f"{outcome.ask.kind}: {outcome.fault}" for outcome in self.outcomes if outcome.fault and outcome.was_sent
        ]


async def send(port: int, ask: Ask) -> Outcome:
    """Send one request and wait for its whole answer, or leave as the request says."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError as error:
        return Outcome(ask, fault=f"no connection ({error.strerror})", was_sent=False)
    try:
        async with asyncio.timeout(PATIENCE_S):
            request_id = f"drill-{next(_numbers)}"
            writer.write(_head(ask, request_id))
            early = await _send_body(reader, writer, ask)
            if ask.leaves_after is not None:
                return Outcome(ask)
            return _judge(ask, request_id, early + await reader.read())
    except TimeoutError:
        return Outcome(ask, fault=f"no answer within {PATIENCE_S:g} s")
    except OSError as error:
        return Outcome(ask, fault=f"the connection broke ({error.strerror})")
    finally:
        _go(writer, ask)
        with contextlib.suppress(OSError):
            await writer.wait_closed()


class Crowd:
    """`clients` clients that ask, one request after another each, what `next_ask` gives them.

    Each rests for `rest_s` between two requests.
    """

    def __init__(self, port: int, clients: int, next_ask: Callable[[], Ask], rest_s: float = 0.0) -> None:
        self.tally = Tally()
        self._port = port
        self._clients = clients
        self._next_ask = next_ask
        self._rest_s = rest_s
        self._stop = asyncio.Event()
        self._news = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def asking(self) -> AsyncIterator[Crowd]:
        """Ask while the block runs; all outcomes are there when it ends."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._clients):
                group.create_task(self._client())
            try:
                yield self
            finally:
                self._stop.set()

    async def more(self, count: int, status: int = 200) -> None:
        """Wait until `count` more requests have this status."""
        goal = self.tally.statuses()[status] + count
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(lambda: self.tally.statuses()[status] >= goal)

    async def turned_away(self) -> None:
        """Wait until every client has found the service gone."""
        async with asyncio.timeout(PATIENCE_S):
            await self._stop.wait()

    async def _client(self) -> None:
        while not self._stop.is_set():
            outcome = await send(self._port, self._next_ask())
            self.tally.outcomes.append(outcome)
            async with self._news:
                self._news.notify_all()
            if not outcome.was_sent:
                self._stop.set()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), self._rest_s)


def _head(ask: Ask, request_id: str) -> bytes:
    return (
        f"POST {ask.path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Request-Id: {request_id}\r\n"
        f"Content-Type: {ask.content_type}\r\nContent-Length: {len(ask.photo)}\r\n\r\n"
    ).encode()


async def _send_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ask: Ask) -> bytes:
    """Send the body; gives what the server said before it had all of it, which ends the sending."""
    total = len(ask.photo) if ask.leaves_after is None else int(len(ask.photo) * ask.leaves_after)
    size = max(1, -(-total // ask.pieces))
    for start in range(0, total, size):
        writer.write(ask.photo[start : min(start + size, total)])
        await writer.drain()
        if ask.pause_s and start + size < total:
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(reader.read(1), ask.pause_s)
    return b""


def _go(writer: asyncio.StreamWriter, ask: Ask) -> None:
    """Hang up: in the middle of an upload with a reset, as a lost network does; else so that all that was sent arrives."""
    if ask.leaves_after is not None and ask.leaves_after < 1.0:
        writer.transport.abort()
    else:
        writer.close()


def _judge(ask: Ask, request_id: str, answer: bytes) -> Outcome:
    head, _, rest = answer.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    if not lines[0].startswith("HTTP/1.1 "):
        return Outcome(ask, fault=f"no answer but {answer[:60]!r}")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    length = int(headers.get("content-length", -1))
    if len(rest) != length:
        return Outcome(ask, fault=f"{len(rest)} bytes came where {length} were promised")
    if headers.get("x-request-id") != request_id:
        return Outcome(ask, fault=f"the answer to {headers.get('x-request-id')} came to {request_id}")
    return Outcome(ask, int(lines[0].split()[1]), rest)
