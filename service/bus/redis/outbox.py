"""What a gateway sends to Redis: requests, withdrawals and farewells, in the order in which they were put in.

The dispatcher's links must not wait, so they put things in here, and one task sends them: requests that are there
together go in one trip. Bounded by the dispatcher: a request is put in once for each time that it is released, and is
withdrawn once at most.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from redis.exceptions import ExecAbortError, OutOfMemoryError, RedisError

from service.bus.messages import Cancel, Message, Request
from service.bus.redis import scripts, wire
from service.bus.redis.clients import Command, LoopClient
from service.bus.redis.wire import GROUP

OUT_OF_MEMORY = "OOM"  # Redis's word for it, which the abort of a transaction quotes


@dataclass(slots=True, eq=False)
class Sent:
    """A request on its way: `stream` is its route's, or the control stream of the worker that runs it alone.

    `entry` is known once it was sent, and the photos are let go then.
    """

    request: Request
    images: Sequence[bytes]
    stream: str
    worker: str
    entry: bytes | None = None
    body_key: str | None = None


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A request whose caller has left, or (`is_taken_back`) that goes back to the queue because its worker is lost."""

    sent: Sent
    is_taken_back: bool = False


Item = Sent | Withdrawal


class Outbox:
    """One gateway's things to send.

    `unread` is called with a request that was withdrawn before any worker took it, `refused` with one that Redis has no
    memory for.
    """

    def __init__(
        self,
        client: LoopClient,
        gateway: str,
        clock: Callable[[], float],
        unread: Callable[[Request], None],
        refused: Callable[[Sent], None],
    ) -> None:
        self._client = client
        self._gateway = gateway
        self._clock = clock
        self._unread = unread
        self._refused = refused
        self._items: deque[Item] = deque()
        self._has_items = asyncio.Event()
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self._bodies = 0
        self._is_over = False

    def put(self, item: Item) -> None:
        """Add a thing to send."""
        self._items.append(item)
        self._is_empty.clear()
        self._has_items.set()

    def end(self) -> None:
        """Let `run` return once it has sent what is there."""
        self._is_over = True
        self._has_items.set()

    async def flushed(self) -> None:
        """Wait until everything was sent."""
        await self._is_empty.wait()

    async def run(self) -> None:
        """Send until cancelled; raises RedisError when Redis is gone."""
        withdraw = await self._client.run("SCRIPT LOAD", scripts.WITHDRAW)
        while not self._is_over:
            await self._has_items.wait()
            self._has_items.clear()
            while self._items:
                item = self._items[0]
                if isinstance(item, Sent):
                    await self._send(self._next_requests())
                else:
                    await self._withdraw(item, withdraw)
                    self._items.popleft()
            self._is_empty.set()

    def _next_requests(self) -> list[Sent]:
        """Take the requests up to the next withdrawal: that may be of one of them, whose entry must be known then."""
        requests = []
        while self._items and isinstance(item := self._items[0], Sent):
            requests.append(item)
            self._items.popleft()
        return requests

    async def _send(self, requests: Sequence[Sent]) -> None:
        """Send requests in one trip; each is refused alone."""
        each = [self._commands(sent) for sent in requests]
        replies = iter(await self._client.run_all([*itertools.chain(*each)], may_fail=True))
        for sent, commands in zip(requests, each, strict=True):
            sent.images = ()
            try:
                sent.entry = entry_of([*itertools.islice(replies, len(commands))], after_body=bool(sent.body_key))
            except OutOfMemoryError:
                self._refused(sent)

    def _commands(self, sent: Sent) -> list[Command]:
        """A request travels with the time that it has left; Redis's own clock tells how long ago that was.

        A photo and its entry are written together, or neither is.
        """
        left_s = max(0.0, sent.request.deadline - self._clock())
        self._bodies += 1
        key = wire.body_key(self._gateway, self._bodies)
        request = msgspec.structs.replace(sent.request, deadline=left_s)
        parcel = wire.pack(request, sent.images, key, gateway=self._gateway)
        sent.body_key = parcel.body_key
        # The stream of a worker that is gone must not come back.
        options = ("NOMKSTREAM",) if sent.request.alone else ()
        putting = parcel.commands(sent.stream, int(left_s * 1000) + wire.BODY_GRACE_MS, *options)
        if not sent.request.alone:
            putting.append(("PEXPIRE", sent.stream, wire.STREAM_LIFE_MS))
        return [("MULTI",), *putting, ("EXEC",)]

    async def _withdraw(self, item: Withdrawal, digest: str) -> None:
        sent = item.sent
        if item.is_taken_back:
            await self._client.run_all(_removal(sent))
            return
        holder: bytes | None = sent.worker.encode()
        if not sent.request.alone:
            if sent.entry is None:
                return  # it was refused
            holder = await self._client.run("EVALSHA", digest, 1, sent.stream, GROUP, sent.entry)
        if holder:
            await self._client.run_all([tell(holder.decode(), self._gateway, Cancel(sent.request.id))])
        elif holder is not None:
            await self._client.run_all(_removal(sent))
            self._unread(sent.request)
        else:  # a worker answers before it lets its entry go, so the answer, if there is one, stands before this word
            missing = ("XADD", wire.answers_key(self._gateway), "NOMKSTREAM", "*", wire.MISSING, sent.request.id)
            await self._client.run_all([*_removal(sent), wire.anyway(*missing)])


def tell(worker: str, gateway: str, message: Message) -> Command:
    """The command that says something to one worker, if it still lives."""
    fields = wire.pack(message, (), "", gateway=gateway).fields
    return wire.anyway("XADD", wire.control_key(worker), "NOMKSTREAM", *wire.TRIMMED, "*", *fields)


def entry_of(replies: Sequence[Any], *, after_body: bool) -> bytes | None:
    """The id of the entry that a transaction has added; None where the stream is gone, so nobody will take it.

    Raises:
        OutOfMemoryError: Redis had no memory for a part of it or, at its end, for all of it, so nothing was done.
        RedisError: anything else went wrong.
    """
    for reply in replies:
        if isinstance(reply, ExecAbortError) and OUT_OF_MEMORY in str(reply):
            raise OutOfMemoryError(str(reply)) from reply
        if isinstance(reply, RedisError):
            raise reply
    entry = replies[-1][after_body]
    if isinstance(entry, RedisError):
        raise entry
    return cast("bytes | None", entry)


def _removal(sent: Sent) -> list[Command]:
    commands: list[Command] = []
    if sent.entry is not None and not sent.request.alone:
        commands += [("XACK", sent.stream, GROUP, sent.entry), ("XDEL", sent.stream, sent.entry)]
    if sent.body_key:
        commands.append(("UNLINK", sent.body_key))
    return commands
