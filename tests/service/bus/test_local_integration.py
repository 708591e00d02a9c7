"""The bus of one host: the suite that every bus passes, on both event loops, and what is its own: socket and peers."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from service.answers import Parameters
from service.bus import local
from service.bus.base import Outcome
from service.bus.frames import PREFIX, FrameError, encode
from service.bus.local import LocalBus, LocalWorkerBus
from service.bus.messages import Cancel, Drain, Request, Result
from service.settings import Settings
from tests.service.bus.fakes import BIRDS, make_hello
from tests.service.bus.setups import PATIENCE_S, BusFactory, Setup, eventually, outcomes
from tests.service.bus.suite import BusSuite

LOOPS = [pytest.param(("asyncio", {"use_uvloop": use_uvloop}), id=f"{use_uvloop=}") for use_uvloop in (False, True)]


@pytest.fixture(params=LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return request.param


@asynccontextmanager
async def local_bus(**settings: object) -> AsyncIterator[Setup]:
    bus = LocalBus(Settings(**settings))
    await bus.start()
    setup = Setup(bus, partial(LocalWorkerBus.connect, bus.path))
    try:
        yield setup
    finally:
        await bus.drain(0.0)
        for worker in setup.workers:
            worker.crash()


@pytest.fixture
def bus_factory() -> BusFactory:
    return local_bus


class TestLocalBus(BusSuite):
    """The local bus passes the suite."""


def raw_peer(setup: Setup) -> socket.socket:
    """A connection whose bytes the test writes itself."""
    peer = socket.socket(socket.AF_UNIX)
    peer.setblocking(False)
    peer.connect(os.fspath(setup.bus.path))
    return peer


async def is_hung_up(peer: socket.socket) -> bool:
    """Wait until the other side ends the connection."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(PATIENCE_S):
        try:
            while await loop.sock_recv(peer, 4096):
                pass
        except ConnectionResetError:
            pass
    peer.close()
    return True


HELLO = b"".join(encode(make_hello()))


@pytest.mark.anyio
@pytest.mark.parametrize(
    "stream",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"".join(encode(Result(1))),
        b"".join(encode(Drain())),
        PREFIX.pack(b"FM", 1, 1, 0xFFFFFFFF, 0),
        b"".join(encode(make_hello(expected_ms=0.0))),
        b"".join(encode(make_hello(expected_ms=float("nan")))),
        HELLO + HELLO,
        HELLO + b"".join(encode(Cancel(1))),
        HELLO + b"nonsense beyond the prefix's length",
    ],
)
async def test_a_peer_that_breaks_the_rules_is_cut_off_and_others_are_served(stream):
    async with local_bus() as setup:
        worker = await setup.join("good")
        worker.answer_everything()
        peer = raw_peer(setup)
        await asyncio.get_running_loop().sock_sendall(peer, stream)
        assert await is_hung_up(peer)
        await eventually(lambda: len(setup.bus.workers()) == 1)
        assert (await setup.submit()).body == b"{}"


@pytest.mark.anyio
async def test_a_peer_that_says_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(local, "HELLO_TIMEOUT_S", 0.01)
    async with local_bus() as setup:
        assert await is_hung_up(raw_peer(setup))


@pytest.mark.anyio
async def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(local, "PEERS_LIMIT", 1)
    async with local_bus() as setup:
        worker = await setup.join()
        worker.answer_everything()
        assert await is_hung_up(raw_peer(setup))
        await setup.submit()


@pytest.mark.anyio
async def test_a_worker_that_breaks_the_format_loses_its_requests_to_another():
    async with local_bus() as setup:
        peer = raw_peer(setup)
        await asyncio.get_running_loop().sock_sendall(peer, HELLO)
        await eventually(lambda: len(setup.bus.workers()) == 1)
        future = setup.submit()
        await asyncio.get_running_loop().sock_sendall(peer, b"X" * PREFIX.size)
        assert await is_hung_up(peer)
        worker = await setup.join()
        worker.answer(await worker.next())
        assert (await future).attempts == 2


@pytest.mark.anyio
async def test_a_worker_that_does_not_read_gets_nothing_more():
    photo = bytes(20 << 20)  # more than the kernel and the transport hold
    async with local_bus(max_queue_wait_ms=600_000) as setup:
        peer = raw_peer(setup)
        stuck = make_hello(lanes=8, credit=64)
        await asyncio.get_running_loop().sock_sendall(peer, b"".join(encode(stuck)))
        await eventually(lambda: len(setup.bus.workers()) == 1)
        futures = [setup.submit(BIRDS, photo) for _ in range(3)]
        assert setup.bus.workers()[0].held == 1
        assert setup.bus.queued_bytes == 2 * len(photo)
        peer.close()
        worker = await setup.join(credit=64)
        worker.answer_everything()
        assert all(isinstance(answer, Outcome) for answer in await outcomes(futures))


@pytest.mark.anyio
async def test_answers_of_many_threads_do_not_mix():
    async with local_bus(max_queue_wait_ms=600_000) as setup:
        worker = await setup.join(lanes=8, credit=64)
        futures = [setup.submit() for _ in range(64)]
        deliveries = [await worker.next() for _ in futures]

        def answer(some: list) -> None:
            for delivery in some:
                body = b"%d" % delivery.request.id * 40_000
                worker.bus.answer(Result(delivery.request.id), body)

        threads = [threading.Thread(target=answer, args=(deliveries[part::8],)) for part in range(8)]
        for thread in threads:
            thread.start()
        answers = await outcomes(futures)
        for thread in threads:
            thread.join()
        for delivery, outcome in zip(deliveries, answers, strict=True):
            assert outcome.body == b"%d" % delivery.request.id * 40_000


@pytest.mark.anyio
async def test_the_socket_is_for_this_user_only_and_goes_with_the_bus(tmp_path: Path):
    path = tmp_path / "new" / "bus.sock"
    async with local_bus(socket=path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not path.exists()


@pytest.mark.anyio
async def test_without_a_setting_the_socket_lies_in_a_fresh_private_folder():
    async with local_bus() as setup:
        folder = setup.bus.path.parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not folder.exists()


@pytest.mark.anyio
async def test_the_socket_of_a_dead_gateway_is_replaced(tmp_path: Path):
    path = tmp_path / "bus.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(os.fspath(path))
    async with local_bus(socket=path) as setup:
        await setup.join()
        assert setup.bus.path == path


@pytest.mark.anyio
async def test_the_socket_of_a_living_gateway_is_not_taken(tmp_path: Path):
    path = tmp_path / "bus.sock"
    async with local_bus(socket=path) as setup:
        with pytest.raises(FileExistsError, match="another gateway listens at"):
            await LocalBus(Settings(socket=path)).start()
        await setup.join()


# The worker's end alone


def far_end() -> tuple[LocalWorkerBus, socket.socket]:
    near, far = socket.socketpair()
    return LocalWorkerBus(near), far


def test_no_gateway_is_an_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        LocalWorkerBus.connect(tmp_path / "bus.sock")


@pytest.mark.parametrize("sizes", [[4], [6], [3, 3], [], [-1, 6]])
def test_photos_that_do_not_fit_their_body_are_an_error(sizes):
    bus, gateway = far_end()
    with gateway:
        gateway.sendall(b"".join(encode(Request(1, BIRDS, 1.0, sizes, Parameters()), (b"photo",))))
        with pytest.raises(FrameError, match="in a body of 5"):
            bus.receive()
        bus.close()


def test_what_a_gateway_does_not_send_is_an_error():
    bus, gateway = far_end()
    with gateway:
        gateway.sendall(b"".join(encode(Result(1))))
        with pytest.raises(FrameError, match="does not send Result"):
            bus.receive()
        bus.close()


@pytest.mark.parametrize("end", [lambda bus, gateway: gateway.close(), lambda bus, gateway: bus.close()])
def test_a_receiver_is_woken_when_the_connection_ends(end: Callable):
    bus, gateway = far_end()
    received = []
    receiver = threading.Thread(target=lambda: received.append(bus.receive()))
    receiver.start()
    end(bus, gateway)
    receiver.join(PATIENCE_S)
    assert received == [None]
    bus.answer(Result(1), b"nobody is there")
    bus.close()
    gateway.close()


def test_a_workers_hello_is_its_first_frame():
    bus, gateway = far_end()
    bus.hello(make_hello("3"))
    assert gateway.recv(4096) == b"".join(encode(make_hello("3")))
    bus.close()
    gateway.close()
