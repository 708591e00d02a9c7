"""The whole tree as a person starts it: `fieldmark serve` with bundles that tests made."""

import json
import os
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.supervisor.child import own_command
from tests.bundles import make_bundle, solid_photo

DEADLINE_S = 30
PHOTO = solid_photo((255, 0, 0))


class Service:
    """A running `fieldmark serve`; its log lines are read as they come."""

    def __init__(self, *arguments: str | Path, **settings: object) -> None:
        environment = os.environ | {f"FIELDMARK_{name.upper()}": str(value) for name, value in settings.items()}
        self.process = subprocess.Popen(
            [*own_command(), "serve", "--port", "0", "--log-format", "json", *map(str, arguments)],
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.events: list[dict[str, Any]] = []
        self.sentences: list[str] = []
        self._news = threading.Condition()
        self._is_over = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, event: str, count: int = 1, **fields: object) -> dict[str, Any]:
        """Wait until the log holds so many such events; gives the last of them."""

        def found() -> list[dict[str, Any]]:
            wanted = {"event": event} | fields
            return [line for line in self.events if wanted.items() <= line.items()]

        with self._news:
            self._news.wait_for(lambda: len(found()) >= count or self._is_over, DEADLINE_S)
        assert len(found()) >= count, f"no {event} {fields} in {self.events} {self.sentences}"
        return found()[count - 1]

    @property
    def url(self) -> str:
        return str(self.wait_for("ready")["url"])

    def pid(self, child: str) -> int:
        """Process id of the youngest child of this name."""
        self.wait_for("child_started", child=child)
        return [line["pid"] for line in self.events if line["event"] == "child_started" and line["child"] == child][-1]

    def end(self, number: int = signal.SIGTERM) -> int:
        """Signal the supervisor and wait for its end."""
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        assert self.process.stderr
        self.process.stderr.close()

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            with self._news:
                if line.startswith("{"):
                    self.events.append(json.loads(line))
                else:
                    self.sentences.append(line.rstrip())
                self._news.notify_all()
        with self._news:
            self._is_over = True
            self._news.notify_all()


Start = Callable[..., Service]


@pytest.fixture
def start() -> Iterator[Start]:
    services: list[Service] = []

    def run(*arguments: str | Path, **settings: object) -> Service:
        services.append(Service(*arguments, **settings))
        return services[-1]

    yield run
    for service in services:
        service.close()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    make_bundle(tmp_path / "store")
    return tmp_path / "store"


def test_a_photo_is_answered_and_an_end_leaves_nothing_behind(start: Start, store: Path) -> None:
    service = start("--store", store)
    answer = httpx.post(f"{service.url}/v1/classify", content=PHOTO, headers={"content-type": "image/jpeg"})
    assert answer.status_code == 200
    assert answer.json()["predictions"][0]["label"] == "Red"
    assert httpx.get(f"{service.url}/readyz").status_code == 200

    children = [service.pid("gateway"), service.pid("worker 0")]
    folder = Path(_environment(children[0])["FIELDMARK_SOCKET"]).parent
    assert [_command(pid) for pid in children] == ["fieldmark gateway", "fieldmark worker"]
    assert service.end() == 0
    assert not any(_is_alive(pid) for pid in children)
    assert not folder.exists()


def test_a_drain_answers_what_was_accepted(start: Start, tmp_path: Path) -> None:
    make_bundle(tmp_path / "slow", backend="slow", fake={"base_ms": 300})
    service = start("--store", tmp_path / "slow", "--lanes", "1", testing_backends=True, max_queue_wait_ms=10_000)
    url = service.url

    def ask() -> int:
        return httpx.post(f"{url}/v1/classify", content=PHOTO, headers={"content-type": "image/jpeg"}).status_code

    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(ask) for _ in range(6)]
        next(iter(asked)).result(DEADLINE_S)
        assert service.end() == 0
        assert [answer.result(DEADLINE_S) for answer in asked] == [200] * 6
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/healthz")


def test_a_killed_worker_is_replaced_and_what_it_held_is_answered(start: Start, tmp_path: Path) -> None:
    make_bundle(tmp_path / "slow", backend="slow", fake={"base_ms": 500})
    service = start("--store", tmp_path / "slow", "--lanes", "1", testing_backends=True, max_queue_wait_ms=10_000)
    url = service.url
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(httpx.post, f"{url}/v1/classify", content=PHOTO, headers={"content-type": "image/jpeg"})
        _until_held(url)
        os.kill(service.pid("worker 0"), signal.SIGKILL)
        assert asked.result(DEADLINE_S).status_code == 200
    service.wait_for("child_ready", child="worker 0", count=2)
    assert service.wait_for("child_started", child="worker 0", count=2)["reason"] == "crash"
    assert 'fieldmark_worker_restarts_total{reason="crash"} 1.0' in httpx.get(f"{url}/metrics").text


def test_a_killed_gateway_comes_back_at_the_same_address(start: Start, store: Path) -> None:
    service = start("--store", store)
    url = service.url
    service.wait_for("worker_joined")
    os.kill(service.pid("gateway"), signal.SIGKILL)
    service.wait_for("child_ready", child="gateway", count=2)
    service.wait_for("worker_joined", count=2)
    answer = httpx.post(f"{url}/v1/classify", content=PHOTO, headers={"content-type": "image/jpeg"})
    assert answer.status_code == 200
    assert [line["child"] for line in service.events if line["event"] == "child_started"].count("worker 0") == 1


def test_children_die_with_a_supervisor_that_is_killed(start: Start, store: Path) -> None:
    service = start("--store", store)
    service.wait_for("ready")
    ends = [os.pidfd_open(service.pid(child)) for child in ("gateway", "worker 0")]
    service.end(signal.SIGKILL)
    for end in ends:
        _wait_readable(end)
        os.close(end)


def test_a_wedged_worker_is_killed_and_replaced(start: Start, tmp_path: Path) -> None:
    make_bundle(tmp_path / "wedge", backend="wedge", fake={"trigger_above": 100})
    service = start("--store", tmp_path / "wedge", testing_backends=True, stall_timeout_s=1, timeout_ms=2000)
    white, black = solid_photo((255, 255, 255)), solid_photo((0, 0, 0))
    url = service.url
    with httpx.Client(base_url=url, headers={"content-type": "image/jpeg"}) as client:
        stuck = client.post("/v1/classify", content=white, timeout=DEADLINE_S)
        assert stuck.status_code in (500, 504)
        assert service.wait_for("child_started", child="worker 0", count=2)["reason"] == "wedge"
        service.wait_for("child_ready", child="worker 0", count=2)
        assert client.post("/v1/classify", content=black).status_code == 200


def test_a_worker_above_its_memory_is_replaced_without_a_failure(start: Start, store: Path) -> None:
    service = start("--store", store, worker_memory_bytes=64 << 20)
    url = service.url
    service.wait_for("child_above_memory")
    assert service.wait_for("child_started", child="worker 0", count=2)["reason"] == "memory"
    service.wait_for("child_ready", child="worker 0", count=2)
    service.wait_for("child_ended", child="worker 0", planned=True, status=0)
    answer = httpx.post(f"{url}/v1/classify", content=PHOTO, headers={"content-type": "image/jpeg"})
    assert answer.status_code == 200


def test_several_workers_share_the_work(start: Start, store: Path) -> None:
    service = start("--store", store, "--workers", "2")
    assert len(httpx.get(f"{service.url}/readyz").json()["workers"]) == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--store", "{tmp}/none"], "fieldmark: --store {tmp}/none: there is no such folder."),
        (["--store", "{tmp}"], "No bundle can be served from {tmp}: it holds none."),
        (["--store", "{tmp}", "--host", "0.0.0.0"], "or insist with --insecure."),
        (["--store", "{store}", "--port", "{taken}"], "Port {taken} on 127.0.0.1 is in use"),
        (["--store", "{store}", "--device", "cuda"], "CUDA"),
    ],
)
def test_what_cannot_start_says_why_in_one_sentence_and_exits_with_1(
    arguments: list[str], sentence: str, start: Start, store: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        places = {"tmp": tmp_path / "empty", "store": store, "taken": server.getsockname()[1]}
        service = start(*(argument.format(**places) for argument in arguments))
        assert service.process.wait(DEADLINE_S) == 1
        service.close()
    assert len(service.sentences) == 1
    assert sentence.format(**places) in service.sentences[0]


def _until_held(url: str) -> None:
    """Wait until a worker holds a request; each look at the figures is itself an answered request."""
    for _ in range(1000):
        if "fieldmark_inflight 1.0" in httpx.get(f"{url}/metrics").text:
            return
    pytest.fail("no worker held the request")


def _wait_readable(descriptor: int) -> None:
    assert select.select([descriptor], [], [], DEADLINE_S)[0], "the process is still alive"


def _command(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return " ".join([Path(words[1]).name, words[2]])


def _environment(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
