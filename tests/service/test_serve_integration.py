"""The whole tree as a person starts it: `fieldmark serve` with bundles that tests made."""

import os
import select
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

import fieldmark
from models.sections import Fake
from service.keys import Scope, add_key, revoke_key
from tests.bundles import make_bundle, solid_photo
from tests.drills.service_process import PATIENCE_S, RunningService, service, start_process, wait_until

RED, WHITE, BLACK = (solid_photo(colour) for colour in ((255, 0, 0), (255, 255, 255), (0, 0, 0)))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with one bundle that tells colours apart."""
    make_bundle(tmp_path / "store")
    return tmp_path / "store"


def test_a_photo_is_answered_and_an_end_leaves_nothing_behind(store: Path) -> None:
    with service(store) as running:
        answer = ask(running)
        assert answer.status_code == 200
        assert answer.json()["predictions"][0]["label"] == "Red"
        assert httpx.get(f"{url(running)}/readyz").status_code == 200

        children = [running.gateway_pid(), *running.worker_pids()]
        folder = Path(_environment(children[0])["FIELDMARK_SOCKET"]).parent
        assert [_command(pid) for pid in children] == ["fieldmark gateway", "fieldmark worker"]
        assert running.end() == 0
        assert not folder.exists()


def test_a_drain_answers_what_was_accepted(tmp_path: Path) -> None:
    make_bundle(tmp_path, backend="slow", fake=Fake(base_ms=1000))
    with service(tmp_path, "--lanes", "1", max_queue_wait_ms=10_000) as running, ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(ask, running) for _ in range(3)]
        wait_until(lambda: _accepted(running) == 3, "three requests are accepted")
        assert running.end() == 0
        assert [answer.result(PATIENCE_S).status_code for answer in asked] == [200] * 3
        with pytest.raises(httpx.ConnectError):
            ask(running)


def test_a_killed_worker_is_replaced_and_what_it_held_is_answered(tmp_path: Path) -> None:
    make_bundle(tmp_path, backend="slow", fake=Fake(base_ms=500))
    with service(tmp_path, "--lanes", "1", max_queue_wait_ms=10_000) as running, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, running)
        wait_until(lambda: running.metric("fieldmark_inflight") == 1, "the request is accepted")
        mark = running.mark()
        os.kill(running.worker_pids()[0], signal.SIGKILL)
        running.wait_for("child_started", since=mark, child="worker 0", reason="crash")
        assert asked.result(PATIENCE_S).status_code == 200
        assert running.metric("fieldmark_worker_restarts_total", reason="crash") == 1


def test_a_killed_gateway_comes_back_at_the_same_address_and_the_worker_joins_it(store: Path) -> None:
    with service(store) as running:
        mark = running.wait_for("worker_joined")["mark"]
        workers = running.worker_pids()
        os.kill(running.gateway_pid(), signal.SIGKILL)
        running.wait_for("child_ready", since=mark, child="gateway")
        running.wait_for("worker_joined", since=mark)
        assert ask(running).status_code == 200
        assert running.worker_pids() == workers


def test_children_die_with_a_supervisor_that_is_killed(store: Path) -> None:
    with service(store) as running:
        ends = [os.pidfd_open(pid) for pid in (running.gateway_pid(), *running.worker_pids())]
        running.process.kill()
        for end in ends:
            assert select.select([end], [], [], PATIENCE_S)[0], "a child outlived the supervisor"
            os.close(end)


def test_a_wedged_worker_is_killed_and_replaced(tmp_path: Path) -> None:
    make_bundle(tmp_path, backend="wedge", fake=Fake(trigger_above=100))
    with service(tmp_path, stall_timeout_s=1, timeout_ms=2000) as running:
        assert ask(running, WHITE).status_code in (500, 504)
        mark = running.wait_for("child_started", child="worker 0", reason="wedge")["mark"]
        running.wait_for("worker_joined", since=mark)
        assert ask(running, BLACK).status_code == 200


def test_a_worker_above_its_memory_is_replaced_before_it_leaves(store: Path) -> None:
    with service(store, worker_memory_bytes=64 << 20) as running:
        mark = running.wait_for("child_above_memory")["mark"]
        mark = running.wait_for("child_started", since=mark, child="worker 0", reason="memory")["mark"]
        mark = running.wait_for("child_ready", since=mark, child="worker 0")["mark"]
        running.wait_for("child_ended", since=mark, child="worker 0", planned=True, status=0)
        assert ask(running).status_code == 200


def test_a_bundle_that_is_put_into_the_store_is_served_after_a_reload(store: Path) -> None:
    with service(store) as running:
        make_bundle(store, name="newcomer", domain="newcomers")
        mark = running.mark()
        internal = f"http://127.0.0.1:{running.internal_port}"
        assert httpx.post(f"{internal}/v1/admin/reload").status_code == 202
        mark = running.wait_for("child_started", since=mark, child="worker 0", reason="reload")["mark"]
        assert ask(running).status_code == 200
        running.wait_for("child_ended", since=mark, child="worker 0", planned=True, status=0)
        assert httpx.get(f"{url(running)}/v1/models/newcomer").json()["status"] == "serving"


def test_an_address_that_others_reach_is_served_to_those_who_have_a_key(store: Path, tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys", "laptop", [Scope.INFER])
    with service(store, "--host", "0.0.0.0", "--keys-file", str(tmp_path / "keys")) as running:
        assert ask(running).status_code == 401
        with fieldmark.Client(url(running), key=key) as client:
            assert client.classify(RED).predictions[0].label == "Red"
        revoke_key(tmp_path / "keys", "laptop")
        wait_until(lambda: _status_with(running, key) == 401, "the revoked key is refused")


def test_several_workers_share_the_work(store: Path) -> None:
    with service(store, "--workers", "2") as running:
        assert len(running.worker_pids()) == 2
        wait_until(lambda: len(httpx.get(f"{url(running)}/readyz").json()["workers"]) == 2, "both have joined")


def test_a_trace_goes_from_the_caller_through_the_gateway_to_the_engine(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    trace_id, caller = "0123456789abcdef" * 2, "00000000000000aa"
    with service(store, traces="log", access_log_share=1) as running:
        asked = httpx.post(
            f"{url(running)}/v1/classify", content=RED, headers={"traceparent": f"00-{trace_id}-{caller}-01"}
        )
        assert asked.status_code == 200
        names = ("POST classify", "bus classify/auto", "worker classify/auto", "infer")
        request, bus, worker, infer = (running.wait_for("span", span=name, trace_id=trace_id) for name in names)
        chain = [request["parent_id"], bus["parent_id"], worker["parent_id"], infer["parent_id"]]
        assert chain == [caller, request["span_id"], bus["span_id"], worker["span_id"]]
        line = running.wait_for("request", trace_id=trace_id)
        assert {line["request_id"]} == {asked.headers["x-request-id"], worker["fieldmark_request_id"]}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--store", "{empty}/none"], "fieldmark: --store {empty}/none: there is no such folder."),
        (["--store", "{empty}"], "fieldmark: No bundle can be served from {empty}: it holds none."),
        (["--store", "{store}", "--host", "0.0.0.0"], "or insist with --insecure."),
        (["--store", "{store}", "--port", "{taken}"], "fieldmark: Port {taken} on 127.0.0.1 is in use: "),
        (["--store", "{store}", "--device", "cuda"], "CUDA"),
    ],
)
def test_what_cannot_start_says_why_in_one_sentence_and_exits_with_1(
    arguments: list[str], sentence: str, store: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        places = {"empty": tmp_path / "empty", "store": store, "taken": server.getsockname()[1]}
        process = start_process(None, *(argument.format(**places) for argument in arguments))
        _, said = process.communicate(timeout=PATIENCE_S)
    sentences = [line for line in said.splitlines() if not line.startswith("{")]
    assert process.returncode == 1
    assert len(sentences) == 1
    assert sentence.format(**places) in sentences[0]


def _status_with(running: RunningService, key: str) -> int:
    return httpx.get(f"{url(running)}/v1/models", headers={"authorization": f"Bearer {key}"}).status_code


def url(running: RunningService) -> str:
    return f"http://127.0.0.1:{running.port}"


def ask(running: RunningService, photo: bytes = RED) -> httpx.Response:
    """Ask about a photo."""
    headers = {"content-type": "image/jpeg"}
    return httpx.post(f"{url(running)}/v1/classify", content=photo, headers=headers, timeout=PATIENCE_S)


def _accepted(running: RunningService) -> float:
    """Requests that were accepted so far, answered or not."""
    return running.metric("fieldmark_inflight") + running.metric("fieldmark_requests_total", task="classify")


def _command(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return " ".join([Path(words[1]).name, words[2]])


def _environment(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(line.split("=", 1) for line in lines if "=" in line)
