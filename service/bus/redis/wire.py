"""Names and limits that both ends at Redis share, and the form in which a frame rides in a stream.

An entry holds the frame's head (prefix and header, as everywhere on the bus) and its body, or the name of the key that
holds a body too large for a stream. Every stream is trimmed to a length, and every other key expires.

A Redis whose memory is full takes no request. All else is written `anyway`: it is what keeps both ends in touch and makes
room again, and bounded without that, by the workers' credit and the length of the streams.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.bus.frames import encode
from service.bus.messages import Message
from service.bus.redis.clients import Command
from service.bus.redis.scripts import ANYWAY_DIGEST

LEASE_S = 3.0  # a worker that has not renewed its HELLO for so long is gone
GATEWAY_LEASES = 3  # a gateway has so many times as long: its requests are dropped after that
INLINE_BYTES = 4 << 10  # a body above it gets a key of its own
STREAM_LIMIT = 10_000  # entries of a stream, about; of more, which takes many gateways and workers, the oldest are lost
STREAM_LIFE_MS = 3_600_000  # a route that nobody asks for any more is forgotten
BODY_GRACE_MS = 5_000  # a request's body outlives its deadline by so long
ANSWER_LIFE_MS = 30_000  # an answer's body is kept for so long
TRIMMED = ("MAXLEN", "~", STREAM_LIMIT)
PENDING_LIMIT = 100_000  # entries of a group that are looked at when a worker is lost
PEERS_LIMIT = 256  # workers that a gateway knows

GROUP = "workers"
PREFIX = "{fieldmark}:"  # in braces: one slot of a cluster holds all, as the scripts need
WORKERS = PREFIX + "workers"
GATEWAYS = PREFIX + "gateways"
EVENTS = PREFIX + "events"
JOINED, GONE = b"joined", b"gone"
MISSING = b"missing"  # a gateway's word to itself, behind all answers so far: a request is nowhere in Redis
BODY_LOST = "body-lost"  # a worker's word that a request's body was not there, before its deadline

Fields = Mapping[bytes, bytes]


def worker_name(process: str, session: str) -> str:
    """The name under which a worker's process is at Redis for one session."""
    return f"{process}.{session}"


def process_of(worker: str) -> str:
    """The process that has or had this name."""
    return worker.partition(".")[0]


def route_key(route: str) -> str:
    """Stream of the requests of one route."""
    return f"{PREFIX}route:{route}"


def control_key(worker: str) -> str:
    """Stream of what is meant for one worker."""
    return f"{PREFIX}control:{worker}"


def answers_key(gateway: str) -> str:
    """Stream of a gateway's results; while it exists the gateway lives."""
    return f"{PREFIX}answers:{gateway}"


def hello_key(worker: str) -> str:
    """A worker's HELLO; while it exists the worker lives."""
    return f"{PREFIX}hello:{worker}"


def alone_key(worker: str) -> str:
    """The suspect that a worker runs now."""
    return f"{PREFIX}alone:{worker}"


def alone_mark(gateway: str, number: int) -> str:
    """What stands there: one gateway's request."""
    return f"{gateway}:{number}"


def body_key(owner: str, number: int) -> str:
    """A body that does not ride in its entry."""
    return f"{PREFIX}body:{owner}:{number}"


def anyway(*command: Any) -> Command:
    """A command that is run however full Redis is; the script must have been loaded."""
    return ("EVALSHA", ANYWAY_DIGEST, 1, command[1], *command)


@dataclass(frozen=True, slots=True)
class Parcel:
    """The fields of one entry, and the body that goes into the key `body_key` where it is not empty."""

    fields: tuple[bytes | str, ...]
    body_key: str | None = None
    body: bytes = b""

    def commands(self, stream: str, life_ms: int, *options: str | int) -> list[Command]:
        """The commands that put it into a stream, the body first and the entry last. `options` are of XADD."""
        add = ("XADD", stream, *options, *TRIMMED, "*", *self.fields)
        return [("SET", self.body_key, self.body, "PX", life_ms), add] if self.body_key else [add]


def pack(message: Message, body: Sequence[bytes], key: str, **more: str) -> Parcel:
    """Wrap a frame up; a large body goes into `key`, `more` are fields beside it.

    Raises:
        FrameError: the header or the body is over the kind's limit.
    """
    head = encode(message, body)[0]
    whole = body[0] if len(body) == 1 else b"".join(body)
    beside = tuple(part for item in more.items() for part in item)
    if len(whole) <= INLINE_BYTES:
        return Parcel(("head", head, "body", whole, *beside))
    return Parcel(("head", head, "key", key, *beside), key, whole)
