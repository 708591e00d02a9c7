"""How a frame rides in a stream: with a small body, or beside a key that holds a large one and expires."""

from __future__ import annotations

import pytest
from redis.exceptions import ExecAbortError, NoPermissionError, OutOfMemoryError

from service.bus.frames import FrameError, decode_head
from service.bus.messages import Cancel, Result
from service.bus.redis.outbox import entry_of
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


def test_the_entry_is_what_the_transaction_added_after_the_body():
    assert entry_of([b"OK", b"QUEUED", [b"1-0", 1]], after_body=False) == b"1-0"
    assert entry_of([b"OK", b"QUEUED", b"QUEUED", [b"OK", b"1-0", 1]], after_body=True) == b"1-0"
    assert entry_of([b"OK", b"QUEUED", [None]], after_body=False) is None


@pytest.mark.parametrize(
    "replies",
    [
        [b"OK", OutOfMemoryError("command not allowed"), b"QUEUED", ExecAbortError("because of previous errors.")],
        [b"OK", b"QUEUED", b"QUEUED", ExecAbortError("Transaction discarded because of: OOM command not allowed")],
    ],
)
def test_a_transaction_that_had_no_memory_is_told_from_any_other_fault(replies: list[object]):
    with pytest.raises(OutOfMemoryError):
        entry_of(replies, after_body=True)


@pytest.mark.parametrize(
    "replies",
    [
        [b"OK", NoPermissionError("this user may not"), b"QUEUED", ExecAbortError("because of previous errors.")],
        [b"OK", b"QUEUED", b"QUEUED", [b"OK", NoPermissionError("this user may not")]],
    ],
)
def test_any_other_fault_of_a_transaction_is_raised(replies: list[object]):
    with pytest.raises(NoPermissionError):
        entry_of(replies, after_body=True)
