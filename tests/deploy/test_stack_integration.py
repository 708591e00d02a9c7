"""The stack of the compose file, on hosts of this machine: gateway, two workers, Redis and Prometheus, and a cable pulled."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from deploy.stack.network import NoNetwork, check
from deploy.stack.stack import Stack, StackError
from models.sections import Fake
from tests.bundles import make_bundle, solid_photo

PATIENCE_S = 300.0
PHOTOS = 60
INFER_MS = 50  # so that both workers hold requests when the cable is pulled

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack with two workers that are ready; their bundle takes its time."""
    store = tmp_path_factory.mktemp("store")
    make_bundle(store, backend="slow", fake=Fake(item_ms=INFER_MS))
    environment = {
        "FIELDMARK_STORE": str(store),
        "FIELDMARK_TESTING_BACKENDS": "true",
        "FIELDMARK_LANES": "1",
        "FIELDMARK_TIMEOUT_MS": "300000",
        "FIELDMARK_MAX_QUEUE_WAIT_MS": "300000",
    }
    try:
        check()
        stack = Stack(environment)
    except (NoNetwork, StackError) as reason:
        pytest.skip(f"the stack cannot run: {reason}")
    with stack:
        stack.wait_ready(2, PATIENCE_S)
        yield stack


@pytest.fixture
def gateway(stack: Stack) -> Iterator[httpx.Client]:
    key = {"authorization": f"Bearer {stack.key}"}
    with httpx.Client(base_url=stack.url("gateway", 8000), headers=key, timeout=PATIENCE_S, trust_env=False) as client:
        yield client


def test_a_host_that_is_cut_off_loses_no_request_and_comes_back(stack: Stack, gateway: httpx.Client) -> None:
    photos = [solid_photo((number, 0, 0)) for number in range(PHOTOS)]
    with ThreadPoolExecutor(16) as callers:
        asked = [callers.submit(gateway.post, "/v1/classify", content=photo) for photo in photos]
        asked[PHOTOS // 4].result(PATIENCE_S)
        stack.network.cut("worker-2")
        answers = [call.result(PATIENCE_S) for call in asked]
    assert [answer.status_code for answer in answers] == [200] * PHOTOS
    assert total(stack, "fieldmark_retries_total") > 0
    stack.wait_ready(1, PATIENCE_S)
    stack.network.mend("worker-2")
    stack.wait_ready(2, PATIENCE_S)


def total(stack: Stack, name: str) -> float:
    lines = httpx.get(stack.url("gateway", 8001) + "/metrics", trust_env=False).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def test_prometheus_sees_both_workers(stack: Stack) -> None:
    if "prometheus" in stack.left_out:
        pytest.skip("needs prometheus (Debian: apt install prometheus)")
    with httpx.Client(base_url=stack.url("prometheus", 9090), timeout=PATIENCE_S, trust_env=False) as client:

        def seen() -> dict[str, str]:
            try:
                answer = client.get("/api/v1/query", params={"query": "fieldmark_worker_up"})
            except httpx.TransportError:  # it starts beside the others
                return {}
            result = answer.json()["data"]["result"] if answer.is_success else []
            return {series["metric"]["worker"]: series["value"][1] for series in result}

        both = {"worker-1:0": "1", "worker-2:0": "1"}
        stack.wait_until(lambda: seen() == both, "Prometheus sees both workers", PATIENCE_S)
        assert seen() == both
