"""The bus of one host: a Unix socket in a private folder, one connection per worker, many requests on it.

The gateway's end is an asyncio protocol that writes a frame's buffers without joining them; the worker's end is a
blocking socket that one thread reads. All rules live in the dispatcher; here is only the way between the two.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random as randomness
import socket
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self, cast

from service.bus.base import Delivery
from service.bus.folder import HeldFolder, fresh_socket, remove_abandoned
from service.bus.frames import Decoder, FrameError, Reader, encode, split_photos
from service.bus.hub import Hub
from service.bus.links import Worker, fault_of
from service.bus.messages import Cancel, Credit, Drain, Heartbeat, Hello, Message, Request, Result
from service.logs import get_logger
from service.settings import Settings

HELLO_TIMEOUT_S = 10.0  # a peer that has not introduced itself by then is cut off
CLOSE_TIMEOUT_S = 1.0  # a worker that does not read its DRAIN by then is cut off
PEERS_LIMIT = 256
SEND_BUFFER_BYTES = 4 << 20  # asked of the kernel, which may grant less: a photo should leave in one call
WRITE_LIMIT_BYTES = 1 << 20  # unsent bytes at which a worker gets nothing more until it has read
BACKLOG = 64


class LocalBus(Hub):
    """The gateway's end. `path` is where workers connect; without one in the settings it is made fresh and private."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = randomness.random,
    ) -> None:
        super().__init__(settings, clock=clock, random=random)
        self._is_named = settings.socket is not None
        self.path = settings.socket or fresh_socket(Path(tempfile.gettempdir()))
        self._folder: HeldFolder | None = None
        self._server: asyncio.Server | None = None
        self.connections: set[_Connection] = set()

    async def start(self) -> None:
        """Begin to listen for workers.

        Raises:
            OSError: the path cannot be used, or another gateway listens there.
        """
        if not self._is_named:
            remove_abandoned(self.path.parent.parent)
            self._folder = HeldFolder(self.path.parent)
        listener = _listen(self.path)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Connection(self), sock=listener, backlog=BACKLOG)

    async def _close(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        gone = [connection.leave() for connection in self.connections]
        if gone:
            await asyncio.wait(gone, timeout=CLOSE_TIMEOUT_S)
        for connection in list(self.connections):
            connection.cut_off("it did not read its farewell")
        self.path.unlink(missing_ok=True)
        if self._folder:
            self._folder.close()


class _Connection(asyncio.BufferedProtocol):
    """One worker's connection and the dispatcher's `Link` to it."""

    def __init__(self, bus: LocalBus) -> None:
        self._bus = bus
        self._dispatcher = bus.dispatcher
        self._decoder = Decoder()
        self._worker: Worker | None = None
        self._is_closing = False
        self._log = get_logger()

    # Life

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_LIMIT_BYTES)
        peer = self._transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self._descriptor = peer.fileno()
        loop = asyncio.get_running_loop()
        self._gone = loop.create_future()
        self._hello_timer = loop.call_later(HELLO_TIMEOUT_S, self.cut_off, f"no HELLO within {HELLO_TIMEOUT_S} s")
        self._bus.connections.add(self)
        if len(self._bus.connections) > PEERS_LIMIT:
            self.cut_off(f"more than {PEERS_LIMIT} connections")

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closing = True
        self._hello_timer.cancel()
        self._bus.connections.discard(self)
        self._gone.set_result(None)
        if self._worker:
            held = len(self._worker.held)
            self._log.info("worker_gone", held=held, was_draining=self._worker.is_draining)
            self._dispatcher.lost(self._worker)

    def leave(self) -> asyncio.Future[None]:
        """Say farewell and hang up; the future is done when the connection is gone."""
        if not self._is_closing:
            self._send(Drain())
            self._is_closing = True
            self._transport.close()
        return self._gone

    def cut_off(self, reason: str) -> None:
        """Hang up at once on a peer that broke the rules."""
        self._log.warning("worker_cut_off", reason=reason)
        self._is_closing = True
        if self._worker:
            self._dispatcher.pause(self._worker, is_paused=True)
        self._transport.abort()

    # From the worker

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._decoder.room()

    def buffer_updated(self, nbytes: int) -> None:
        try:
            for message, body in self._decoder.received(nbytes):
                self._take(message, bytes(body))
                if self._is_closing:
                    return
        except FrameError as error:
            self.cut_off(str(error))

    def _take(self, message: Message, body: bytes) -> None:
        if self._worker is None:
            self._introduce(message)
        elif isinstance(message, Result):
            self._dispatcher.finish(self._worker, message, body)
        elif isinstance(message, Heartbeat):
            self._dispatcher.beat(self._worker, message)
        elif isinstance(message, Credit):
            self._dispatcher.grant(self._worker, message.credit)
        elif isinstance(message, Drain):
            self._dispatcher.retire(self._worker)
        else:
            raise FrameError(f"a worker does not send {type(message).__name__}")

    def _introduce(self, message: Message) -> None:
        if not isinstance(message, Hello):
            raise FrameError(f"the first frame is {type(message).__name__}, expected Hello")
        if fault := fault_of(message):
            raise FrameError(fault)
        self._hello_timer.cancel()
        self._log = get_logger(worker=message.worker, worker_pid=message.pid)
        self._log.info("worker_joined", lanes=message.lanes, credit=message.credit, routes=len(message.routes))
        self._worker = self._dispatcher.join(self, message)

    # To the worker

    def deliver(self, request: Request, images: Sequence[bytes]) -> None:
        self._send(request, images)

    def cancel(self, number: int) -> None:
        self._send(Cancel(number))

    def drain(self) -> None:
        self._send(Drain())

    def _send(self, message: Message, body: Sequence[bytes] = ()) -> None:
        if self._is_closing:
            return
        buffers = encode(message, body)
        sent = 0
        if not self._transport.get_write_buffer_size():
            # Nothing waits in the transport, so that what is written past it stays in order. Its own `writelines` joins
            # the buffers before Python 3.12: for a photo that is a copy more than the kernel's own.
            with contextlib.suppress(OSError):  # a full socket, or a broken one, which the transport is to notice
                sent = os.writev(self._descriptor, buffers)
        if sent < sum(map(len, buffers)):
            self._transport.write(b"".join(buffers)[sent:])

    def pause_writing(self) -> None:
        if self._worker:
            self._dispatcher.pause(self._worker, is_paused=True)

    def resume_writing(self) -> None:
        if self._worker and not self._is_closing:
            self._dispatcher.pause(self._worker, is_paused=False)


class LocalWorkerBus:
    """The worker's end: a blocking socket; one thread calls `receive`, any thread answers."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._reader = Reader(connection)
        self._write_lock = threading.Lock()

    @classmethod
    def connect(cls, path: Path) -> Self:
        """Connect to the gateway at `path`; raises OSError."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(os.fspath(path))
        except OSError:
            connection.close()
            raise
        return cls(connection)

    def hello(self, hello: Hello) -> None:
        """Announce the worker; must be the first message."""
        self._send(hello)

    def receive(self) -> Delivery | int | None:
        """Block for the next thing, as `WorkerBus.receive` says.

        Raises:
            FrameError: the gateway broke the format.
        """
        try:
            frame = self._reader.read()
        except OSError:
            return None  # the gateway, or our own `close`, ended the connection
        if frame is None or isinstance(frame.message, Drain):
            return None
        message, body = frame
        if isinstance(message, Request):
            return Delivery(message, split_photos(body, message.sizes))
        if isinstance(message, Cancel):
            return message.id
        raise FrameError(f"a gateway does not send {type(message).__name__}")

    def answer(self, result: Result, body: bytes = b"") -> None:
        """Send one result; safe from any thread."""
        self._send(result, (body,))

    def heartbeat(self, heartbeat: Heartbeat) -> None:
        """Report figures; safe from any thread."""
        self._send(heartbeat)

    def grant(self, credit: int) -> None:
        """Change how many requests may be held; safe from any thread."""
        self._send(Credit(credit))

    def leave(self) -> None:
        """Tell the gateway that no more requests are taken; safe from any thread."""
        self._send(Drain())

    def close(self) -> None:
        """Hang up; a `receive` that blocks in another thread returns None."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _send(self, message: Message, body: Sequence[bytes] = ()) -> None:
        frame = b"".join(encode(message, body))  # answers are short: one small copy saves a list of views
        with self._write_lock:
            try:
                self._socket.sendall(frame)
            except OSError:
                return  # a gateway that is gone needs no answer


def _listen(path: Path) -> socket.socket:
    """A socket bound at `path` that only this user can connect to; a stale file of a dead gateway is replaced."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        os.fchmod(listener.fileno(), stat.S_IRUSR | stat.S_IWUSR)  # before bind: the file never has other rights
        listener.bind(os.fspath(path))
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _remove_stale(path: Path) -> None:
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()
        else:
            raise FileExistsError(f"another gateway listens at {path}")
