from __future__ import annotations

import re
from pathlib import Path

import msgspec

from service.gateway.pages import TYPES
from service.gateway.routes.docs import FILES, STATIC
from tests.service.gateway.fake_bus import FakeBus, make_hello
from tests.service.gateway.serving import RunningGateway


def test_the_page_needs_no_other_host(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        page = client.get("/docs")
        links = re.findall(r'(?:href|src)="([^"]+)"', page.text)
        assert len(links) >= 5
        for link in links:
            assert link.startswith("/"), f"{link} is elsewhere"
            assert client.get(link).status_code == 200
        script = client.get("/docs/docs.js").text
    assert "http" not in page.text + script
    assert "validatorUrl: null" in script
    assert "<script>" not in page.text, "the policy lets no inline script run"


def test_the_page_has_a_strict_policy(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        policy = client.get("/docs").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "connect-src 'self'" in policy
    assert "unsafe-eval" not in policy


def test_vendored_files_come_with_their_type_and_may_be_kept(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        for name in FILES.names:
            answer = client.get(f"/docs/{name}")
            assert answer.content == (STATIC / name).read_bytes()
            assert answer.headers["content-type"] == TYPES[Path(name).suffix]
            assert "max-age" in answer.headers["cache-control"]


def test_vendored_files_have_their_licences_beside_them() -> None:
    assert "Apache License" in (STATIC / "swagger-ui.LICENSE.txt").read_text()
    assert (STATIC / "swagger-ui-bundle.js.LICENSE.txt").exists()


def test_models_are_listed_with_what_was_refused(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        models = client.get("/v1/models").json()["models"]
    assert {model["name"]: model["status"] for model in models} == {"birds": "serving", "broken": "refused"}
    assert models[1]["faults"] == ["model.onnx is missing"]


def test_a_name_shows_the_version_that_answers() -> None:
    hello = make_hello("birds", versions=("1.0.0", "1.10.0", "1.9.0"))
    with RunningGateway(FakeBus(hellos=[hello])) as gateway, gateway.client() as client:
        shown = client.get("/v1/models/birds").json()
        assert (shown["version"], shown["versions"]) == ("1.9.0", ["1.9.0", "1.10.0", "1.0.0"])
        assert client.get("/v1/models/birds@1.0.0").json()["version"] == "1.0.0"


def test_domains_and_their_labels_are_listed(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        assert client.get("/v1/domains").json() == {
            "domains": [{"name": "birds", "default": "birds@1.0.0", "levels": ["family"], "classes": 1}]
        }
        labels = client.get("/v1/domains/birds/labels").json()
    assert labels["model"] == "birds@1.0.0"
    assert labels["labels"][0]["levels"] == {"family": "Cardinalidae"}


def test_readiness_shows_workers_routes_and_refusals(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        answer = client.get("/readyz")
    state = answer.json()
    assert (answer.status_code, state["status"]) == (200, "ready")
    assert state["workers"] == [
        {"name": "0", "device": "cpu", "lanes": 2, "held": 1, "is_draining": False, "memory_bytes": 123_000_000,
         "busy_ratio": 0.5, "slow_paths": []}
    ]  # fmt: skip
    assert state["routes"][0] == {
        "route": "classify/birds", "model": "birds@1.0.0", "queued": 2, "predicted_wait_ms": 250.0, "rate_per_s": 80.0,
    }  # fmt: skip
    assert state["refused"] == [{"model": "broken@0.1.0", "faults": ["model.onnx is missing"]}]
    assert isinstance(state["slow_paths"], list)
    assert state["bus"] == "local"


def test_workers_that_only_drain_do_not_make_it_ready() -> None:
    bus = FakeBus(hellos=[make_hello(), make_hello(worker="1")])
    with RunningGateway(bus) as gateway, gateway.client() as client:
        bus.draining.add("0")
        assert client.get("/readyz").status_code == 200
        bus.draining.add("1")
        answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "not-ready")


def test_a_host_that_has_lost_redis_says_so() -> None:
    bus = FakeBus()
    bus.reach = "local-only"
    with RunningGateway(bus) as gateway, gateway.client() as client:
        answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["bus"]) == (200, "local-only")


def test_slow_paths_of_gateway_and_workers_are_named() -> None:
    traced = msgspec.structs.replace(make_hello(), slow_paths=["a tracer watches every line of Python"])
    with RunningGateway(FakeBus(hellos=[traced])) as slow, slow.client() as client:
        slow.loop.set_debug(True)
        state = client.get("/readyz").json()
    assert "asyncio runs in debug mode" in state["slow_paths"]
    assert state["workers"][0]["slow_paths"] == traced.slow_paths
