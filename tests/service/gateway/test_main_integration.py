"""The gateway as a process: started, watched over its pipe, and ended by signals."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from service.gateway.main import SPARE_FILES
from tests.service.gateway.fake_bus import WAIT_S

PROGRAM = """
import sys
{before}
from service.gateway.main import run_gateway
from service.logs import configure
from service.settings import read_inherited
from service.status import StatusPipe
settings = read_inherited()
configure(settings, "gateway")
code = run_gateway(settings, StatusPipe(int(sys.argv[1])))
{after}
sys.exit(code)
"""


@contextmanager
def started(tmp_path: Path, before: str = "", after: str = "", **settings: object) -> Iterator[Child]:
    reading, writing = os.pipe()
    settings = {"port": 0, "socket": tmp_path / "bus.sock", **settings}
    environment = {f"FIELDMARK_{name.upper()}": str(value) for name, value in settings.items()}
    program = PROGRAM.format(before=before, after=after)
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(writing)], pass_fds=[writing], env=os.environ | environment,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(writing)
    with os.fdopen(reading) as pipe, process:
        try:
            yield Child(process, pipe)
        finally:
            process.kill()


class Child:
    """The process and what it says."""

    internal = ""

    def __init__(self, process: subprocess.Popen[str], pipe: Iterator[str]) -> None:
        self.process = process
        self._pipe = pipe

    def hears(self, word: str) -> str:
        for line in self._pipe:
            if line.split()[0] == word:
                return line.strip()
        raise AssertionError(f"it never said {word}")

    def wait_ready(self) -> str:
        _, host, port, internal_port = self.hears("ready").split()
        self.internal = f"http://127.0.0.1:{internal_port}"
        return f"http://{host}:{port}"


def test_it_says_when_it_is_ready_and_that_it_lives(tmp_path: Path) -> None:
    with started(tmp_path) as child:
        url = child.wait_ready()
        assert httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
        assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 503, "no worker is there"
        child.hears("beat")
        page = httpx.get(f"{child.internal}/metrics", trust_env=False).text
        assert "fieldmark_loop_lag_seconds_count" in page
        assert httpx.get(f"{url}/metrics", trust_env=False).status_code == 404, "figures are not for everybody"
        assert httpx.get(f"{child.internal}/readyz", trust_env=False).json()["workers"] == []
        assert httpx.get(f"{child.internal}/v1/models", trust_env=False).status_code == 404, "it answers no questions"
        child.process.send_signal(signal.SIGTERM)
        assert child.process.wait(WAIT_S) == 0
    assert not (tmp_path / "bus.sock").exists()


def test_a_second_signal_ends_it_although_a_client_holds_on(tmp_path: Path) -> None:
    with started(tmp_path) as child:
        host, port = child.wait_ready().removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"POST /v1/classify HTTP/1.1\r\ncontent-length: 5\r\n")
            child.process.send_signal(signal.SIGTERM)
            child.process.send_signal(signal.SIGTERM)
            assert child.process.wait(WAIT_S) == 0


def test_a_taken_port_is_one_sentence_and_status_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, started(tmp_path, port=taken.getsockname()[1]) as child:
        said = child.hears("failed")
        assert f"127.0.0.1:{taken.getsockname()[1]}: Address already in use" in said
        assert child.process.wait(WAIT_S) == 1


def test_a_taken_internal_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with started(tmp_path, internal_port=port) as child:
            assert f"Cannot listen on 127.0.0.1:{port}: Address already in use" in child.hears("failed")
            assert child.process.wait(WAIT_S) == 1


def test_an_unusable_bus_is_one_sentence_and_status_1(tmp_path: Path) -> None:
    with started(tmp_path, socket=tmp_path / ("long" * 40)) as child:
        assert "Cannot open the bus at" in child.hears("failed")
        assert child.process.wait(WAIT_S) == 1


def test_without_its_parser_it_does_not_start(tmp_path: Path) -> None:
    before = "import importlib.util; find = importlib.util.find_spec\n"
    before += "importlib.util.find_spec = lambda name: None if name == 'httptools' else find(name)"
    with started(tmp_path, before=before) as child:
        assert "httptools is missing" in child.hears("failed")
        assert child.process.wait(WAIT_S) == 1


@pytest.mark.parametrize("heavy", [["numpy", "cv2", "PIL", "onnxruntime", "torch", "simplejpeg"], ["typer", "rich"]])
def test_it_loads_nothing_heavy(tmp_path: Path, heavy: list[str]) -> None:
    with started(tmp_path, after=f"print([name for name in {heavy} if name in sys.modules])") as child:
        url = child.wait_ready()
        for path in ("/openapi.json", "/docs", "/v1/stats", "/v1/models", "/readyz"):
            httpx.get(url + path, trust_env=False)
        httpx.get(f"{child.internal}/metrics", trust_env=False)
        child.process.send_signal(signal.SIGTERM)
        assert child.process.communicate(timeout=WAIT_S)[0].strip() == "[]"


def test_it_stays_small(tmp_path: Path) -> None:
    with started(tmp_path) as child:
        url = child.wait_ready()
        photo = b"\xff\xd8\xff" + bytes(90_000)
        with httpx.Client(base_url=url, trust_env=False) as client:
            for _ in range(50):
                assert client.post("/v1/classify", content=photo).status_code == 503
            client.get("/openapi.json")
        status = Path(f"/proc/{child.process.pid}/status").read_text()
    (resident,) = [int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmRSS")]
    assert resident <= 80_000_000


@pytest.mark.parametrize(("hard", "allowed"), [(4096, 1000 + SPARE_FILES), (1200, 1200)])
def test_it_may_open_as_many_files_as_its_connections_need(tmp_path: Path, hard: int, allowed: int) -> None:
    before = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (1024, {hard}))"
    after = "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    with started(tmp_path, before, after, connections_limit=1000) as child:
        child.wait_ready()
        child.process.send_signal(signal.SIGTERM)
        assert child.process.communicate(timeout=WAIT_S)[0].strip() == str(allowed)
