"""The worker's end at Redis: it takes from its routes' streams what it has room for, whichever gateway put it there.

One thread receives: it takes requests while there is room and otherwise waits for whatever comes first, a new entry or
word for this worker. Another keeps the worker's lease (`lease.py`). Requests are numbered anew here: gateways count each
for itself.

A lost connection, an expired HELLO and the farewell of the last gateway end it: `receive` gives None, and the worker
begins again. It says nothing of a fault: from the name that follows the gateways see that the process lives, so nothing
that it held is to blame.
"""

from __future__ import annotations

import errno
import itertools
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import msgspec
from redis.exceptions import RedisError

from service.bus.base import Delivery
from service.bus.frames import FrameError, decode_head, encode, split_photos
from service.bus.messages import Cancel, Drain, Heartbeat, Hello, Request, Result
from service.bus.redis import scripts, wire
from service.bus.redis.clients import BlockingClient, Command
from service.bus.redis.lease import RENEWALS_PER_LEASE, Lease
from service.bus.redis.wire import EVENTS, GROUP, Fields
from service.errors import ClientClosed, DeadlineExceeded

SEND_RETRIES = 1  # an idle connection may have been cut on the way
ENTRIES_AT_ONCE = 16  # of each stream; those of routes only wake, and are taken by the script


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from, and what is deleted once it is answered; `stream` is None where it was sent directly."""

    gateway: str
    number: int
    stream: str | None
    entry: bytes


class RedisWorkerBus:
    """Implements `WorkerBus`; one thread calls `receive`, any thread answers.

    `process` is the same for all sessions of a process and no other's. `clock` gives monotonic seconds.

    Raises:
        OSError: the Redis at `url` cannot be reached or used.
    """

    def __init__(
        self,
        url: str,
        *,
        process: str | None = None,
        lease_s: float = wire.LEASE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = wire.worker_name(process or secrets.token_hex(8), secrets.token_hex(8))
        self._receiving = BlockingClient(url, lease_s)
        self._sending = BlockingClient(url, lease_s, retries=SEND_RETRIES)
        self._clock = clock
        self._credit = 0
        self._routes: list[str] = []
        self._seen: list[bytes] = []
        self._control = wire.control_key(self.name)
        self._control_seen = b"0-0"
        self._ready: deque[Delivery | int] = deque()
        self._suspects: deque[Delivery] = deque()
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._origins: dict[int, Origin] = {}
        self._running_alone: int | None = None
        self._is_full = False
        self._is_leaving = False
        try:
            keys = [wire.hello_key(self.name), self._control]
            # On the list again and again: a Redis whose memory is full may evict it.
            self._lease = Lease(self._sending, keys, wire.anyway("SADD", wire.WORKERS, self.name), lease_s, clock)
            self._take_script = self._sending.run("SCRIPT LOAD", scripts.TAKE)
            self._sending.run("SCRIPT LOAD", scripts.ANYWAY)
        except RedisError as error:
            self._sending.close()
            raise OSError(errno.EHOSTUNREACH, f"Redis does not answer: {error}") from error
        self._over = self._lease.over

    # Towards the gateways

    def hello(self, hello: Hello) -> None:
        """Announce the worker; must be the first message."""
        self._credit = hello.credit
        self._routes = [wire.route_key(info.route) for info in hello.routes]
        lease_ms = self._lease.ms
        commands: list[Command] = [
            wire.anyway("XADD", self._control, "*", "wake", ""),
            ("PEXPIRE", self._control, lease_ms),
            wire.anyway("SET", wire.hello_key(self.name), encode(hello)[0], "PX", lease_ms),
            wire.anyway("SADD", wire.WORKERS, self.name),
            self._event(wire.JOINED),
        ]
        self._send(commands)
        self._lease.keep()

    def answer(self, result: Result, body: bytes = b"") -> None:
        """Send one result; safe from any thread."""
        with self._lock:
            origin = self._origins.pop(result.id, None)
            must_wake = self._is_full
            if self._running_alone == result.id:
                self._running_alone = None
        if origin is None:
            return
        result = msgspec.structs.replace(result, id=origin.number)
        parcel = wire.pack(result, (body,), wire.body_key(self.name, next(self._numbers)))
        putting = parcel.commands(wire.answers_key(origin.gateway), wire.ANSWER_LIFE_MS, "NOMKSTREAM")
        commands = [wire.anyway(*command) for command in putting]
        if origin.stream is not None:
            commands += [("XACK", origin.stream, GROUP, origin.entry), ("XDEL", origin.stream, origin.entry)]
        if must_wake:
            commands.append(self._wake())
        self._send(commands)

    def heartbeat(self, heartbeat: Heartbeat) -> None:
        """Report figures; safe from any thread."""
        self._send([self._event(encode(heartbeat)[0])])

    def leave(self) -> None:
        """Tell the gateways that no more requests are taken; safe from any thread."""
        self._is_leaving = True
        self._send([self._event(encode(Drain())[0]), self._wake()])

    def close(self) -> None:
        """Hang up; a `receive` that blocks in another thread returns None."""
        is_first_to_know = not self._over.is_set()
        self._over.set()
        with self._lock:
            self._origins.clear()
        if self._lease.is_kept:
            if is_first_to_know:
                gone = ("DEL", wire.hello_key(self.name)), ("SREM", wire.WORKERS, self.name)
                self._put([*gone, self._event(wire.GONE), self._wake()])
            self._lease.join()
        self._sending.close()

    # From the gateways

    def receive(self) -> Delivery | int | None:
        """Block for the next thing, as `WorkerBus.receive` says."""
        thing = None
        try:
            thing = self._next()
        except RedisError as error:
            self._lease.lose(error)
        except FrameError:
            self._over.set()
            raise
        finally:
            if thing is None:
                self._receiving.close()
        return thing

    def _next(self) -> Delivery | int | None:
        while not self._over.is_set():
            if self._ready:
                return self._ready.popleft()
            if self._is_leaving and not self._suspects:
                break
            self._fetch()
        return None

    def _fetch(self) -> None:
        """Bring something into `_ready`, or wait for a while."""
        room = self._room()
        if self._suspects and not self._holds_others():
            self._begin_alone(self._suspects.popleft())
        elif not (room and self._take(room)):
            self._wait(is_taking=bool(room))

    def _room(self) -> int:
        """How many requests may be taken now; where it is none, the next answer wakes the receiver."""
        with self._lock:
            is_alone = bool(self._suspects) or self._running_alone is not None
            room = 0 if is_alone or self._is_leaving else max(0, self._credit - len(self._origins))
            self._is_full = room == 0
            return room

    def _holds_others(self) -> bool:
        """Whether anything is held beside the suspects that wait."""
        with self._lock:
            return len(self._origins) > len(self._suspects)

    def _take(self, room: int) -> bool:
        """Take requests out of the streams; False if there were none."""
        keys = self._routes
        arguments = GROUP, self.name, room, wire.answers_key(""), wire.STREAM_LIFE_MS, wire.hello_key(self.name)
        reply = self._receiving.run("EVALSHA", self._take_script, len(keys), *keys, *arguments)
        if reply is None:
            self._lease.give_up()
            return False
        taken, self._seen = reply
        for index, entry, flat in taken:
            fields = dict(zip(flat[::2], flat[1::2], strict=True))
            delivery = self._accept(fields, entry, keys[index])
            if delivery is not None:
                self._ready.append(delivery)
        return bool(taken)

    def _wait(self, *, is_taking: bool) -> None:
        """Wait for word to this worker, and where there is room for a new entry in any of its streams."""
        keys, seen = [self._control], [self._control_seen]
        if is_taking:
            keys += self._routes
            seen += self._seen
        wait_ms = self._lease.ms // RENEWALS_PER_LEASE
        reply = self._receiving.run("XREAD", "COUNT", ENTRIES_AT_ONCE, "BLOCK", wait_ms, "STREAMS", *keys, *seen)
        for stream, entries in reply or ():
            if stream == self._control.encode():
                self._control_seen = entries[-1][0]
                for entry, fields in entries:
                    self._obey(entry, fields)

    def _obey(self, entry: bytes, fields: Fields) -> None:
        """Do what an entry for this worker alone says."""
        if b"head" not in fields:
            return  # it only wakes
        message, _ = decode_head(fields[b"head"])
        if isinstance(message, Request):
            delivery = self._accept(fields, entry, None)
            if delivery is not None:
                self._suspects.append(delivery)
        elif isinstance(message, Cancel):
            self._cancel(fields[b"gateway"].decode(), message.id)
        elif isinstance(message, Drain):
            self._is_leaving = self._is_leaving or not self._has_gateway()

    def _accept(self, fields: Fields, entry: bytes, stream: str | None) -> Delivery | None:
        """Make a delivery of an entry; None, and the answer given, where its photos are gone.

        They are taken out of Redis: only this worker needs them, and a gateway that asks again has its own.
        """
        request, _ = decode_head(fields[b"head"])
        if not isinstance(request, Request):
            raise FrameError(f"a gateway does not send {type(request).__name__} to a route")
        number = next(self._numbers)
        with self._lock:
            self._origins[number] = Origin(fields[b"gateway"].decode(), request.id, stream, entry)
        arrived_s = int(entry.partition(b"-")[0]) / 1000 - self._lease.ahead_s
        request = msgspec.structs.replace(request, id=number, deadline=arrived_s + request.deadline)
        key = fields.get(b"key")
        body = fields[b"body"] if key is None else cast("bytes | None", self._receiving.run("GETDEL", key))
        if body is None:
            is_expired = request.deadline <= self._clock()
            self.answer(Result(number, error=DeadlineExceeded.slug if is_expired else wire.BODY_LOST))
            return None
        return Delivery(request, split_photos(body, request.sizes))

    def _begin_alone(self, delivery: Delivery) -> None:
        """Run a suspect: nothing else is taken until it is answered. Which one runs is written down for its gateway."""
        number = delivery.request.id
        with self._lock:
            origin = self._origins.get(number)
            self._running_alone = number
        if origin is not None:
            mark = wire.alone_mark(origin.gateway, origin.number)
            self._receiving.run(*wire.anyway("SET", wire.alone_key(self.name), mark, "PX", wire.STREAM_LIFE_MS))
            self._ready.append(delivery)

    def _cancel(self, gateway: str, number: int) -> None:
        """Pass a cancellation on; a suspect that still waits is answered at once."""
        with self._lock:
            origins = self._origins.items()
            known = [own for own, origin in origins if (origin.gateway, origin.number) == (gateway, number)]
        for own in known:
            waiting = next((suspect for suspect in self._suspects if suspect.request.id == own), None)
            if waiting is None:
                self._ready.append(own)
            else:
                self._suspects.remove(waiting)
                self.answer(Result(own, error=ClientClosed.slug))

    def _has_gateway(self) -> bool:
        """Whether any gateway lives."""
        gateways = [name.decode() for name in self._receiving.run("SMEMBERS", wire.GATEWAYS)]
        return bool(gateways) and self._receiving.run("EXISTS", *map(wire.answers_key, gateways)) > 0

    # Sending

    def _event(self, what: bytes) -> Command:
        return wire.anyway("XADD", EVENTS, *wire.TRIMMED, "*", "worker", self.name, "event", what)

    def _wake(self) -> Command:
        return wire.anyway("XADD", self._control, "NOMKSTREAM", *wire.TRIMMED, "*", "wake", "")

    def _send(self, commands: Sequence[Command]) -> None:
        """Send in one trip, unless the session is over: its requests have gone back to their gateways."""
        if not self._over.is_set():
            self._put(commands)

    def _put(self, commands: Sequence[Command]) -> None:
        """Send in one trip. What cannot be sent is dropped and ends the session."""
        try:
            self._sending.run_all(commands)
        except RedisError as error:
            self._lease.lose(error)
