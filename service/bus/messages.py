"""The typed headers of the bus's frames, encoded as msgpack.

Each frame kind has one struct. Bodies (encoded photos, answers) ride beside the header as raw bytes and are never
copied into it. Times are seconds of the host's monotonic clock, which all processes of one host share.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

import msgspec

from service.answers import Parameters
from service.catalog import RouteInfo
from service.status import StartReason

CREDIT_LIMIT = 4096  # requests one worker may hold
LANES_LIMIT = 1024
ROUTES_LIMIT = 4096  # routes one worker may announce
SLOW_PATHS_LIMIT = 16


class Kind(IntEnum):
    """The frame kinds; the value is the byte on the wire."""

    HELLO = 1
    REQUEST = 2
    RESULT = 3
    CANCEL = 4
    CREDIT = 5
    DRAIN = 6
    HEARTBEAT = 7


class Priority(IntEnum):
    """Who is served first; `BULK` takes what `INTERACTIVE` leaves, but never less than a configured share."""

    INTERACTIVE = 0
    BULK = 1


class Hello(msgspec.Struct, frozen=True):
    """A worker introduces itself; `catalog` is the JSON that `/v1/models` and `/v1/domains` show.

    `lanes` is how many requests it works on at once, `credit` how many it may hold. `started_because` is `start`, or
    the reason of the restart. `slow_paths` names what makes it slower than it could be.
    """

    worker: str
    pid: int
    device: str
    lanes: Annotated[int, msgspec.Meta(ge=1, le=LANES_LIMIT)]
    credit: Annotated[int, msgspec.Meta(ge=1, le=CREDIT_LIMIT)]
    routes: Annotated[list[RouteInfo], msgspec.Meta(max_length=ROUTES_LIMIT)]
    catalog: bytes
    started_because: StartReason = "start"
    slow_paths: Annotated[list[str], msgspec.Meta(max_length=SLOW_PATHS_LIMIT)] = []


class Request(msgspec.Struct, frozen=True):
    """A request for one route; the body is its photos one after another, `sizes` their lengths in bytes.

    `request_id` names it in logs, `traceparent` the span that it is a part of (W3C Trace Context).

    `alone`: it may have brought a worker down and must run while the worker holds nothing else. The gateway sees to that
    where a worker takes requests from it only; a worker that takes them from several sees to it itself.
    """

    id: int
    route: str
    deadline: float
    sizes: list[int]
    parameters: Parameters
    priority: int = Priority.INTERACTIVE
    traceparent: str | None = None
    request_id: str = ""
    alone: bool = False


class Result(msgspec.Struct, frozen=True):
    """The answer to one request: a JSON object in the body, or an error's slug and safe detail here and no body.

    Each REQUEST gets exactly one RESULT, whatever became of it, because the result gives its credit back: a cancelled
    request that was dropped is answered with the slug `client-closed`, an expired one with `deadline`.

    `decode_ms` and `infer_ms` are wall time spent on this request (for a batch: the batch's time). `model` is the
    identity that answered; `batch` how many requests shared the inference. `cached` tells whether the photo's features
    were kept from an earlier request, None where none are.
    """

    id: int
    error: str | None = None
    detail: str = ""
    model: str = ""
    decode_ms: float = 0.0
    infer_ms: float = 0.0
    post_ms: float = 0.0
    batch: int = 1
    confidence: float | None = None
    uncertain: bool = False
    cached: bool | None = None


class Cancel(msgspec.Struct, frozen=True):
    """The caller of this request has left or was answered; the worker still answers it, if only with `client-closed`."""

    id: int


class Credit(msgspec.Struct, frozen=True):
    """The worker's new credit: how many requests it may hold from now on; 0 pauses it."""

    credit: Annotated[int, msgspec.Meta(ge=0, le=CREDIT_LIMIT)]


class Drain(msgspec.Struct, frozen=True):
    """From a worker: it takes no more requests. From the gateway: nothing more comes; finish what you hold, then leave.

    The gateway answers a worker's DRAIN with its own, so that the worker knows when nothing is on its way any more.
    """


class Heartbeat(msgspec.Struct, frozen=True):
    """A worker's figures, about once a second.

    `busy_ratio` is the share of lane time spent in inference since the last heartbeat.
    """

    memory_bytes: int
    busy_ratio: float
    held: int


Message = Hello | Request | Result | Cancel | Credit | Drain | Heartbeat
