"""The bus's wire format: a fixed prefix, a msgpack header, a raw body.

    magic "FM" | version | kind | header length | body length | header | body
        2 bytes        1      1        4               4        (big-endian)

Owns the limits of each kind's two lengths, which are checked before memory is reserved, and both ways to read a stream:
`Decoder` for an event loop that receives what there is, `Reader` for a thread that waits for a whole frame. What the
headers say stands in `messages.py`; who may send what and when is the business of the two ends.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import msgspec

from service.bus.messages import Cancel, Credit, Drain, Heartbeat, Hello, Kind, Message, Request, Result

MAGIC = b"FM"
VERSION = 1
PREFIX = struct.Struct("!2sBBII")
RECEIVE_BYTES = 64 << 10  # room of a decoder; most answers are far below, so one receive takes several


@dataclass(frozen=True, slots=True)
class Limit:
    """The most bytes that a kind's header and body may have."""

    header_bytes: int
    body_bytes: int


# A HELLO carries the labels of all classes, a REQUEST the caller's text and a whole upload at its largest setting.
LIMITS: dict[int, Limit] = {
    Kind.HELLO: Limit(header_bytes=32 << 20, body_bytes=0),
    Kind.REQUEST: Limit(header_bytes=2 << 20, body_bytes=1 << 30),
    Kind.RESULT: Limit(header_bytes=64 << 10, body_bytes=16 << 20),
    Kind.CANCEL: Limit(header_bytes=1 << 10, body_bytes=0),
    Kind.CREDIT: Limit(header_bytes=1 << 10, body_bytes=0),
    Kind.DRAIN: Limit(header_bytes=1 << 10, body_bytes=0),
    Kind.HEARTBEAT: Limit(header_bytes=4 << 10, body_bytes=0),
}
_KINDS: dict[type[Message], Kind] = {
    Hello: Kind.HELLO,
    Request: Kind.REQUEST,
    Result: Kind.RESULT,
    Cancel: Kind.CANCEL,
    Credit: Kind.CREDIT,
    Drain: Kind.DRAIN,
    Heartbeat: Kind.HEARTBEAT,
}
_ENCODER = msgspec.msgpack.Encoder()
_DECODERS: dict[int, msgspec.msgpack.Decoder[Message]] = {
    kind: msgspec.msgpack.Decoder(message) for message, kind in _KINDS.items()
}


class FrameError(ValueError):
    """The peer (or the caller) broke the format or a limit; the stream cannot be read further."""


class Frame(NamedTuple):
    """One message with its body."""

    message: Message
    body: bytes | memoryview


def encode(message: Message, body: Sequence[bytes] = ()) -> list[bytes]:
    """Buffers of one frame, ready for `writelines` or `sendmsg`; the parts of the body are not copied.

    Raises:
        FrameError: the header or the body is over the kind's limit.
    """
    kind = _KINDS[type(message)]
    header = _ENCODER.encode(message)
    header_bytes, body_bytes, limit = len(header), sum(map(len, body)), LIMITS[kind]
    if header_bytes > limit.header_bytes or body_bytes > limit.body_bytes:
        raise _too_long(kind, header_bytes, body_bytes)
    return [PREFIX.pack(MAGIC, VERSION, kind, header_bytes, body_bytes) + header, *body]


def decode_head(head: bytes) -> tuple[Message, int]:
    """The message of a frame whose body comes by another way, and how many bytes that body must have.

    Raises:
        FrameError: as `Decoder.received`, or the head (prefix and header, as `encode` gives them) is not whole.
    """
    if len(head) < PREFIX.size:
        raise FrameError(f"a head of {len(head)} bytes, a frame's prefix has {PREFIX.size}")
    kind, header_bytes, body_bytes = _parse_prefix(head, 0)
    if len(head) - PREFIX.size != header_bytes:
        raise FrameError(f"{Kind(kind).name}: header of {len(head) - PREFIX.size} bytes, {header_bytes} were announced")
    return _decode(kind, memoryview(head)[PREFIX.size :]), body_bytes


def split_photos(body: bytes | bytearray | memoryview, sizes: Sequence[int]) -> list[memoryview]:
    """Views of the photos in a request's body.

    Raises:
        FrameError: the sizes do not fit the body.
    """
    if sum(sizes) != len(body) or min(sizes, default=0) < 0:
        raise FrameError(f"photos of {list(sizes)} bytes in a body of {len(body)}")
    view = memoryview(body)
    return [view[end - size : end] for size, end in zip(sizes, accumulate(sizes), strict=True)]


class Decoder:
    """Incremental reader for an event loop: receive into `room()`, then take the frames of `received(count)`.

    Holds at most one frame's bytes beyond `RECEIVE_BYTES`; a frame's body is copied out, because the room is reused.
    """

    def __init__(self) -> None:
        self._buffer = bytearray(RECEIVE_BYTES)
        self._start = 0
        self._end = 0
        self._needed = PREFIX.size

    def room(self) -> memoryview:
        """Free space to receive into, never empty."""
        if self._start == self._end:
            self._start = self._end = 0
            if len(self._buffer) > RECEIVE_BYTES:
                self._buffer = bytearray(RECEIVE_BYTES)
        if self._needed > len(self._buffer) - self._start:
            self._make_room()
        return memoryview(self._buffer)[self._end :]

    def received(self, count: int) -> Iterator[Frame]:
        """Frames that are complete with the last `count` bytes; exhaust it before the next `room()`.

        Raises:
            FrameError: wrong magic, version, kind, length or header. What came before it was yielded.
        """
        self._end += count
        while (held := self._end - self._start) >= PREFIX.size:
            kind, header_bytes, body_bytes = _parse_prefix(self._buffer, self._start)
            self._needed = PREFIX.size + header_bytes + body_bytes
            if held < self._needed:
                return
            header_at = self._start + PREFIX.size
            body_at = header_at + header_bytes
            self._start += self._needed
            with memoryview(self._buffer) as view:
                frame = Frame(_decode(kind, view[header_at:body_at]), bytes(view[body_at : self._start]))
            yield frame
        self._needed = PREFIX.size

    def _make_room(self) -> None:
        held = self._end - self._start
        if self._needed <= len(self._buffer):
            self._buffer[:held] = self._buffer[self._start : self._end]
        else:
            grown = bytearray(self._needed)
            grown[:held] = self._buffer[self._start : self._end]
            self._buffer = grown
        self._start, self._end = 0, held


class Reader:
    """Blocking reader for a thread: each frame's bytes are an object of their own, which lives as long as its views."""

    def __init__(self, source: socket.socket) -> None:
        self._source = source

    def read(self) -> Frame | None:
        """Block for the next frame; None when the stream ends between two frames.

        Raises:
            FrameError: wrong magic, version, kind, length or header, or the stream ended inside a frame.
            OSError: the socket failed.
        """
        prefix = self._receive(PREFIX.size)
        if not prefix:
            return None
        if len(prefix) < PREFIX.size:
            raise FrameError(f"the stream ended after {len(prefix)} of {PREFIX.size} bytes of a frame's prefix")
        kind, header_bytes, body_bytes = _parse_prefix(prefix, 0)
        total = header_bytes + body_bytes
        content = memoryview(self._receive(total))
        if len(content) < total:
            raise FrameError(f"the stream ended after {len(content)} of {total} bytes of a {Kind(kind).name} frame")
        return Frame(_decode(kind, content[:header_bytes]), content[header_bytes:])

    def _receive(self, count: int) -> bytes:
        """So many bytes, or fewer where the stream ends; nearly always in one call."""
        content = self._source.recv(count, socket.MSG_WAITALL)
        while len(content) < count and (more := self._source.recv(count - len(content), socket.MSG_WAITALL)):
            content += more
        return content


def _parse_prefix(buffer: bytes | bytearray, at: int) -> tuple[int, int, int]:
    """Kind, header length and body length of the frame that begins at `at`."""
    magic, version, kind, header_bytes, body_bytes = PREFIX.unpack_from(buffer, at)
    if magic != MAGIC:
        raise FrameError(f"a frame begins with {magic!r}, expected {MAGIC!r}")
    if version != VERSION:
        raise FrameError(f"frame version {version}, this side speaks {VERSION}")
    limit = LIMITS.get(kind)
    if limit is None:
        raise FrameError(f"unknown frame kind {kind}")
    if header_bytes > limit.header_bytes or body_bytes > limit.body_bytes:
        raise _too_long(kind, header_bytes, body_bytes)
    return kind, header_bytes, body_bytes


def _too_long(kind: int, header_bytes: int, body_bytes: int) -> FrameError:
    limit, name = LIMITS[kind], Kind(kind).name
    if header_bytes > limit.header_bytes:
        return FrameError(f"{name}: header of {header_bytes} bytes, the limit is {limit.header_bytes}")
    return FrameError(f"{name}: body of {body_bytes} bytes, the limit is {limit.body_bytes}")


def _decode(kind: int, header: memoryview) -> Message:
    try:
        return _DECODERS[kind].decode(header)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FrameError(f"{Kind(kind).name}: the header cannot be read: {error}") from error
