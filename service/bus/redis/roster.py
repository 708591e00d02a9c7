"""Who lives at Redis, and who has taken what: what a gateway asks, and what it sweeps up behind those that are gone.

Only asks and cleans; what follows for the requests is the session's. All that is needed for one decision is asked for in
an order in which it cannot be overtaken: a worker whose lease has ended takes nothing more, so what it had taken is asked
after it was seen to be gone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from redis.exceptions import RedisError

from service.bus.frames import FrameError, decode_head
from service.bus.links import fault_of
from service.bus.messages import Hello, Message
from service.bus.redis import scripts, wire
from service.bus.redis.clients import Command, LoopClient
from service.bus.redis.wire import GROUP
from service.logs import get_logger

GRACE_LEASES = wire.GATEWAY_LEASES + 1  # after so long each gateway has taken back what a lost worker held, or is gone

log = get_logger()


@dataclass(frozen=True, slots=True)
class Holder:
    """A worker that has taken an entry."""

    name: str
    is_alive: bool


@dataclass(frozen=True, slots=True)
class News:
    """What one look found.

    `gone` are those of the known workers whose lease has ended; `returned` are the ones among them whose process came back
    by another name: it was out of reach and did not crash. `running_alone` is the suspect that each of them was at
    (`<gateway>:<number>`), `holders` who has which entry.
    """

    newcomers: Mapping[str, Hello]
    gone: Sequence[str]
    returned: Collection[str]
    running_alone: Mapping[str, bytes | None]
    holders: Mapping[bytes, Holder]


class Roster:
    """One gateway's view of the workers and the other gateways."""

    def __init__(self, client: LoopClient, clock: Callable[[], float], lease_s: float) -> None:
        self._client = client
        self._clock = clock
        self._lease_s = lease_s
        self._digest = ""
        self._refused: set[str] = set()
        self._next_sweep = 0.0
        self._departed: set[tuple[str, bytes]] = set()

    async def join(self, gateway: str) -> None:
        """Put a gateway on the list, and take those off it that ended without a farewell."""
        self._digest = await self._client.run("SCRIPT LOAD", scripts.HOLDERS)
        await self._client.run(*wire.anyway("SADD", wire.GATEWAYS, gateway))
        names = await self._names(wire.GATEWAYS)
        lives = await self._client.run_all([("EXISTS", wire.answers_key(name)) for name in names])
        if expired := [name for name, is_alive in zip(names, lives, strict=True) if not is_alive]:
            await self._client.run("SREM", wire.GATEWAYS, *expired)

    async def look(self, known: Collection[str], streams: Callable[[], Collection[str]]) -> News:
        """Learn who came and who is gone since `known`; `streams` gives those whose entries matter, once that is known."""
        names = sorted({*await self._names(wire.WORKERS), *known})  # known ones live though Redis evicts the list
        lives = await self._client.run_all([("EXISTS", wire.hello_key(name)) for name in names])
        living = {name for name, is_alive in zip(names, lives, strict=True) if is_alive}
        if expired := sorted(set(names) - living):
            await self._client.run("SREM", wire.WORKERS, *expired)
        self._refused &= living
        unknown = sorted(living.difference(known, self._refused))
        newcomers = await self._introduced(unknown, wire.PEERS_LIMIT - len(known))
        processes = {wire.process_of(name) for name in newcomers}
        returned = [name for name in known if wire.process_of(name) in processes]
        # One whose old lease still runs must not be taken for a newcomer at the next look.
        await self._client.run_all([("DEL", wire.hello_key(name)) for name in returned])
        gone = [name for name in known if name not in living or name in returned]
        marks = await self._client.run_all([("GET", wire.alone_key(name)) for name in gone])
        holders = await self._holders(streams())
        return News(newcomers, gone, returned, dict(zip(gone, marks, strict=True)), holders)

    async def sweep(self, streams: Collection[str]) -> None:
        """Let Redis forget workers that were gone at two sweeps in a row, and what they had taken of these routes' streams.

        Looks no more often than `GRACE_LEASES` allow, and knows those of earlier sessions, too: the streams name them.
        """
        now = self._clock()
        if now < self._next_sweep:
            return
        self._next_sweep = now + GRACE_LEASES * self._lease_s
        departed = await self._consumers_without_hello(sorted(streams))
        for stream, name in departed & self._departed:
            await self._client.run("EVAL", scripts.FORGET, 1, stream, GROUP, name, wire.PENDING_LIMIT)
        self._departed = departed

    async def _consumers_without_hello(self, streams: Sequence[str]) -> set[tuple[str, bytes]]:
        """The streams and the names of consumers whose lease has ended."""
        asked: list[Command] = [("XINFO CONSUMERS", stream, GROUP) for stream in streams]
        # A stream that nobody has used yet, or for long, is an error to Redis.
        replies = await self._client.run_all(asked, may_fail=True)
        found = [
            (stream, consumer["name"])
            for stream, consumers in zip(streams, replies, strict=True)
            if not isinstance(consumers, RedisError)
            for consumer in consumers
        ]
        lives = await self._client.run_all([("EXISTS", wire.hello_key(name.decode())) for _, name in found])
        return {one for one, is_alive in zip(found, lives, strict=True) if not is_alive}

    async def _names(self, key: str) -> list[str]:
        return sorted(name.decode() for name in await self._client.run("SMEMBERS", key))

    async def _introduced(self, names: Sequence[str], limit: int) -> dict[str, Hello]:
        """The HELLO of each of these workers; without those that are gone again, or cannot be worked with."""
        heads = await self._client.run_all([("GET", wire.hello_key(name)) for name in names[: max(0, limit)]])
        introduced = {}
        for name, head in zip(names, heads, strict=False):
            hello = read_head(head) if head else None
            if not isinstance(hello, Hello):
                continue
            if fault := fault_of(hello):
                self._refused.add(name)  # so that it is said once
                log.warning("worker_refused", worker=hello.worker, reason=fault)
            else:
                introduced[name] = hello
        return introduced

    async def _holders(self, streams: Collection[str]) -> dict[bytes, Holder]:
        """Who has which entry of these streams."""
        if not streams:
            return {}
        arguments = GROUP, wire.PENDING_LIMIT, wire.hello_key("")
        flat = await self._client.run("EVALSHA", self._digest, len(streams), *streams, *arguments)
        entries, names, lives = flat[::3], flat[1::3], flat[2::3]
        return {
            entry: Holder(name.decode(), bool(is_alive))
            for entry, name, is_alive in zip(entries, names, lives, strict=True)
        }


def read_head(head: bytes) -> Message | None:
    """The message of an entry; None, and a line in the log, where it is none."""
    try:
        return decode_head(head)[0]
    except FrameError as error:
        log.warning("entry_refused", reason=str(error))
        return None
