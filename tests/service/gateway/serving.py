"""The gateway as its clients meet it: the true server on a true socket, in a thread, over a bus that the test holds."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from service.gateway.app import create_app
from service.gateway.doors import listen
from service.gateway.edge import Observer
from service.gateway.keyring import KeyRing
from service.gateway.loop import new_loop
from service.gateway.server import GatewayServer
from service.metrics import Metrics
from service.settings import Settings
from tests.service.gateway.fake_bus import WAIT_S, FakeBus

JPEG = b"\xff\xd8\xff\xe0" + bytes(200)


@dataclass(frozen=True)
class Answer:
    """One answer as it was read from a bare connection."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        """The problem document that it is."""
        assert self.headers["content-type"] == "application/problem+json"
        document: dict[str, Any] = json.loads(self.body)
        return document


class _Server(GatewayServer):
    """Signals belong to the main thread, and the test ends the server itself."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class RunningGateway:
    """A gateway over `bus`, with its own settings and perhaps keys; usable as a context manager."""

    def __init__(
        self, bus: FakeBus, *, ring: KeyRing | None = None, observers: Sequence[Observer] = (), **settings: Any
    ) -> None:
        self.bus = bus
        self.metrics = Metrics()
        self.settings = Settings(**settings)
        self._listener = listen("127.0.0.1", 0)
        self.address: tuple[str, int] = self._listener.getsockname()
        self.url = f"http://127.0.0.1:{self.address[1]}"
        self._has_started = threading.Event()
        self.app = create_app(self.settings, bus, self.metrics, ring, observers)
        self.server = _Server(self.settings, self.app, self.metrics, self._has_started.set)
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._has_started.wait(WAIT_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.should_exit = True
        self.server.force_exit = True
        self.join()

    def join(self) -> None:
        """Wait for the server's end."""
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()

    def close(self) -> None:
        """Give up a gateway that was never started."""
        self._listener.close()

    def in_loop(self, call: Callable[[], object]) -> None:
        """Run something in the server's thread."""
        self.loop.call_soon_threadsafe(call)

    def figures(self) -> str:
        """What a scrape of the internal port would give."""

        async def render() -> bytes:
            return self.metrics.render()

        return asyncio.run_coroutine_threadsafe(render(), self.loop).result(WAIT_S).decode()

    def comes_to_count(self, figure: str) -> bool:
        """Whether a scrape holds `figure`, now or in a few turns of the loop: nothing tells a client that its leaving was counted."""
        until = time.monotonic() + WAIT_S
        while time.monotonic() < until:
            if figure in self.figures():
                return True
        return False

    def comes_to_hold(self, holds: Callable[[], object]) -> bool:
        """Whether something holds in the server, now or in a few turns of the loop: a connection's state tells nobody of a change."""
        until = time.monotonic() + WAIT_S
        while time.monotonic() < until:
            if holds():
                return True
            self.figures()  # a turn of the loop
        return False

    def client(self, **options: Any) -> httpx.Client:
        """Make an HTTP client of this gateway; certificates, which it has no use for, take longer to read than an answer."""
        return httpx.Client(base_url=self.url, timeout=WAIT_S, trust_env=False, verify=False, **options)

    def connect(self) -> socket.socket:
        """Open a bare connection."""
        connection = socket.create_connection(self.address, timeout=WAIT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def ask(self, raw: bytes, method: str = "POST") -> Answer:
        """Send a request's bytes on a fresh connection and read the answer."""
        with self.connect() as connection:
            connection.sendall(raw)
            return read_answer(connection, method)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            self.loop = runner.get_loop()
            runner.run(self._serve())

    async def _serve(self) -> None:
        """Serve until the end; where a test is over, clients that hold on are cut off, such as a browser for its next page."""
        await self.server.serve(sockets=[self._listener])
        for connection in list(self.server.server_state.connections) if self.server.force_exit else ():
            connection.transport.abort()


def read_answer(connection: socket.socket, method: str = "POST") -> Answer:
    """Read one answer."""
    response = http.client.HTTPResponse(connection, method=method)
    response.begin()
    return Answer(response.status, dict(response.getheaders()), response.read())


def read_all(connection: socket.socket) -> bytes:
    """Read until the other side hangs up, politely or not."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            received += piece
    return received


def request(path: str = "/v1/classify", body: bytes = JPEG, method: str = "POST", **headers: str) -> bytes:
    """Write a request's bytes; `headers` with `_` for `-`."""
    lines = [f"{method} {path} HTTP/1.1", "host: test"]
    if "content_length" not in headers and "transfer_encoding" not in headers:
        lines.append(f"content-length: {len(body)}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
