"""A parser that reads on where a client wishes for another protocol: it is answered in this one (RFC 9110, 7.8).

Of such a request httptools reads the head alone, and leaves what follows to whoever speaks the other protocol. So its body
would be lost, and then be taken for the next request. Here a new parser takes over behind the head; a head of our own, of
which the connection hears nothing, tells it how long the body is.
"""

from __future__ import annotations

from collections.abc import Iterable

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_FRAMING = (b"content-length", b"transfer-encoding")


class RestartingParser:
    """Stands in for httptools' parser of one connection, with the same calls."""

    def __init__(self, protocol: HttpToolsProtocol) -> None:
        self._protocol = protocol
        self._take(protocol)

    def feed_data(self, data: bytes) -> None:
        """Parse what came.

        Raises:
            httptools.HttpParserError: it is no HTTP.
        """
        while data:
            data = self._feed(data)

    def should_upgrade(self) -> bool:
        """Whether this request wishes for another protocol: the parser says that it ends behind its head, which is not so."""
        return self._parser.should_upgrade()

    def should_keep_alive(self) -> bool:
        """Whether the client lets the connection go on."""
        return self._parser.should_keep_alive()

    def get_http_version(self) -> str:
        """Give the version, such as "1.1"."""
        return self._parser.get_http_version()

    def get_method(self) -> bytes:
        """Give the method, such as b"POST"."""
        return self._parser.get_method()

    def _feed(self, data: bytes) -> bytes:
        """Parse, and give what another parser is to go on with."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as wish:
            self._take(_BehindHead(self._protocol))
            return _framing_head(self._protocol.headers) + data[wish.args[0] :]
        return b""

    def _take(self, listener: object) -> None:
        self._parser = httptools.HttpRequestParser(listener)
        # As uvicorn has it: what is pipelined behind the last request is read over, not refused.
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)


class _BehindHead:
    """Hears a parser for the protocol, but for the head of our own."""

    def __init__(self, protocol: HttpToolsProtocol) -> None:
        self._protocol = protocol
        self._is_behind = False
        self.on_header = protocol.on_header  # outside of a head that has begun it takes nothing
        self.on_body = protocol.on_body
        self.on_message_complete = protocol.on_message_complete

    def on_message_begin(self) -> None:
        if self._is_behind:
            self._protocol.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if self._is_behind:
            self._protocol.on_url(url)

    def on_headers_complete(self) -> None:
        if self._is_behind:
            self._protocol.on_headers_complete()
        self._is_behind = True


def _framing_head(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Write a head that says of a request no more than how long its body is."""
    framing = [b": ".join(header) for header in headers if header[0] in _FRAMING]
    return b"\r\n".join([b"POST / HTTP/1.1", *framing, b"", b""])
