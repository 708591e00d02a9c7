"""The most that one connection may take, and what is said to a client that takes more.

Owns the numbers and the words; when they are looked at is the protocol's affair.
"""

from __future__ import annotations

from dataclasses import dataclass

from service.errors import HeadersTooLarge, Overloaded, RequestTimeout, TooLarge

#: Requests that may wait behind an unanswered one of their connection; who sends more is answered these, told so and let go.
PIPELINE_LIMIT = 64

_CHUNK_OVERHEAD = 2  # a chunked body may be this many times its content on the wire
_READ_BYTES = 256 << 10  # asyncio reads at most this at once


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The most that a connection may take; how long it may idle is uvicorn's `timeout_keep_alive`."""

    head_bytes: int
    body_bytes: int
    head_timeout_s: float
    body_timeout_s: float
    connections: int

    @property
    def wire_bytes(self) -> int:
        """The most that a body may have on the wire, with its framing and what was read along with it."""
        return _CHUNK_OVERHEAD * self.body_bytes + _READ_BYTES

    def too_many_connections(self) -> Overloaded:
        """Refuse a connection."""
        return Overloaded(f"{self.connections} connections are open, the most that are allowed.", retry_after_s=1)

    def too_many_waiting(self) -> Overloaded:
        """Refuse a request behind too many others of its connection."""
        return Overloaded(
            f"{PIPELINE_LIMIT} requests wait on this connection, the most that are allowed.", retry_after_s=1
        )

    def head_too_large(self, size: int) -> HeadersTooLarge:
        """Refuse a head of which `size` bytes are known."""
        return HeadersTooLarge(f"The head has {size} bytes or more; at most {self.head_bytes} are allowed.")

    def head_too_late(self) -> RequestTimeout:
        """Refuse a head that does not end."""
        return RequestTimeout(f"The head was not complete after {self.head_timeout_s:g} s.")

    def body_too_large(self, size: int) -> TooLarge:
        """Refuse a body of which `size` bytes have come, with their framing."""
        return TooLarge(f"The body and its framing have {size} bytes; a body may have {self.body_bytes}.")

    def body_too_late(self) -> RequestTimeout:
        """Refuse a body that does not end."""
        return RequestTimeout(f"The body was not complete after {self.body_timeout_s:g} s.")
