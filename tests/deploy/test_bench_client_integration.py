"""The load generator against a tiny server of the tests, whose answers, delays and faults are known."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.bench.load.client import FAILED, Generator, Job, Record, build_request
from deploy.bench.load.window import ROOT

BODY = b"p" * 91_000

#: Decides about the n-th request: the status, or None to break the connection.
Script = Callable[[int], int | None]


class ScriptedServer(ThreadingHTTPServer):
    """Answers each request as its script says, and remembers the bodies' lengths."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), ScriptedHandler)
        self.script = script
        self.lengths: Counter[int] = Counter()
        self.lock = threading.Lock()

    def take_number(self, length: int) -> int:
        """Count a request."""
        with self.lock:
            self.lengths[length] += 1
            return self.lengths.total() - 1

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that leave are part of the tests."""


class ScriptedHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.script(self.server.take_number(len(body)))
        if status is None:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Length", "2")
        if status == 429:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def serve() -> Iterator[Callable[[Script], ScriptedServer]]:
    """Start a scripted server."""
    servers = []

    def start(script: Script) -> ScriptedServer:
        server = ScriptedServer(script)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def job_for(server: ScriptedServer, **fields: object) -> Job:
    request = build_request("/predict", BODY, "image/jpeg")
    return replace(Job("127.0.0.1", server.server_address[1], (request,)), **fields)


def test_a_closed_loop_counts_every_answer(serve: Callable[[Script], ScriptedServer]) -> None:
    server = serve(lambda number: 200)
    run = Generator(job_for(server, connections=4, seconds=0.3)).run()
    assert {record.status for record in run.records} == {200}
    assert server.lengths == {len(BODY): len(run.records)}
    assert all(record.intended_s <= record.sent_s < record.done_s for record in run.records)


def test_a_broken_connection_fails_one_request_and_is_replaced(serve: Callable[[Script], ScriptedServer]) -> None:
    server = serve(lambda number: None if number == 3 else 200)
    run = Generator(job_for(server, connections=2, seconds=0.3)).run()
    statuses = Counter(record.status for record in run.records)
    assert statuses[FAILED] == 1
    assert statuses[200] == len(run.records) - 1 > 4


def test_an_open_loop_sends_at_its_rate_whatever_the_server_does(serve: Callable[[Script], ScriptedServer]) -> None:
    gate = threading.Event()

    def hold_until_half_are_there(number: int) -> int:
        if number == 39:
            gate.set()
        gate.wait(10)
        return 200

    server = serve(hold_until_half_are_there)
    run = Generator(job_for(server, phases=((100.0, 0.8),), seed=5)).run()
    assert 50 < len(run.records) < 120
    assert {record.status for record in run.records} == {200}
    first = run.records[0]
    assert first.latency_s == first.done_s - first.intended_s > 0.2  # it waited for the fortieth


def test_the_same_seed_sends_at_the_same_times(serve: Callable[[Script], ScriptedServer]) -> None:
    server = serve(lambda number: 200)
    runs = [Generator(job_for(server, phases=((200.0, 0.1), (50.0, 0.1)), seed=7)).run() for _ in range(2)]
    first, second = ([record.intended_s for record in run.records] for run in runs)
    assert first == second
    assert first == sorted(first)


def test_a_refused_client_returns_once_after_retry_after(serve: Callable[[Script], ScriptedServer]) -> None:
    server = serve(lambda number: 429 if number in (0, 2) else 200)
    run = Generator(job_for(server, phases=((40.0, 0.2),), seed=3, returning=True)).run()
    refused = [record for record in run.records if record.status == 429]
    returned = [record for record in run.records if record.is_return]
    assert len(refused) == len(returned) == 2
    assert {record.status for record in returned} == {200}
    times = sorted(record.done_s for record in refused)
    assert all(back.intended_s == pytest.approx(time_s + 1.0) for back, time_s in zip(returned, times, strict=True))


def test_a_second_answer_to_one_request_is_a_failure() -> None:
    record = Record(0.0)
    connection = _connection_with(record, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}" * 2)
    assert connection == (FAILED, None, False)


def test_the_program_reads_a_job_and_prints_the_run(serve: Callable[[Script], ScriptedServer], tmp_path: Path) -> None:
    server = serve(lambda number: 200)
    (tmp_path / "photo").write_bytes(BODY)
    job = {
        "host": "127.0.0.1",
        "port": server.server_address[1],
        "path": "/predict",
        "content_type": "image/jpeg",
        "bodies": [str(tmp_path / "photo")],
        "connections": 1,
        "seconds": 0.1,
        "phases": [],
        "seed": 0,
        "returning": False,
    }
    command = [sys.executable, "-m", "deploy.bench.load.client"]
    done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, check=True, cwd=ROOT)
    run = json.loads(done.stdout)
    assert {record["status"] for record in run["records"]} == {200}
    assert run["client_cpu_s"] > 0


def _connection_with(record: Record, received: bytes) -> tuple[int, float | None, bool] | None:
    import select
    import socket

    from deploy.bench.load.client import Connection

    with socket.create_server(("127.0.0.1", 0)) as listener, select.epoll() as poller:
        connection = Connection(listener.getsockname(), poller)
        peer, _ = listener.accept()
        with peer:
            connection.send(b"POST", record)
            peer.sendall(received)
            for _fileno, events in poller.poll(5):
                answer = connection.ready(events)
        connection.close()
        return answer
