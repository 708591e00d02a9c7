"""The load generator: keeps HTTP connections busy in a closed loop, or sends on a clock in an open loop.

Owns connections, prebuilt requests and one record per request. Judges nothing: statistics are made elsewhere. It runs
as a process of its own (`python -m deploy.bench.load.client`, a job as JSON on stdin, a run as JSON on stdout), so that
its CPU time can be told from that of the servers, and uses raw sockets and epoll only, because the servers that it
measures share its cores: about 60 us of CPU a request with a body of 91 kB.

A closed loop shows capacity and hides queueing: each connection waits for its answer before it asks again. An open loop
shows what users feel: requests leave at Poisson times whatever the server does, and latency counts from the time at
which a request should have left (no coordinated omission).
"""

from __future__ import annotations

import errno
import heapq
import json
import random
import re
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

RECEIVE_BYTES = 1 << 18
CONNECTIONS_LIMIT = 1024
#: Time after the last request in which answers still count; a server that takes longer has lost the request.
PATIENCE_S = 30.0

FAILED = 0  # status of a request whose connection broke or whose answer was not HTTP
UNANSWERED = -1  # status of a request that was not answered within the patience

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_RETRY_AFTER = re.compile(rb"\r\nretry-after: *(\d+)\r\n", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close\r\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Job:
    """What to do: `requests` are complete HTTP requests, sent in turn.

    With `connections` a closed loop of `seconds`; otherwise an open loop through `phases`, each (requests per second,
    seconds). With `returning`, a client that was refused comes back once, when its `Retry-After` is over.
    """

    host: str
    port: int
    requests: tuple[bytes, ...]
    connections: int = 0
    seconds: float = 0.0
    phases: tuple[tuple[float, float], ...] = ()
    seed: int = 0
    returning: bool = False


@dataclass(slots=True)
class Record:
    """One request: times are seconds since the run's start, `retry_after_s` is what a refusal asked for."""

    intended_s: float
    sent_s: float = 0.0
    done_s: float = 0.0
    status: int = UNANSWERED
    retry_after_s: float | None = None
    is_return: bool = False

    @property
    def latency_s(self) -> float:
        """Time from the intended send time to the last byte of the answer."""
        return self.done_s - self.intended_s


@dataclass(slots=True)
class Run:
    """What came of a job: every record, the time until the last request left, and this process's own CPU time."""

    seconds: float
    client_cpu_s: float
    records: list[Record] = field(default_factory=list)


def build_request(path: str, body: bytes, content_type: str, host: str = "localhost") -> bytes:
    """Make a complete POST request for a connection that stays open."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\nAccept: application/json\r\n\r\n"
    )
    return head.encode("ascii") + body


class Connection:
    """One keep-alive connection that carries one request at a time; never blocks."""

    def __init__(self, address: tuple[str, int], poller: select.epoll) -> None:
        self.record: Record | None = None
        self._poller = poller
        self._received = bytearray()
        self._unsent = memoryview(b"")
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = self._socket.connect_ex(address)
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, "the server cannot be reached")
        self.fileno = self._socket.fileno()
        poller.register(self.fileno, select.EPOLLIN)

    def send(self, request: bytes, record: Record) -> None:
        """Begin to send; the answer arrives through `ready`."""
        self.record = record
        self._unsent = memoryview(request)
        self._push()

    def ready(self, events: int) -> tuple[int, float | None, bool] | None:
        """React to the poller: None while the answer is incomplete, else (status, Retry-After, stays open)."""
        try:
            if events & select.EPOLLOUT:
                self._push()
            if events & (select.EPOLLIN | select.EPOLLERR | select.EPOLLHUP):
                data = self._socket.recv(RECEIVE_BYTES)
                if not data:
                    return FAILED, None, False
                self._received += data
                return self._parse()
        except BlockingIOError:
            return None
        except OSError:
            return FAILED, None, False
        return None

    def close(self) -> None:
        """Leave the poller and close the socket."""
        self._poller.unregister(self.fileno)
        self._socket.close()

    def _push(self) -> None:
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            if error.errno not in (errno.ENOTCONN, errno.EPIPE, errno.ECONNRESET):
                raise
            sent = 0 if error.errno == errno.ENOTCONN else len(self._unsent)  # a reset shows as an end when reading
        self._unsent = self._unsent[sent:]
        wanted = select.EPOLLIN | select.EPOLLOUT if self._unsent else select.EPOLLIN
        self._poller.modify(self.fileno, wanted)

    def _parse(self) -> tuple[int, float | None, bool] | None:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = bytes(self._received[: end + 2])
        status, length = _STATUS.match(head), _LENGTH.search(head)
        if status is None or length is None:
            return FAILED, None, False
        total = end + 4 + int(length[1])
        if len(self._received) < total:
            return None
        if self.record is None or len(self._received) > total:  # bytes that nobody asked for: a second answer
            return FAILED, None, False
        self._received.clear()
        retry_after = _RETRY_AFTER.search(head)
        stays_open = _CLOSE.search(head) is None and not self._unsent
        return int(status[1]), float(retry_after[1]) if retry_after else None, stays_open


class Generator:
    """Runs one job on an epoll loop; `run` may be called once."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._poller = select.epoll()
        self._connections: dict[int, Connection] = {}
        self._idle: list[Connection] = []
        self._waiting: deque[Record] = deque()
        self._returns: list[float] = []
        self._records: list[Record] = []
        self._started = 0.0
        self._inflight = 0

    def run(self) -> Run:
        """Send what the job says and wait for all answers, `PATIENCE_S` at most.

        Raises:
            OSError: a closed loop cannot connect.
        """
        for _ in range(self._job.connections or 16):
            self._open()
        cpu_before = time.process_time()
        self._started = time.perf_counter()
        seconds = self._closed() if self._job.connections else self._open_loop()
        self._finish()
        for connection in list(self._connections.values()):
            connection.close()
        self._poller.close()
        return Run(seconds, time.process_time() - cpu_before, self._records)

    def _now(self) -> float:
        return time.perf_counter() - self._started

    def _closed(self) -> float:
        until = self._job.seconds
        while (now := self._now()) < until:
            while len(self._connections) < self._job.connections:
                self._open()
            while self._idle:
                self._start(Record(self._now()))
            self._wait(until - now)
        return now

    def _open_loop(self) -> float:
        for intended in _arrivals(self._job.phases, self._job.seed):
            while (now := self._now()) < intended:
                due = min(intended, self._returns[0] if self._returns else intended)
                self._wait(due - now)
                self._send_returns()
            self._start(Record(intended))
        while self._returns:
            self._wait(self._returns[0] - self._now())
            self._send_returns()
        return self._now()

    def _send_returns(self) -> None:
        while self._returns and self._returns[0] <= self._now():
            self._start(Record(heapq.heappop(self._returns), is_return=True))

    def _finish(self) -> None:
        until = self._now() + PATIENCE_S
        while self._inflight and self._now() < until:
            self._wait(until - self._now())

    def _start(self, record: Record) -> None:
        self._records.append(record)
        if not self._idle and len(self._connections) < CONNECTIONS_LIMIT:
            try:
                self._open()
            except OSError:
                record.sent_s = record.done_s = self._now()
                record.status = FAILED
                return
        self._inflight += 1
        if self._idle:
            self._send(self._idle.pop(), record)
        else:
            self._waiting.append(record)

    def _send(self, connection: Connection, record: Record) -> None:
        record.sent_s = self._now()
        requests = self._job.requests
        connection.send(requests[len(self._records) % len(requests)], record)

    def _open(self) -> None:
        connection = Connection((self._job.host, self._job.port), self._poller)
        self._connections[connection.fileno] = connection
        self._idle.append(connection)

    def _wait(self, seconds: float) -> None:
        """Handle what the sockets report within `seconds`; select on the poller, since epoll counts in milliseconds."""
        if not select.select([self._poller], [], [], max(0.0, seconds))[0]:
            return
        for fileno, events in self._poller.poll(0):
            connection = self._connections[fileno]
            answer = connection.ready(events)
            if answer is not None:
                self._settle(connection, *answer)

    def _settle(self, connection: Connection, status: int, retry_after_s: float | None, stays_open: bool) -> None:
        record, connection.record = connection.record, None
        if record is not None:
            self._inflight -= 1
            record.done_s, record.status, record.retry_after_s = self._now(), status, retry_after_s
            if self._job.returning and retry_after_s is not None and not record.is_return:
                heapq.heappush(self._returns, record.done_s + retry_after_s)
        if not stays_open:
            connection.close()
            del self._connections[connection.fileno]
            if connection in self._idle:
                self._idle.remove(connection)
        elif self._waiting:
            self._send(connection, self._waiting.popleft())
        else:
            self._idle.append(connection)


def _arrivals(phases: Sequence[tuple[float, float]], seed: int) -> Iterator[float]:
    """Poisson times through the phases, in seconds since the start."""
    source = random.Random(seed)
    begin = 0.0
    for rate, seconds in phases:
        time_s = begin + source.expovariate(rate)
        while time_s < begin + seconds:
            yield time_s
            time_s += source.expovariate(rate)
        begin += seconds


def run_from_stdin() -> None:
    """Read a job whose `requests` are a path, a content type and files of bodies; print the run."""
    raw = json.load(sys.stdin)
    requests = tuple(
        build_request(raw["path"], Path(body).read_bytes(), raw["content_type"]) for body in raw.pop("bodies")
    )
    del raw["path"], raw["content_type"]
    raw["phases"] = tuple((rate, seconds) for rate, seconds in raw["phases"])
    run = Generator(Job(requests=requests, **raw)).run()
    json.dump(asdict(run), sys.stdout)


if __name__ == "__main__":
    run_from_stdin()
