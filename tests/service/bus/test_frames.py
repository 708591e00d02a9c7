"""The wire format: frames survive the round trip in any chunking, and no bytes do harm."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.answers import Parameters
from service.bus import frames
from service.bus.frames import (
    LIMITS,
    MAGIC,
    PREFIX,
    RECEIVE_BYTES,
    VERSION,
    Decoder,
    Frame,
    FrameError,
    Reader,
    decode_head,
    encode,
)
from service.bus.messages import Cancel, Credit, Drain, Heartbeat, Hello, Kind, Message, Request, Result
from service.catalog import RouteInfo

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault
INTEGERS = st.integers(0, 2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(max_size=40)
ROUTES = st.builds(RouteInfo, route=TEXTS, model=TEXTS, expected_ms=FLOATS)
HELLOS = st.builds(
    Hello,
    worker=TEXTS,
    pid=INTEGERS,
    device=TEXTS,
    lanes=st.integers(1, 64),
    credit=st.integers(1, 64),
    routes=st.lists(ROUTES, max_size=4),
    catalog=st.binary(max_size=100),
    started_because=st.sampled_from(["start", "crash", "wedge", "memory", "reload"]),
    slow_paths=st.lists(TEXTS, max_size=2),
)
PARAMETERS = st.builds(Parameters, top_k=INTEGERS, explain=st.booleans(), text=st.none() | TEXTS)
BODIES = st.lists(st.binary(max_size=300), max_size=4)


@st.composite
def requests(draw: st.DrawFn) -> tuple[Message, list[bytes]]:
    body = draw(BODIES)
    sizes = [len(part) for part in body]
    return Request(draw(INTEGERS), draw(TEXTS), draw(FLOATS), sizes, draw(PARAMETERS), traceparent=draw(TEXTS)), body


RESULTS = st.builds(Result, id=INTEGERS, error=st.none() | TEXTS, detail=TEXTS, model=TEXTS, confidence=FLOATS)
BARE = st.one_of(
    HELLOS,
    st.builds(Cancel, id=INTEGERS),
    st.builds(Credit, credit=st.integers(0, 64)),
    st.just(Drain()),
    st.builds(Heartbeat, memory_bytes=INTEGERS, busy_ratio=FLOATS, held=INTEGERS),
)
SENT = st.one_of(requests(), st.tuples(RESULTS, BODIES), st.tuples(BARE, st.just([])))


def decode(stream: bytes, chunks: Iterator[int]) -> list[Frame]:
    """Feed a stream to a decoder in pieces of the given sizes, as an event loop would."""
    decoder, found, at = Decoder(), [], 0
    while at < len(stream):
        room = decoder.room()
        assert len(room) > 0
        count = min(len(room), next(chunks), len(stream) - at)
        room[:count] = stream[at : at + count]
        at += count
        found += list(decoder.received(count))
    return found


def read(stream: bytes) -> list[Frame]:
    """Send a stream through a socket and read it in the worker's way."""
    near, far = socket.socketpair()
    with near, far:

        def send() -> None:
            far.sendall(stream)
            far.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        try:
            return list(iter(Reader(near).read, None))
        finally:
            near.close()
            sender.join()


def same(found: Sequence[Frame], sent: Sequence[tuple[Message, list[bytes]]]) -> bool:
    return [(frame.message, bytes(frame.body)) for frame in found] == [(one, b"".join(body)) for one, body in sent]


@PATIENT
@given(st.lists(SENT, max_size=6), st.lists(st.integers(1, 200), min_size=1))
def test_frames_survive_the_round_trip_in_any_chunking(sent, sizes):
    stream = b"".join(b"".join(encode(*one)) for one in sent)
    assert same(decode(stream, itertools.cycle(sizes)), sent)


@PATIENT
@given(st.lists(SENT, max_size=6))
def test_a_blocking_reader_reads_the_same_frames(sent):
    assert same(read(b"".join(b"".join(encode(*one)) for one in sent)), sent)


@PATIENT
@given(st.binary(max_size=400))
def test_any_bytes_give_frames_or_a_frame_error(junk):
    for reads in (lambda: decode(junk, itertools.repeat(7)), lambda: read(junk)):
        with contextlib.suppress(FrameError):
            assert all(isinstance(frame, Frame) for frame in reads())


@PATIENT
@given(st.sampled_from(Kind), st.binary(max_size=200), st.binary(max_size=20))
def test_a_good_prefix_before_any_bytes_gives_frames_or_a_frame_error(kind, header, body):
    stream = PREFIX.pack(MAGIC, VERSION, kind, len(header), len(body)) + header + body
    for reads in (lambda: decode(stream, itertools.repeat(50)), lambda: read(stream)):
        with contextlib.suppress(FrameError):
            (frame,) = reads()
            assert bytes(frame.body) == body


@PATIENT
@given(SENT, st.integers(0, 10_000), st.integers(1, 255))
def test_a_flipped_bit_gives_frames_or_a_frame_error(sent, place, flip):
    stream = bytearray(b"".join(encode(*sent)))
    stream[place % len(stream)] ^= flip
    with contextlib.suppress(FrameError):
        assert len(decode(bytes(stream), itertools.repeat(90))) <= 1  # a longer length waits for more


@pytest.mark.parametrize("kind", Kind)
def test_a_length_over_its_limit_is_refused_before_memory_is_reserved(kind):
    limit = LIMITS[kind]
    for header_bytes, body_bytes in ((limit.header_bytes + 1, 0), (1, limit.body_bytes + 1)):
        prefix = PREFIX.pack(MAGIC, VERSION, kind, header_bytes, body_bytes)
        with pytest.raises(FrameError, match=r"the limit is \d+"):
            decode(prefix, itertools.repeat(50))
        with pytest.raises(FrameError, match=r"the limit is \d+"):
            read(prefix)


def test_a_frame_over_its_limit_cannot_be_made():
    with pytest.raises(FrameError, match=r"RESULT: header of .* the limit is 65536"):
        encode(Result(1, detail="x" * 70_000))
    with pytest.raises(FrameError, match="CANCEL: body of 1 bytes, the limit is 0"):
        encode(Cancel(1), (b"x",))


@pytest.mark.parametrize("chunk_bytes", [1000, 4093, RECEIVE_BYTES])
def test_frames_that_cross_the_end_of_the_room_stay_whole(chunk_bytes):
    sent = [(Result(number), [b"%d" % number * 300]) for number in range(1000)]
    stream = b"".join(b"".join(encode(*one)) for one in sent)
    assert len(stream) > 5 * RECEIVE_BYTES
    assert same(decode(stream, itertools.repeat(chunk_bytes)), sent)


@PATIENT
@given(SENT)
def test_a_head_alone_gives_its_message_and_the_length_of_its_body(sent):
    message, body = sent
    head = encode(message, body)[0]
    assert same([Frame(decode_head(head)[0], b"".join(body))], [sent])
    assert decode_head(head)[1] == sum(map(len, body))


@pytest.mark.parametrize(("cut", "words"), [(PREFIX.size - 1, "a head of 11 bytes"), (-1, "were announced")])
def test_a_head_that_is_not_whole_is_an_error(cut, words):
    with pytest.raises(FrameError, match=words):
        decode_head(encode(Cancel(5))[0][:cut])


def test_the_parts_of_a_body_are_not_copied():
    photos = [b"one photo", b"another"]
    buffers = encode(Request(1, "r", 1.0, [9, 7], Parameters()), photos)
    assert buffers[1] is photos[0]
    assert buffers[2] is photos[1]


def test_a_decoder_gives_its_memory_back_after_a_large_frame():
    decoder = Decoder()
    stream = b"".join(encode(Result(1), (bytes(10 * RECEIVE_BYTES),)))
    at = 0
    while at < len(stream):
        room = decoder.room()
        count = min(len(room), len(stream) - at)
        room[:count] = stream[at : at + count]
        at += count
        frames_found = list(decoder.received(count))
    assert len(frames_found) == 1
    assert len(decoder.room()) == RECEIVE_BYTES


@pytest.mark.parametrize("end", [1, PREFIX.size - 1, PREFIX.size, PREFIX.size + 3])
def test_a_stream_that_ends_inside_a_frame_is_an_error(end):
    stream = b"".join(encode(Cancel(5)))
    with pytest.raises(FrameError, match="the stream ended after"):
        read(stream[:end])


def test_a_wrong_magic_version_or_kind_is_named():
    for prefix, words in (
        (PREFIX.pack(b"XX", VERSION, Kind.CANCEL, 1, 0), "begins with b'XX'"),
        (PREFIX.pack(MAGIC, 9, Kind.CANCEL, 1, 0), "frame version 9"),
        (PREFIX.pack(MAGIC, VERSION, 99, 1, 0), "unknown frame kind 99"),
    ):
        with pytest.raises(FrameError, match=words):
            decode(prefix, itertools.repeat(50))


def test_frames_before_a_broken_one_are_still_given():
    decoder = Decoder()
    stream = b"".join(encode(Cancel(5))) + b"no frame at all"
    decoder.room()[: len(stream)] = stream
    received = decoder.received(len(stream))
    assert next(received).message == Cancel(5)
    with pytest.raises(FrameError):
        next(received)


def test_every_kind_has_limits_and_a_message():
    assert set(LIMITS) == set(Kind) == set(frames._KINDS.values())
