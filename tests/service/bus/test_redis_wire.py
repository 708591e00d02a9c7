"""How a frame rides in a stream: with a small body, or beside a key that holds a large one and expires."""

from __future__ import annotations

import pytest

from service.bus.frames import FrameError, decode_head
from service.bus.messages import Cancel, Result
from service.bus.redis.wire import INLINE_BYTES, STREAM_LIMIT, pack


def test_a_small_body_rides_in_the_entry():
    body = bytes(INLINE_BYTES)
    parcel = pack(Result(7), (body,), "key", gateway="g")
    assert parcel.fields[2:] == ("body", body, "gateway", "g")
    assert decode_head(bytes(parcel.fields[1])) == (Result(7), INLINE_BYTES)
    assert parcel.commands("stream", 9) == [("XADD", "stream", "MAXLEN", "~", STREAM_LIMIT, "*", *parcel.fields)]


def test_a_large_body_lies_in_a_key_that_is_there_before_its_entry_and_expires():
    parts = (bytes(INLINE_BYTES), b"x")
    parcel = pack(Result(7), parts, "key")
    assert parcel.fields[2:] == ("key", "key")
    assert parcel.commands("stream", 9, "NOMKSTREAM") == [
        ("SET", "key", b"".join(parts), "PX", 9),
        ("XADD", "stream", "NOMKSTREAM", "MAXLEN", "~", STREAM_LIMIT, "*", *parcel.fields),
    ]


def test_a_body_that_no_frame_may_have_is_refused_here_too():
    with pytest.raises(FrameError, match="CANCEL: body of 1 bytes, the limit is 0"):
        pack(Cancel(1), (b"x",), "key")
