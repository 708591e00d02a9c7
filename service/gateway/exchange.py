"""One request on its way through the gateway: what the connection, the edge and the routes know of it together.

The protocol makes a `Wire` per request and leaves it in the scope; the edge wraps it into an `Exchange`, which routes
read. Nothing here acts.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

from starlette.types import Scope

from service.errors import FieldmarkError
from service.metrics import NONE

#: A client's own id is taken over where it looks like this: short, and safe in a header, in JSON and in a log.
_SANE_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:@+/=-]{0,127}")
#: W3C Trace Context, version 00: https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

_EXTENSION = "fieldmark.wire"


class Wire:
    """What the connection knows of one request.

    `refusal` is a fault that the connection found (head or framing); it takes the place of any answer. `is_gone` tells
    that the client has left, `on_gone` is called once when it does.
    """

    __slots__ = ("is_gone", "on_gone", "refusal")

    def __init__(self) -> None:
        self.refusal: FieldmarkError | None = None
        self.is_gone = False
        self.on_gone: Callable[[], object] | None = None

    def leave(self) -> None:
        """Note that the client has left."""
        self.is_gone = True
        if self.on_gone is not None:
            self.on_gone()
            self.on_gone = None


class Exchange:
    """One request: its id, its headers (lower-case names, the last of several wins) and what became of it.

    `started` is the time of the ASGI call in seconds of `time.monotonic()`. `task` and `model` label the metrics; a
    route sets them. `key_id` is that of the key it came with, where keys are asked for. `status` is the answer's, 0 until there
    is one.
    """

    __slots__ = ("_trace", "headers", "key_id", "model", "request_id", "started", "status", "task", "wire")

    def __init__(self, scope: Scope, started: float) -> None:
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.started = started
        self.wire: Wire = scope.get("extensions", {}).get(_EXTENSION) or Wire()
        self.request_id = _request_id(self.headers.get(b"x-request-id"))
        self.key_id: str | None = None
        self.task = NONE
        self.model = NONE
        self.status = 0
        self._trace: str | None = None

    def join_trace(self, traceparent: str) -> None:
        """Put what follows below this span instead of the caller's."""
        self._trace = traceparent

    @property
    def traceparent(self) -> str | None:
        """The span that this request is a part of: ours, or the caller's, where the header is well-formed."""
        if self._trace is not None:
            return self._trace
        value = self.headers.get(b"traceparent")
        return value.decode() if value is not None and _TRACEPARENT.fullmatch(value) else None


def attach_wire(scope: Scope, wire: Wire) -> None:
    """Leave a connection's knowledge in the scope of its request."""
    scope["extensions"] = {_EXTENSION: wire}


def attach_exchange(scope: Scope, exchange: Exchange) -> None:
    """Let the routes find the exchange."""
    scope.setdefault("state", {})["exchange"] = exchange


def exchange_of(scope: Scope) -> Exchange:
    """Find the exchange of a request."""
    state: dict[str, Any] = scope["state"]
    exchange: Exchange = state["exchange"]
    return exchange


def new_request_id() -> str:
    """Make an id: 64 random bits, which tell requests apart and guard nothing."""
    return f"{random.getrandbits(64):016x}"


def _request_id(given: bytes | None) -> str:
    if given is not None and _SANE_ID.fullmatch(given):
        return given.decode()
    return new_request_id()
