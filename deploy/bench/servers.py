"""The rows of the benchmark: how each server is started, asked and stopped, and the in-process limit beside them.

Owns processes; every server is stopped by its whole tree and checked to be gone, because a left-over worker would
falsify the next row. No server gets a session of its own: Linux's autogroups would give each session an equal share of
the cores, whatever it has to do.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, cast

from deploy.bench.load.meter import is_alive, tree_of
from deploy.bench.load.window import ROOT, Address
from deploy.bench.peers.graph import plain_graph

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 15.0
_LOOK_EVERY_S = 0.01


class ServerError(RuntimeError):
    """A server did not start, answer or stop; the message holds the end of its log."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What all rows share: the bundle, the photos, folders, and the interpreter that the peers are installed for."""

    bundle: Path
    photos: tuple[Path, ...]
    work: Path
    peers_python: Path

    @property
    def domain(self) -> str:
        """Domain that Fieldmark is asked for."""
        return str(self._manifest["domain"])

    @property
    def has_int8(self) -> bool:
        """Whether the bundle has a graph that computes in 8 bits."""
        return any(variant.get("computes") == "int8" for variant in self._manifest["variants"])

    @property
    def _manifest(self) -> dict[str, Any]:
        manifest: dict[str, Any] = json.loads((self.bundle / "manifest.json").read_bytes())
        return manifest


@dataclass(frozen=True, slots=True)
class Row:
    """How one server is run; `{port}` in the command is filled in.

    `is_alike`: it has the decoder, the graph and the precision of the others, and must say the same.
    """

    name: str
    command: tuple[str, ...]
    path: str
    ready_path: str
    content_type: str = "image/jpeg"
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    is_alike: bool = True


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is ready."""

    row: Row
    pid: int
    address: Address
    ready_after_s: float


def fieldmark_row(setup: Setup, store: Path, **settings: str) -> Row:
    """Fieldmark as a user starts it; `settings` are FIELDMARK_ variables in small letters."""
    return Row(
        name="Fieldmark",
        command=(str(Path(sys.executable).with_name("fieldmark")), "serve", "--port", "{port}", "--store", str(store)),
        path=f"/v1/classify?domain={setup.domain}",
        ready_path="/readyz",
        # The port after a free one is often that of a connection which looked whether the server is ready.
        environment={f"FIELDMARK_{name.upper()}": value for name, value in ({"internal_port": "0"} | settings).items()},
    )


def int8_row(setup: Setup, store: Path, **settings: str) -> Row:
    """Fieldmark with the graph that computes in 8 bits: what its users can have, and no comparison on one file."""
    row = fieldmark_row(setup, store, arithmetic="int8", **settings)
    return replace(row, name="Fieldmark in 8 bits", is_alike=False)


def mosec_row(setup: Setup) -> Row:
    """Mosec with our decoder, graph and session options."""
    return Row(
        name="Mosec",
        command=(
            *(str(setup.peers_python), "-m", "deploy.bench.peers.mosec_app", "--port", "{port}"),
            *("--timeout", "60000"),  # by default 3 s: on a slow machine 128 connections would wait longer
        ),
        path="/inference",
        ready_path="/",
        environment=_peer_environment(setup),
    )


def litserve_row(setup: Setup) -> Row:
    """LitServe with our decoder, graph and session options."""
    return Row(
        name="LitServe",
        command=(str(setup.peers_python), "-m", "deploy.bench.peers.litserve_app", "--port", "{port}"),
        path="/predict",
        ready_path="/health",
        environment=_peer_environment(setup),
        stop_signal=signal.SIGINT,  # a SIGTERM leaves its workers behind
    )


def tutorial_row(setup: Setup) -> Row:
    """The tutorial's server; its bodies are forms."""
    folder = setup.work / "plain"
    plain_graph(setup.bundle, folder)
    return Row(
        name="tutorial FastAPI",
        command=(str(setup.peers_python), "-m", "deploy.bench.peers.tutorial", "--port", "{port}"),
        path="/predict",
        ready_path="/docs",
        content_type=FORM_TYPE,
        environment={"FIELDMARK_BENCH_PLAIN_GRAPH": str(folder)},
        is_alike=False,
    )


BOUNDARY = "fieldmark-bench-2f1c9a"
FORM_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def form_of(photo: bytes) -> bytes:
    """Wrap a photo as the form that a browser would send."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="photo.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    return head.encode() + photo + f"\r\n--{BOUNDARY}--\r\n".encode()


def bodies_for(row: Row, setup: Setup) -> tuple[Path, ...]:
    """Files with the bodies that a row is sent: the photos, or forms around them."""
    if row.content_type != FORM_TYPE:
        return setup.photos
    forms = []
    for photo in setup.photos:
        form = photo.with_suffix(".form")
        if not form.exists():
            form.write_bytes(form_of(photo.read_bytes()))
        forms.append(form)
    return tuple(forms)


@contextlib.contextmanager
def running(row: Row, setup: Setup) -> Iterator[Server]:
    """Start a server, wait until it is ready, and stop it with its whole tree at the end.

    Raises:
        ServerError: it ends or stays unready, or something of it is left at the end.
    """
    port = _free_port()
    command = [word.replace("{port}", str(port)) for word in row.command]
    log = setup.work / f"{row.name.replace(' ', '-')}.log"
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=_environment(row), stdout=output, stderr=subprocess.STDOUT)
    try:
        _await_ready(row, process, port, log)
        address = Address(port, row.path, row.content_type)
        yield Server(row, process.pid, address, time.monotonic() - started)
    finally:
        _stop(row, process)


class Limit:
    """The in-process limit as a process that obeys; see deploy.bench.peers.limit."""

    name = "in-process limit"

    def __init__(self, setup: Setup) -> None:
        command = [sys.executable, "-m", "deploy.bench.peers.limit", *map(str, setup.photos)]
        environment = {**os.environ, **_peer_environment(setup)}
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = self._process.pid
        self._commands = cast("IO[str]", self._process.stdin)
        self._answers = cast("IO[str]", self._process.stdout)
        self._read_line()

    def run(self, threads: int, seconds: float) -> dict[str, float]:
        """Recognise for `seconds`: photos, seconds, median_s, p99_s."""
        self._commands.write(f"{threads} {seconds}\n")
        self._commands.flush()
        result: dict[str, float] = json.loads(self._read_line())
        return result

    def close(self) -> None:
        """End it."""
        self._commands.close()
        self._process.wait(STOP_TIMEOUT_S)

    def _read_line(self) -> str:
        line = self._answers.readline()
        if not line:
            raise ServerError(f"the in-process limit ended with {self._process.wait()}")
        return line


def ask(address: Address, path: str, body: bytes | None = None, content_type: str = "") -> tuple[int, bytes]:
    """Send one request (POST with a body, else GET); the status and the answer's body."""
    connection = http.client.HTTPConnection(address.host, address.port, timeout=START_TIMEOUT_S)
    try:
        headers = {"Content-Type": content_type} if body is not None else {}
        connection.request("GET" if body is None else "POST", path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _peer_environment(setup: Setup) -> dict[str, str]:
    return {"FIELDMARK_BENCH_BUNDLE": str(setup.bundle), "OMP_NUM_THREADS": "1"}


def _environment(row: Row) -> dict[str, str]:
    """The caller's, without settings that would change Fieldmark, and with the project on the import path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FIELDMARK_")}
    return {**kept, "PYTHONPATH": str(ROOT), **row.environment}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_ready(row: Row, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise ServerError(f"{row.name} ended with {process.returncode} at its start:\n{_end_of(log)}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            if ask(Address(port, "", ""), row.ready_path)[0] == http.client.OK:
                return
        time.sleep(_LOOK_EVERY_S)
    raise ServerError(f"{row.name} was not ready within {START_TIMEOUT_S:.0f} s:\n{_end_of(log)}")


def _stop(row: Row, process: subprocess.Popen[bytes]) -> None:
    tree = tree_of(process.pid)
    process.send_signal(row.stop_signal)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_TIMEOUT_S)
    until = time.monotonic() + STOP_TIMEOUT_S
    while (left := [pid for pid in tree if is_alive(pid)]) and time.monotonic() < until:
        time.sleep(_LOOK_EVERY_S)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait(STOP_TIMEOUT_S)
    if left:
        print(f"{row.name} left {len(left)} processes behind; they were killed", file=sys.stderr)


def _end_of(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-2000:]
