"""A real `fieldmark serve` for the drills: started on a free port, watched through its log, ended by a signal.

Owns the process and the reader of its log lines. Waiting means waiting for a log event or for a condition with a
deadline, never for a time. The service's own processes are found in its process tree.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

from deploy.bench.load.meter import find_in_tree, is_alive, tree_of

COMMAND = Path(sys.executable).with_name("fieldmark")
PATIENCE_S = 60.0
LINES_LIMIT = 100_000
_LOOK_EVERY_S = 0.02
_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")

Event = Mapping[str, Any]


class DrillFailed(AssertionError):
    """A pass criterion does not hold; the message says which and what was seen instead."""


def require(holds: bool, sentence: str) -> None:
    """Fail the drill unless a criterion holds."""
    if not holds:
        raise DrillFailed(sentence)


def wait_until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE_S) -> None:
    """Look until a condition holds that no event tells of; fail the drill after `seconds`."""
    until = time.monotonic() + seconds
    while not condition():
        require(time.monotonic() < until, f"within {seconds:g} s it did not happen that {what}")
        time.sleep(_LOOK_EVERY_S)


class RunningService:
    """A service whose gateway and workers are ready."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.pid = process.pid
        self.port = 0
        self.internal_port = 0
        self._log = cast("IO[str]", process.stderr)
        self._events: deque[Event] = deque(maxlen=LINES_LIMIT)
        self._taken = 0
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def worker_pids(self) -> list[int]:
        """Processes of the workers that live now."""
        return find_in_tree(self.pid, "fieldmark worker")

    def gateway_pid(self) -> int:
        """Process of the gateway."""
        return find_in_tree(self.pid, "fieldmark gateway")[0]

    def mark(self) -> int:
        """Remember this moment of the log, for `wait_for`."""
        with self._changed:
            return self._taken

    def wait_for(self, event: str, *, since: int = 0, seconds: float = PATIENCE_S, **fields: object) -> Event:
        """Wait for a log event with these fields that comes, or came, after the mark `since`.

        The event's own `mark` lies behind it, so that a second one of its kind can be waited for.
        """
        until = time.monotonic() + seconds
        with self._changed:
            while True:
                found = self._find(event, since, fields)
                if found is not None:
                    return found
                left = until - time.monotonic()
                require(left > 0, f"the event {event} {fields or ''} did not come within {seconds:g} s\n{self._tail()}")
                require(self._reader.is_alive(), f"the service ended before the event {event}\n{self._tail()}")
                self._changed.wait(min(left, 1.0))

    def metric(self, name: str, **labels: str) -> float:
        """Sum of a metric's samples that have these labels; 0 where there is none."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        total = 0.0
        for line in self.get("/metrics", self.internal_port)[1].decode().splitlines():
            sample = _SAMPLE.match(line)
            if sample and sample[1] == name and all(label in (sample[2] or "") for label in wanted):
                total += float(sample[3])
        return total

    def get(self, path: str, port: int | None = None) -> tuple[int, bytes]:
        """Ask the service with GET, at its public port unless told otherwise: status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask the service to end and wait until all its processes are gone; its exit status."""
        tree = tree_of(self.pid)
        self.process.send_signal(number)
        status = self.process.wait(PATIENCE_S)
        wait_until(lambda: not any(map(is_alive, tree)), "all processes of the service are gone")
        return status

    def close(self) -> None:
        """Let go of the log of a service that has ended."""
        self._reader.join(PATIENCE_S)
        self._log.close()

    def _find(self, event: str, since: int, fields: Mapping[str, object]) -> Event | None:
        first = self._taken - len(self._events)
        for index, entry in enumerate(self._events, first):
            if index >= since and entry.get("event") == event and fields.items() <= entry.items():
                return {**entry, "mark": index + 1}
        return None

    def _read(self) -> None:
        for line in self._log:
            try:
                entry = json.loads(line)
            except ValueError:
                entry = {"event": "text", "text": line.rstrip()}
            with self._changed:
                self._events.append(entry)
                self._taken += 1
                self._changed.notify_all()

    def _tail(self) -> str:
        return "\n".join(json.dumps(entry) for entry in list(self._events)[-15:])


@contextlib.contextmanager
def service(store: Path, *arguments: str, **settings: object) -> Iterator[RunningService]:
    """Run the service on a store until the block ends; `settings` are those of the service, in small letters."""
    process = start_process(store, *arguments, **settings)
    running = RunningService(process)
    try:
        ready = running.wait_for("ready")
        running.port, running.internal_port = (int(str(ready[key]).rpartition(":")[2]) for key in ("url", "internal"))
        yield running
    finally:
        _end_tree(process)
        running.close()


def start_process(store: Path | None, *arguments: str, **settings: object) -> subprocess.Popen[str]:
    """Start `fieldmark serve` on a free port with the fakes admitted and its log as JSON."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FIELDMARK_")}
    given = {"testing_backends": "true", "log_format": "json", **settings}
    environment = kept | {f"FIELDMARK_{name.upper()}": str(value) for name, value in given.items()}
    command = [str(COMMAND), "serve", "--port", "0", *arguments]
    if store is not None:
        command += ["--store", str(store)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def _end_tree(process: subprocess.Popen[str]) -> None:
    """End the service whatever became of it; its children die with it."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
