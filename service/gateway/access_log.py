"""The access log: a line for a share of the requests, and for every one that failed by our fault.

An observer of the edge, there only where a share is asked for. A line tells what was asked and how it went, never a photo, a
text, a query, a key or a client's address.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from starlette.types import Scope

from service.gateway.exchange import Exchange
from service.logs import get_logger

PATH_LIMIT = 128
FAULT_STATUS = 500

_log = get_logger(part="access")


class AccessLog:
    """Notes requests; `draw` gives numbers in 0..1 for the choice of those that went well."""

    def __init__(self, share: float, draw: Callable[[], float] = random.random) -> None:
        self._share = share
        self._draw = draw

    def __call__(self, exchange: Exchange, scope: Scope) -> Callable[[float], None]:
        """Give what notes the request when it is over, after so many seconds."""
        method, path = scope["method"], scope["path"][:PATH_LIMIT]

        def note(seconds: float) -> None:
            if exchange.status < FAULT_STATUS and self._draw() >= self._share:
                return
            traceparent = exchange.traceparent
            _log.info(
                "request",
                request_id=exchange.request_id,
                method=method,
                path=path,
                status=exchange.status,
                ms=round(seconds * 1000, 3),
                task=exchange.task,
                model=exchange.model,
                key=exchange.key_id,
                trace_id=traceparent.split("-")[1] if traceparent else None,
            )

        return note
