"""The connection: uvicorn's httptools protocol under limits of its own, so that no client holds what is not its.

Bounds what uvicorn leaves open: the head in bytes and time, the body in time, the bytes of a whole message on the wire,
the number of connections and of requests that wait on one, and how much of a body is read after its request was answered.
Tells a `Wire` when its client leaves. A body's size is bounded in `uploads.py`, where it is known what it is for.

A client that closes its sending side counts as gone, as with most proxies: an answer that nobody may read is not worth
an inference. HTTP/1.1: RFC 9112.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import chain
from typing import Any, cast

from starlette.types import Scope
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from service.errors import BadRequest, FieldmarkError
from service.gateway.alarm import Alarm
from service.gateway.exchange import Wire, attach_wire, new_request_id
from service.gateway.limits import PIPELINE_LIMIT, ConnectionLimits
from service.gateway.problems import write_response
from service.gateway.restarting import RestartingParser
from service.gateway.sender import Exit, Sender
from service.gateway.unread import WatchedFlow

#: What is read and thrown away of a body whose request is answered, so that its client comes to read the answer.
DISCARD_LIMIT_BYTES = 1 << 20
DISCARD_TIMEOUT_S = 2.0
#: In a drain an idle connection is kept for this time: a request that is on its way is answered, not reset.
DRAIN_IDLE_S = 0.5
#: Connections above the limit that are told so; what comes on top of them is reset.
EXCESS_LIMIT = 64

_HEADER_FRAME_BYTES = 4  # the colon, the space and the line's end


class GatewayProtocol(HttpToolsProtocol):
    """One client's connection. `refused` is called with each error that no route sees."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: ConnectionLimits,
        refused: Callable[[FieldmarkError], None],
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.parser = RestartingParser(self)  # type: ignore[assignment]
        self._limits = limits
        self._refused = refused
        self._alarm = Alarm(self.loop)
        self._is_resting = False
        self._unanswered: list[tuple[RequestResponseCycle, Wire]] = []
        self._is_in_head = False
        self._is_in_body = False
        self._is_over = False  # nothing that still comes is parsed
        self._is_draining = False
        self._message_bytes = 0
        self._has_ended = False  # a message, in the read that is parsed
        self._discarded_bytes = 0

    # The connection as the event loop sees it.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Admit the client, or tell it that there are too many."""
        super().connection_made(transport)
        self._exit = Exit(transport, self._end_after_answer)
        self.flow = WatchedFlow(transport, self.loop)
        excess = len(self.connections) - self._limits.connections
        if excess > EXCESS_LIMIT:
            transport.abort()
        elif excess > 0:
            self._refuse(self._limits.too_many_connections())
        else:
            self._alarm.set(self._limits.head_timeout_s, self._give_up_head)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell every unanswered request that its client has left."""
        self._alarm.close()
        super().connection_lost(exc)
        for cycle, wire in self._unanswered:
            cycle.disconnected = True
            cycle.message_event.set()
            wire.leave()
        self._unanswered.clear()
        self.pipeline.clear()

    def data_received(self, data: bytes) -> None:
        """Parse what came, and keep every incomplete message under a limit of bytes and of time."""
        if self._is_over:
            self._discard(len(data))
            return
        belongs = self._is_in_head or self._is_in_body or not self._unanswered
        self._has_ended = False
        super().data_received(data)
        # What begins behind the end of another message is counted from the next read on.
        if belongs and not self._has_ended:
            self._message_bytes += len(data)
        if self._is_in_head:
            self._bound_head()
        elif self._is_in_body:
            self._bound_body()
        elif not self._alarm.is_set and not self._unanswered:
            # Line ends between requests: the connection is idle still.
            self._alarm.set(self._limits.head_timeout_s, self._give_up_head)

    def shutdown(self) -> None:
        """Answer what has begun and take no more: this connection's part of a drain."""
        self._is_draining = True
        if self._unanswered:
            super().shutdown()
        else:
            self._unset_keepalive_if_required()
            self._alarm.set(DRAIN_IDLE_S, self.transport.close)

    # The request as the parser sees it.

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._is_in_head = True
        self._message_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; a trailer after a chunked body is read over (RFC 9112, section 7.1.2).

        In place of uvicorn's own, which looks for `Expect` in each; here one look at all of them does.
        """
        if self._is_in_head:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Start the request, or the refusal of its head."""
        self._is_in_head = False
        self._alarm.clear()
        wire = Wire()
        attach_wire(cast("Scope", self.scope), wire)
        headers = self.headers
        self.expect_100_continue = dict(headers).get(b"expect", b"").lower() == b"100-continue"
        size = len(self.url) + _HEADER_FRAME_BYTES * len(headers) + sum(map(len, chain.from_iterable(headers)))
        if size > self._limits.head_bytes:
            wire.refusal = self._limits.head_too_large(size)
        super().on_headers_complete()
        self._is_in_body = True
        self._unanswered.append((self.cycle, wire))
        if self._is_draining:
            self.cycle.keep_alive = False
        if len(self._unanswered) - 1 > PIPELINE_LIMIT:
            error = self._limits.too_many_waiting()
            self._refuse(error)
            raise error  # it stops the parser, which may hold many more

    def on_body(self, body: bytes) -> None:
        """Pass a piece of the body on, or drop it where the request is answered.

        A first piece is passed on as it is: most photos come in one or two, and uvicorn would copy each twice and stop
        reading for every one that is larger than 64 KiB. One read is the most that lies here without its pause.
        """
        self.expect_100_continue = False
        cycle = self.cycle
        if cycle.response_complete:
            self._discard(len(body))
        elif cycle.body:
            cycle.body = bytearray(cycle.body)
            super().on_body(body)
        else:
            cycle.body = body  # type: ignore[assignment]
            cycle.message_event.set()

    def on_message_complete(self) -> None:
        """End the body; a connection whose discarded body ends here is idle again."""
        if self.parser.should_upgrade():
            return  # it goes on, behind a head that was read alone
        self._has_ended = True
        self._is_in_body = False
        self._alarm.clear()
        if not self.cycle.response_complete:
            super().on_message_complete()
            if not self.pipeline:
                self.flow.resume_reading()  # a large body has paused it, and the client's leaving would not be seen
            return
        self.cycle.more_body = False
        self._rest()

    def on_response_complete(self) -> None:
        """Go on to the next request; the rest of an answered one's body is read and dropped first."""
        self.server_state.total_requests += 1
        if self._unanswered:
            self._unanswered.pop(0)
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._is_in_head:
            self._alarm.set(self._limits.head_timeout_s, self._give_up_head)
        elif not self._is_discarding():
            self._rest()
        elif self.expect_100_continue and not self._is_over:
            # Whether a body still comes is the client's choice now, so what follows cannot be read (RFC 9110, 10.1.1).
            self.transport.close()
        else:
            self._discarded_bytes = 0
            self._alarm.set(DISCARD_TIMEOUT_S, self.transport.close)

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP."""
        self._refuse(BadRequest("The request does not follow HTTP/1.1."))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Let the application answer, through our own way out."""
        cycle.transport = cast("asyncio.Transport", self._exit)
        cycle.send = Sender(cycle)  # type: ignore[method-assign, assignment]
        super()._start_asgi_task(cycle, app)

    def _unset_keepalive_if_required(self) -> None:
        """Note that the connection rests no longer."""
        if self._is_resting:
            self._is_resting = False
            self._alarm.clear()

    def _rest(self) -> None:
        """Begin to idle."""
        self._is_resting = True
        self._alarm.set(self.timeout_keep_alive, self.transport.close)

    def _end_after_answer(self) -> None:
        """Close after the last answer, which must arrive: the rest of its request's body is read and dropped first.

        A socket that is closed with bytes unread resets the connection, and the answer with it (RFC 9112, 9.6).
        """
        if self._is_discarding():
            self._is_over = True
            self.transport.write_eof()
        else:
            self.transport.close()

    # States and their ends.

    def _is_discarding(self) -> bool:
        return self._is_in_body and self.cycle.response_complete

    def _bound_head(self) -> None:
        if self._message_bytes > self._limits.head_bytes:
            self._refuse(self._limits.head_too_large(self._message_bytes))
        elif not self._alarm.is_set and not self._unanswered:
            self._alarm.set(self._limits.head_timeout_s, self._give_up_head)

    def _bound_body(self) -> None:
        if self._message_bytes > self._limits.wire_bytes:
            self._refuse(self._limits.body_too_large(self._message_bytes))
        elif not self._alarm.is_set:
            self._alarm.set(self._limits.body_timeout_s, self._give_up_body)

    def _refuse(self, error: FieldmarkError) -> None:
        """End the conversation for a fault of the client, after the answers that it is still owed."""
        if self._is_over:
            return
        self._is_over = True
        self._alarm.clear()
        self._unset_keepalive_if_required()
        if self._is_discarding():
            self.transport.close()
        elif not self._unanswered:
            self._refused(error)
            self.transport.write(write_response(error, new_request_id(), self.server_state.default_headers))
            self.transport.write_eof()
            self._alarm.set(DISCARD_TIMEOUT_S, self.transport.close)
        else:
            cycle, wire = self._unanswered[-1]
            cycle.keep_alive = False
            if cycle.more_body:
                wire.refusal = error
                cycle.more_body = False
                cycle.message_event.set()

    def _discard(self, size: int) -> None:
        self._discarded_bytes += size
        if self._discarded_bytes > DISCARD_LIMIT_BYTES:
            self.transport.close()

    def _give_up_head(self) -> None:
        if self._is_in_head:
            self._refuse(self._limits.head_too_late())
        else:
            # Nothing was asked, so there is nothing to answer.
            self.transport.close()

    def _give_up_body(self) -> None:
        self._refuse(self._limits.body_too_late())
