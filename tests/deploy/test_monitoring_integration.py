"""The rules under promtool, and every panel against a real Prometheus that watches a real service at work."""

from __future__ import annotations

import math
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from models.sections import Fake
from tests.bundles import make_bundle, solid_photo
from tests.deploy.monitoring import MONITORING, RULES, Asked, queries
from tests.drills.service_process import PATIENCE_S, RunningService, service
from tests.pointing_bundles import make_answer_bundle, make_ground_bundle
from tests.service.bus.redis_server import free_port

RULE_TESTS = sorted((Path(__file__).parent / "rules").glob("*_test.yml"))
#: Short, so that the figures of minutes are there within seconds.
EVERY = "1s"
LOOK_EVERY_S = 0.5
RED = solid_photo()
#: More callers than the worker and the queue have room for, of a model so slow that some always wait and some are refused.
CALLERS, QUEUE_LIMIT = 16, 4
SLOW = Fake(base_ms=30, item_ms=1)
CURVE_MS = {1: 31.0, 2: 32.0, 4: 34.0}  # so that to share an inference pays
BREATH_S = 0.05  # of a caller that was refused
#: What a panel must show more than; where nothing is said it is 0.
MORE_THAN = {"Fieldmark: batching, Mean size, A": 1.0}
#: Panels that load alone does not move: these need data, which may be 0.
MAY_BE_ZERO = {
    "Fieldmark: overview, Alerts, A": "none fires before minutes have passed; rules/*_test.yml make each fire",
    "Fieldmark: overview, Lost on the way, A": "no time runs out: what would wait for long is refused",
    "Fieldmark: overview, Lost on the way, B": "all callers stay for their answers",
    "Fieldmark: overview, Lost on the way, C": "no worker is lost",
    "Fieldmark: overview, Lost on the way, D": "no photo brings a worker down",
    "Fieldmark: quality, Drift of confidence, A": "the last day is all of the last week",
    "Fieldmark: quality, Uncertain, A": "these models were not calibrated to doubt",
    "Fieldmark: quality, Uncertain, B": "these models were not calibrated to doubt",
    "Fieldmark: workers and devices, Restarts, A": "no worker is lost",
    "Fieldmark: workers and devices, After a worker was lost, A": "no worker is lost",
    "Fieldmark: workers and devices, After a worker was lost, B": "no photo brings a worker down",
    "Fieldmark: workers and devices, After a worker was lost, C": "no worker answers after its time",
    "Fieldmark: workers and devices, Other hosts, A": "there is one host, without Redis",
    "Fieldmark: workers and devices, Other hosts, B": "there is one host, without Redis",
}


def program(name: str) -> str:
    """Where a program of Debian's package `prometheus` is, or a skip."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"needs {name} (Debian: apt install prometheus)")
    return path


def test_prometheus_takes_the_configuration_with_its_rules() -> None:
    _run(program("promtool"), "check", "config", str(MONITORING / "prometheus.yml"))


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_rules_say_of_known_metrics_what_they_should(path: Path) -> None:
    _run(program("promtool"), "test", "rules", str(path))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service with a model for each task and a slow one, and with little room for those who wait."""
    store = tmp_path_factory.mktemp("store")
    make_bundle(store)
    make_bundle(store, name="slow", default=False, backend="slow", fake=SLOW, batch_curve_ms=CURVE_MS)
    make_ground_bundle(store)
    make_answer_bundle(store)
    with service(store, "--lanes", "1", queue_limit=QUEUE_LIMIT) as made:
        yield made


@pytest.fixture(scope="module")
def prometheus(running: RunningService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Prometheus with the project's configuration, which watches that service and looks often."""
    folder = tmp_path_factory.mktemp("prometheus")
    _write_configuration(folder, f"127.0.0.1:{running.internal_port}")
    address = f"127.0.0.1:{free_port()}"
    command = [program("prometheus"), f"--config.file={folder / 'prometheus.yml'}", f"--web.listen-address={address}"]
    process = subprocess.Popen([*command, f"--storage.tsdb.path={folder / 'data'}"], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    with process, httpx.Client(base_url=f"http://{address}/api/v1", timeout=PATIENCE_S, trust_env=False) as client:
        try:
            said = []
            for line in process.stderr:
                said.append(line)
                if "ready to receive web requests" in line:
                    break
            else:
                raise AssertionError("".join(said))
            yield client
        finally:
            process.kill()
            process.communicate()


def test_every_panel_shows_what_load_does_and_every_rule_holds(
    running: RunningService, prometheus: httpx.Client
) -> None:
    waiting = queries()
    assert MAY_BE_ZERO.keys() | MORE_THAN.keys() <= {asked.panel for asked in waiting}
    until = time.monotonic() + PATIENCE_S
    with _crowd(running), _client(running) as client:
        while waiting:
            assert time.monotonic() < until, f"nothing to show: {waiting}"
            _work(client, until)
            waiting = [asked for asked in waiting if not _shows(prometheus, asked)]
            if waiting:
                time.sleep(LOOK_EVERY_S)
    groups = prometheus.get("/rules").json()["data"]["groups"]
    faults = {rule["name"]: rule["lastError"] for group in groups for rule in group["rules"] if rule.get("lastError")}
    assert faults == {}
    assert [group["name"] for group in groups]


@contextmanager
def _crowd(running: RunningService) -> Iterator[None]:
    """Callers who all want the slow model, again and again, until the block ends."""
    is_over = threading.Event()

    def call() -> None:
        with _client(running) as client:
            while not is_over.is_set():
                answer = client.post("/v1/classify", params={"model": "slow"}, content=RED)
                assert answer.status_code in (200, 429), answer.text
                if answer.status_code == 429:
                    is_over.wait(BREATH_S)

    with ThreadPoolExecutor(CALLERS) as pool:
        callers = [pool.submit(call) for _ in range(CALLERS)]
        try:
            yield
        finally:
            is_over.set()
    for caller in callers:
        caller.result()


def _client(running: RunningService) -> httpx.Client:
    return httpx.Client(base_url=f"http://127.0.0.1:{running.port}", timeout=PATIENCE_S, trust_env=False)


def _work(client: httpx.Client, until: float) -> None:
    """Ask for something of each kind: each task, an explanation, what is wrong; what is refused is asked again."""
    asked: Sequence[tuple[str, dict[str, str], bytes, int]] = (
        ("/v1/classify", {}, RED, 200),
        ("/v1/classify", {"explain": "true"}, RED, 200),
        ("/v1/classify", {}, b"no photo", 415),
        ("/v1/ground", {"expression": "the red thing"}, RED, 200),
        ("/v1/answer", {"question": "what is the thing"}, RED, 200),
    )
    for path, params, photo, status in asked:
        while (answer := client.post(path, params=params, content=photo)).status_code == 429:
            assert time.monotonic() < until, f"always refused: {path} {params}"
        assert answer.status_code == status, answer.text


def _shows(prometheus: httpx.Client, asked: Asked) -> bool:
    """Whether a query gives a number that is high enough; a query that Prometheus does not take fails the test."""
    answer = prometheus.get("/query", params={"query": asked.expr}).json()
    assert answer["status"] == "success", f"{asked}: {answer}"
    values = [float(series["value"][1]) for series in answer["data"]["result"]]
    if asked.panel in MAY_BE_ZERO:
        return any(not math.isnan(value) for value in values)
    return any(value > MORE_THAN.get(asked.panel, 0.0) for value in values)


def _write_configuration(folder: Path, target: str) -> None:
    config: dict[str, Any] = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": EVERY, "evaluation_interval": EVERY}
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [target]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    (folder / "rules").mkdir()
    for path in RULES:
        rules = yaml.safe_load(path.read_text())
        for group in rules["groups"]:
            group["interval"] = EVERY
        (folder / "rules" / path.name).write_text(yaml.safe_dump(rules))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
