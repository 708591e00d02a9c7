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
LIMITS: dict[Kind, Limit] = {
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
_DECODERS: dict[Kind, msgspec.msgpack.Decoder[Message]] = {
    kind: msgspec.msgpack.Decoder(message) for message, kind in _KINDS.items()
}


class FrameError(ValueError):
    """The peer (or the caller) broke the format or a limit; the stream cannot be read further."""


class Frame(NamedTuple):
    """One message with its body."""

    message: Message
    body: bytes | bytearray


class _Shape(NamedTuple):
    """What a prefix says."""

    kind: Kind
    header_bytes: int
    body_bytes: int

    @property
    def total_bytes(self) -> int:
        return PREFIX.size + self.header_bytes + self.body_bytes


def encode(message: Message, body: Sequence[bytes] = ()) -> list[bytes]:
    """Buffers of one frame, ready for `writelines` or `sendmsg`; the parts of the body are not copied.

    Raises:
        FrameError: the header or the body is over the kind's limit.
    """
    header = _ENCODER.encode(message)
    shape = _Shape(_KINDS[type(message)], len(header), sum(map(len, body)))
    _check(shape)
    return [PREFIX.pack(MAGIC, VERSION, *shape) + header, *body]


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
        while (frame := self._next()) is not None:
            yield frame

    def _next(self) -> Frame | None:
        held = self._end - self._start
        if held < PREFIX.size:
            self._needed = PREFIX.size
            return None
        shape = _parse_prefix(self._buffer, self._start)
        self._needed = shape.total_bytes
        if held < self._needed:
            return None
        header_at = self._start + PREFIX.size
        body_at = header_at + shape.header_bytes
        self._start += self._needed
        with memoryview(self._buffer) as view:
            message = _decode(shape.kind, view[header_at:body_at])
            return Frame(message, bytes(view[body_at : self._start]))

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
    """Blocking reader for a thread: each frame's body lands in a buffer of its own, which lives as long as its views."""

    def __init__(self, source: socket.socket) -> None:
        self._source = source
        self._prefix = bytearray(PREFIX.size)

    def read(self) -> Frame | None:
        """Block for the next frame; None when the stream ends between two frames.

        Raises:
            FrameError: as `Decoder.received`, or the stream ends inside a frame.
            OSError: the socket failed.
        """
        held = self._fill(self._prefix)
        if held == 0:
            return None
        if held < PREFIX.size:
            raise FrameError(f"the stream ended after {held} of {PREFIX.size} bytes of a frame's prefix")
        shape = _parse_prefix(self._prefix, 0)
        header, body = bytearray(shape.header_bytes), bytearray(shape.body_bytes)
        held += self._fill(header, body)
        if held < shape.total_bytes:
            raise FrameError(f"the stream ended after {held} of {shape.total_bytes} bytes of a {shape.kind.name} frame")
        return Frame(_decode(shape.kind, header), body)

    def _fill(self, *buffers: bytearray) -> int:
        """Receive until all buffers are full or the stream ends; how many bytes came."""
        views = [memoryview(buffer) for buffer in buffers if buffer]
        total = 0
        while views:
            # Waiting for all makes it one call for a whole photo; it still may come short, after a signal.
            count = self._source.recvmsg_into(views, 0, socket.MSG_WAITALL)[0]
            if count == 0:
                break
            total += count
            views = remaining(views, count)
        return total


def remaining(views: list[memoryview], count: int) -> list[memoryview]:
    """What is left of `views` after their first `count` bytes."""
    for index, view in enumerate(views):
        if count < len(view):
            return [view[count:], *views[index + 1 :]]
        count -= len(view)
    return []


def _parse_prefix(buffer: bytearray, at: int) -> _Shape:
    magic, version, kind, header_bytes, body_bytes = PREFIX.unpack_from(buffer, at)
    if magic != MAGIC:
        raise FrameError(f"a frame begins with {magic!r}, expected {MAGIC!r}")
    if version != VERSION:
        raise FrameError(f"frame version {version}, this side speaks {VERSION}")
    try:
        shape = _Shape(Kind(kind), header_bytes, body_bytes)
    except ValueError:
        raise FrameError(f"unknown frame kind {kind}") from None
    _check(shape)
    return shape


def _check(shape: _Shape) -> None:
    limit = LIMITS[shape.kind]
    if shape.header_bytes > limit.header_bytes:
        raise FrameError(f"{shape.kind.name}: header of {shape.header_bytes} bytes, the limit is {limit.header_bytes}")
    if shape.body_bytes > limit.body_bytes:
        raise FrameError(f"{shape.kind.name}: body of {shape.body_bytes} bytes, the limit is {limit.body_bytes}")


def _decode(kind: Kind, header: bytearray | memoryview) -> Message:
    try:
        return _DECODERS[kind].decode(header)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FrameError(f"{kind.name}: the header cannot be read: {error}") from error
