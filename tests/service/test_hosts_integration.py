"""`fieldmark gateway` and `fieldmark worker` as they run on different hosts: nothing in common but a Redis."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

from tests.bundles import make_bundle, solid_photo
from tests.service.bus.redis_server import RedisServer

WAIT_S = 60.0


class Process:
    """A process of the service, and what it says on its status pipe."""

    def __init__(self, process: subprocess.Popen[bytes], pipe: IO[str]) -> None:
        self.process = process
        self._pipe = pipe

    def hears(self, word: str) -> list[str]:
        for line in self._pipe:
            if line.split()[0] == word:
                return line.split()
        raise AssertionError(f"it never said {word}")


@contextmanager
def running(*arguments: str, **settings: object) -> Iterator[Process]:
    reading, writing = os.pipe()
    environment = clean_environment() | {f"FIELDMARK_{name.upper()}": str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "service.cli", *arguments, "--status-fd", str(writing)]
    process = subprocess.Popen(command, env=environment, pass_fds=[writing])
    os.close(writing)
    with os.fdopen(reading) as pipe:
        try:
            yield Process(process, pipe)
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize("command", ["gateway", "worker 0", "serve"])
@pytest.mark.parametrize(
    ("url", "sentence"),
    [("redis://host:abc/0", "a port is a number"), ("redis://host?sock_timeot=4", "did you mean socket_timeout?")],
)
def test_a_redis_url_that_cannot_be_used_is_one_sentence_and_status_1(
    tmp_path: Path, command: str, url: str, sentence: str
) -> None:
    make_bundle(tmp_path / "store")
    settings = {"FIELDMARK_REDIS_URL": url, "FIELDMARK_STORE": str(tmp_path / "store"), "FIELDMARK_PORT": "0"}
    line = [sys.executable, "-m", "service.cli", *command.split()]
    ended = subprocess.run(
        line, env=clean_environment() | settings, capture_output=True, text=True, check=False, timeout=WAIT_S
    )
    (said,) = ended.stderr.splitlines()
    assert said.startswith("fieldmark: redis_url ")
    assert sentence in said
    assert ended.returncode == 1


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("FIELDMARK_")}


def wait_for_workers(client: httpx.Client, count: int) -> dict[str, Any]:
    """Ask until so many workers are shown; they are ready already, and it is a matter of one reading."""
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        state: dict[str, Any] = client.get("/readyz").json()
        if len(state["workers"]) == count:
            return state
    raise AssertionError(f"{state['workers']} after {WAIT_S} s, expected {count}")


def test_gateway_and_workers_meet_over_redis_and_a_killed_worker_loses_nothing(tmp_path: Path) -> None:
    make_bundle(tmp_path / "store")
    with ExitStack() as stack:
        server = stack.enter_context(RedisServer(tmp_path))
        shared = {"redis_url": server.url, "lanes": 1, "max_queue_wait_ms": 60_000}
        gateway = stack.enter_context(running("gateway", port=0, timeout_ms=30_000, **shared))
        workers = [stack.enter_context(running("worker", name, store=tmp_path / "store", **shared)) for name in "01"]
        _, host, port, _ = gateway.hears("ready")
        for worker in workers:
            worker.hears("ready")
        client = stack.enter_context(httpx.Client(base_url=f"http://{host}:{port}", timeout=WAIT_S, trust_env=False))
        state = wait_for_workers(client, 2)
        assert (state["status"], state["bus"]) == ("ready", "redis")
        assert {worker["name"] for worker in state["workers"]} == {f"{socket.gethostname()}:{name}" for name in "01"}

        photo = solid_photo()
        with ThreadPoolExecutor(8) as callers:
            asked = [callers.submit(client.post, "/v1/classify", content=photo) for _ in range(40)]
            workers[0].process.send_signal(signal.SIGKILL)
            answers = [call.result(WAIT_S) for call in asked]
        assert [answer.status_code for answer in answers] == [200] * 40
        assert len({answer.text.split('"model"')[1].split('"timing_ms"')[0] for answer in answers}) == 1

        wait_for_workers(client, 1)
        workers[1].process.send_signal(signal.SIGTERM)
        assert workers[1].process.wait(WAIT_S) == 0
        assert wait_for_workers(client, 0)["status"] == "not-ready"
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.wait(WAIT_S) == 0
