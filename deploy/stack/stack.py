"""A running stack: the services of the compose file, each on a host of its own, started in order and ended in reverse.

Owns the processes, and the one key that its gateway knows. A service whose program is not installed is left out where the
others do without it (Prometheus, Grafana); a process that ends too early is said so. Ends as Docker does: SIGTERM, and after
the grace period SIGKILL.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.stack.compose import KEYS, Service, read_services
from deploy.stack.network import Network
from service.keys import Scope, add_key

READY_TIMEOUT_S = 120.0
GRACE_S = 40.0
#: Where the gateway of the compose file tells how it is doing.
INTERNAL_PORT = 8001
OPTIONAL = frozenset({"prometheus", "grafana"})
LOOK_EVERY_S = 0.1


class StackError(RuntimeError):
    """The stack cannot be brought up; the message says why."""


class Stack:
    """The stack, for as long as its context lasts. `environment` is added to that of each of its processes.

    `key` is the one that its gateway asks for.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        services = read_services()
        self.left_out = [service.name for service in services if _lacks_program(service)]
        if needed := [name for name in self.left_out if name not in OPTIONAL]:
            raise StackError(
                f"the programs of {', '.join(needed)} are not installed (Debian: apt install redis-server)"
            )
        self._services = [service for service in services if service.name not in self.left_out]
        self._environment = environment or {}
        self._scratch = tempfile.TemporaryDirectory(prefix="fieldmark-stack-")
        self.key = add_key(Path(self._scratch.name) / KEYS, "stack", list(Scope))
        self.network = Network([host for service in self._services for host in _hosts(service)])
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self.network.__enter__()
        try:
            for service in self._services:
                self._start(service)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    @property
    def hosts(self) -> Sequence[str]:
        """All hosts, in the order in which they were started."""
        return list(self.processes)

    def url(self, host: str, port: int) -> str:
        """Where this machine reaches a host."""
        return f"http://{self.network.addresses[host]}:{port}"

    def wait_ready(self, workers: int, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until the gateway can serve with so many workers; raises as `wait_until`."""
        self.wait_until(lambda: self._workers() == workers, f"the gateway has {workers} workers", timeout_s)

    def wait_until(self, condition: Callable[[], bool], what: str, timeout_s: float) -> None:
        """Look again and again at what no event tells of.

        Raises:
            StackError: it did not come about in time, or a process ended.
        """
        until = time.monotonic() + timeout_s
        while not condition():
            ended = {host: status for host, process in self.processes.items() if (status := process.poll()) is not None}
            if ended:
                raise StackError(f"processes ended, with these exit statuses: {ended}")
            if time.monotonic() > until:
                raise StackError(f"within {timeout_s:g} s it did not come about that {what}")
            time.sleep(LOOK_EVERY_S)

    def _workers(self) -> int | None:
        """How many workers the gateway shows; None while it does not answer."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _AnyStatus())
        try:
            with opener.open(self.url("gateway", INTERNAL_PORT) + "/readyz", timeout=LOOK_EVERY_S * 50) as answer:
                return len(json.load(answer)["workers"])
        except OSError:
            return None

    def _start(self, service: Service) -> None:
        for host in _hosts(service):
            command, environment = service.on_host(Path(self._scratch.name))
            clean = {name: value for name, value in os.environ.items() if not name.startswith("FIELDMARK_")}
            self.processes[host] = self.network.start(host, command, clean | environment | dict(self._environment))

    def _end(self) -> None:
        until = time.monotonic() + GRACE_S
        for process in reversed(self.processes.values()):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.network.__exit__(None, None, None)
        self._scratch.cleanup()


class _AnyStatus(urllib.request.HTTPErrorProcessor):
    """Takes 503 for the answer that it is."""

    def http_response(self, request: urllib.request.Request, response: object) -> object:
        return response


def _hosts(service: Service) -> list[str]:
    """Names of the hosts of a service: its own, or numbered where there are several."""
    if service.replicas == 1:
        return [service.name]
    return [f"{service.name}-{number}" for number in range(1, service.replicas + 1)]


def _lacks_program(service: Service) -> bool:
    return shutil.which(service.command[0]) is None
