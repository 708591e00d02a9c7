"""What every request passes, whatever its route: id, metrics, security headers, and the form of its failures.

A pure ASGI middleware, because it is on the hot path. Everything that a route raises ends here as a problem document
(below `/v2` as that protocol's error); an unexpected error is logged with its traceback and answered without it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from operator import itemgetter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import ClientClosed, FieldmarkError, Internal, NotReady
from service.gateway.exchange import Exchange, attach_exchange
from service.gateway.problems import Headers, write_failure
from service.logs import get_logger
from service.metrics import Metrics

#: On every answer. A page that needs more than nothing replaces the policy (`pages.py`).
SECURITY_HEADERS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
#: On every answer that does not bring its own.
DEFAULT_HEADERS: Headers = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]
#: What nearly every answer gets; and the names that send a response's headers through the few lines more.
_USUAL_HEADERS: Headers = [*SECURITY_HEADERS, *DEFAULT_HEADERS]
_DEFAULT_NAMES = frozenset(name for name, _ in DEFAULT_HEADERS)
_name_of = itemgetter(0)

_log = get_logger(part="edge")


#: Is told of each request when it begins; what it gives is called at its end, with the seconds that it took.
Observer = Callable[[Exchange, Scope], Callable[[float], None]]


class Edge:
    """Wraps an application. `clock` gives seconds of the host's monotonic clock."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        observers: Sequence[Observer] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._observers = observers
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope, self._clock())
        attach_exchange(scope, exchange)
        reply = _Reply(exchange, send)
        path: str = scope["path"]
        if scope["method"] == "HEAD":
            # Answered as GET; the server, which still sees HEAD, leaves the body out (RFC 9110, section 9.3.2).
            scope = {**scope, "method": "GET"}
        ends = [observe(exchange, scope) for observe in self._observers] if self._observers else ()
        try:
            if exchange.wire.refusal is not None:
                raise exchange.wire.refusal
            await self._app(scope, receive, reply)
        except FieldmarkError as error:
            await self._fail(exchange, reply, path, error)
        except asyncio.CancelledError:
            # The drain's time is over. The server cancels for no other reason: a client that left is an error of ours.
            await self._fail(exchange, reply, path, NotReady("The service is shutting down."))
        except Exception:  # noqa: BLE001 - whatever it is, the client gets an answer and the log the rest
            _log.exception("request_failed", request_id=exchange.request_id, path=path)
            fault = Internal("The fault is ours; it is in the log under this request's id.")
            await self._fail(exchange, reply, path, fault)
        finally:
            seconds = self._clock() - exchange.started
            self._metrics.count_request(exchange.task, exchange.model, exchange.status, seconds)
            for end in ends:
                end(seconds)

    async def _fail(self, exchange: Exchange, reply: _Reply, path: str, error: FieldmarkError) -> None:
        if isinstance(error, ClientClosed):
            exchange.status = error.status
            return
        if exchange.status:
            # The answer has begun; the server closes the connection, which is all that the client can still be told.
            _log.warning("answer_broken_off", request_id=exchange.request_id, type=error.slug)
            return
        body, headers = write_failure(error, exchange.request_id, path)
        await reply({"type": "http.response.start", "status": error.status, "headers": headers})
        await reply({"type": "http.response.body", "body": body})


class _Reply:
    """The `send` that routes see: it notes the status and completes the headers."""

    __slots__ = ("_exchange", "_send")

    def __init__(self, exchange: Exchange, send: Send) -> None:
        self._exchange = exchange
        self._send = send

    def __call__(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            exchange = self._exchange
            exchange.status = message["status"]
            given: Headers = message["headers"]
            added = _USUAL_HEADERS if _DEFAULT_NAMES.isdisjoint(map(_name_of, given)) else _missing(given)
            headers = [*given, *added, (b"x-request-id", exchange.request_id.encode())]
            message = {**message, "headers": headers}
        return self._send(message)


def _missing(given: Headers) -> Headers:
    """What is added to headers that replace a default."""
    names = set(map(_name_of, given))
    return [*SECURITY_HEADERS, *(header for header in DEFAULT_HEADERS if header[0] not in names)]
