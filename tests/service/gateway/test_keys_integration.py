"""A gateway with a keys file, as its clients meet it: who is let in, what the others are told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import fieldmark
from service.errors import Forbidden, Unauthorized
from service.gateway.keyring import KeyRing
from service.keys import Scope, add_key, revoke_key
from tests.service.gateway.fake_bus import FakeBus
from tests.service.gateway.serving import JPEG, RunningGateway, request

REALM = 'Bearer realm="fieldmark"'


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "fieldmark.keys"


@pytest.fixture(scope="module")
def infer(file: Path) -> str:
    return add_key(file, "laptop", [Scope.INFER])


@pytest.fixture(scope="module")
def admin(file: Path) -> str:
    return add_key(file, "operator", [Scope.ADMIN])


@pytest.fixture(scope="module")
def keyed(file: Path, infer: str, admin: str) -> Iterator[RunningGateway]:
    with RunningGateway(FakeBus(), ring=KeyRing(file)) as running:
        yield running


@pytest.fixture
def client(keyed: RunningGateway) -> Iterator[httpx.Client]:
    with keyed.client() as client:
        yield client


def with_key(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize("path", ["/v1/classify", "/v1/models", "/v1/stats", "/v2/models/birds/infer", "/v1/elsewhere"])
def test_without_a_key_nothing_is_answered(client: httpx.Client, path: str) -> None:
    answer = client.post(path, content=JPEG)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == REALM
    assert "x-request-id" in answer.headers
    if not path.startswith("/v2"):
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == "unauthorized"


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/readyz", "/docs", "/openapi.json", "/console/app.js", "/v2/health/ready"]
)
def test_what_tells_nothing_of_photos_needs_no_key(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 200


def test_readiness_tells_a_stranger_no_more_than_that_it_is_ready(client: httpx.Client) -> None:
    assert client.get("/readyz").json() == {"status": "ready"}


def test_a_key_opens_what_it_is_for(client: httpx.Client, infer: str, admin: str) -> None:
    assert client.post("/v1/classify", content=JPEG, headers=with_key(infer)).status_code == 200
    assert client.get("/v1/models", headers=with_key(infer)).status_code == 200
    refused = client.post("/v1/classify", content=JPEG, headers=with_key(admin))
    assert (refused.status_code, refused.json()["type"]) == (403, "forbidden")
    assert refused.headers["www-authenticate"] == f'{REALM}, error="insufficient_scope", scope="infer"'


def test_a_wrong_key_is_told_so_and_not_repeated(client: httpx.Client, infer: str) -> None:
    wrong = infer[:-4] + "AAAA"
    answer = client.post("/v1/classify", content=JPEG, headers=with_key(wrong))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == f'{REALM}, error="invalid_token"'
    assert wrong not in answer.text


def test_a_refusal_comes_before_the_body(keyed: RunningGateway) -> None:
    assert keyed.ask(request(body=b"", content_length="1000")).status == 401


def test_the_description_says_what_needs_a_key(client: httpx.Client) -> None:
    described = client.get("/openapi.json").json()
    assert described["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    classify = described["paths"]["/v1/classify"]["post"]
    assert classify["security"] == [{"key": []}]
    assert {"401", "403"} <= classify["responses"].keys()
    assert "security" not in described["paths"]["/readyz"]["get"]


def test_the_client_sends_its_key(keyed: RunningGateway, infer: str, admin: str) -> None:
    with fieldmark.Client(keyed.url, key=infer) as client:
        assert client.classify(JPEG).predictions
    with fieldmark.Client(keyed.url) as client, pytest.raises(Unauthorized):
        client.classify(JPEG)
    with fieldmark.Client(keyed.url, key=admin) as client, pytest.raises(Forbidden):
        client.classify(JPEG)


def test_a_key_that_is_revoked_closes_a_running_gateway(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    key = add_key(path, "laptop", [Scope.INFER])
    times = iter([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    with RunningGateway(FakeBus(), ring=KeyRing(path, lambda: next(times))) as running, running.client() as client:
        assert client.get("/v1/models", headers=with_key(key)).status_code == 200
        revoke_key(path, "laptop")
        assert client.get("/v1/models", headers=with_key(key)).status_code == 401
