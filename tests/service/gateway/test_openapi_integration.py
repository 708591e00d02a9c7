from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from service.errors import BY_SLUG, ClientClosed
from service.gateway.openapi import EXAMPLE_PHOTO
from service.gateway.problems import problem_types
from tests.service.gateway.fake_bus import WAIT_S, FakeBus
from tests.service.gateway.serving import JPEG, RunningGateway

GETS = ["/v1/models", "/v1/models/birds", "/v1/models/broken", "/v1/domains", "/v1/domains/birds/labels", "/healthz",
        "/readyz", "/v1/stats"]  # fmt: skip


@pytest.fixture(scope="module")
def document(gateway: RunningGateway) -> dict[str, Any]:
    with gateway.client() as client:
        described: dict[str, Any] = client.get("/openapi.json").json()
    return described


def follows(document: dict[str, Any], path: str, method: str, status: int, answer: Any) -> Iterator[str]:
    """Give what is wrong with an answer, by the schema that the document has for it."""
    responses = document["paths"][path][method]["responses"]
    told = str(status) if str(status) in responses else "default"
    media = next(iter(responses[told]["content"]))
    steps = ("paths", path, method, "responses", told, "content", media, "schema")
    place = "/".join(step.replace("~", "~0").replace("/", "~1") for step in steps)
    registry = Registry().with_resource("urn:api", Resource(document, DRAFT202012))
    for error in OAS31Validator({"$ref": f"urn:api#/{place}"}, registry=registry).iter_errors(answer):
        yield error.message


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    validate(document)
    assert document["openapi"].startswith("3.1")


def test_it_describes_what_is_there_and_nothing_else(document: dict[str, Any]) -> None:
    assert list(document["paths"]) == [
        "/v1/classify", "/v1/ground", "/v1/answer", "/v1/look", "/v1/models", "/v1/models/{name}", "/v1/domains", "/v1/domains/{name}/labels", "/v1/stats",
        "/healthz", "/readyz",
    ]  # fmt: skip
    names = [parameter["name"] for parameter in document["paths"]["/v1/classify"]["post"]["parameters"]]
    assert names == [
        "domain", "model", "top_k", "explain", "timeout_ms", "text", "expression", "locate", "candidates", "certainty", "force",
    ]  # fmt: skip
    assert "HTTPValidationError" not in document["components"]["schemas"]


@pytest.mark.parametrize(
    ("task", "names"),
    [
        ("ground", ["expression", "expressions", "model", "force", "timeout_ms"]),
        ("answer", ["question", "model", "top_k", "explain", "timeout_ms"]),
        ("look", ["timeout_ms", "classify", "ground", "answer"]),
    ],
)
def test_each_task_has_its_own_parameters_and_one_photo(document: dict[str, Any], task: str, names: list[str]) -> None:
    described = document["paths"][f"/v1/{task}"]["post"]
    assert [parameter["name"] for parameter in described["parameters"]] == names
    form = described["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert sorted(form) == sorted(["image", *names])


def test_every_problem_type_is_documented_once(document: dict[str, Any]) -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d+) \|", document["info"]["description"], re.MULTILINE)
    assert {slug: int(status) for slug, status in rows} == {
        error.slug: error.status for error in BY_SLUG.values() if error is not ClientClosed
    }
    assert len(rows) == len(problem_types())


@pytest.mark.parametrize("path", GETS)
def test_an_answer_follows_its_schema(gateway: RunningGateway, document: dict[str, Any], path: str) -> None:
    with gateway.client() as client:
        answer = client.get(path)
    template = re.sub(r"(models|domains)/\w+", r"\1/{name}", path)
    assert list(follows(document, template, "get", answer.status_code, answer.json())) == []


def test_a_classification_and_a_problem_follow_their_schemas(gateway: RunningGateway, document: dict[str, Any]) -> None:
    with gateway.client() as client:
        for params in ({}, {"top_k": 99}, {"domain": "fish"}):
            answer = client.post("/v1/classify", params=params, content=JPEG)
            assert list(follows(document, "/v1/classify", "post", answer.status_code, answer.json())) == []


def test_the_schema_notices_a_wrong_answer(document: dict[str, Any]) -> None:
    assert list(follows(document, "/v1/classify", "post", 200, {"id": "a", "model": 5}))


def test_its_example_can_be_sent(document: dict[str, Any]) -> None:
    content = document["paths"]["/v1/classify"]["post"]["requestBody"]["content"]
    bus = FakeBus()
    with RunningGateway(bus) as gateway, gateway.client() as client:
        assert client.post("/v1/classify", json=content["application/json"]["example"]).status_code == 200
    assert list(bus.arrived.get(timeout=WAIT_S).images) == [EXAMPLE_PHOTO.read_bytes()]


@pytest.mark.parametrize("media", ["image/jpeg", "application/octet-stream"])
def test_each_raw_media_type_can_be_sent(gateway: RunningGateway, document: dict[str, Any], media: str) -> None:
    assert media in document["paths"]["/v1/classify"]["post"]["requestBody"]["content"]
    with gateway.client() as client:
        answer = client.post("/v1/classify", content=EXAMPLE_PHOTO.read_bytes(), headers={"content-type": media})
    assert answer.status_code == 200


def test_the_limits_of_the_settings_stand_in_the_document() -> None:
    with RunningGateway(FakeBus(), timeout_ms=500, timeout_limit_ms=700) as gateway, gateway.client() as client:
        parameters = client.get("/openapi.json").json()["paths"]["/v1/classify"]["post"]["parameters"]
    (timeout,) = [parameter["schema"] for parameter in parameters if parameter["name"] == "timeout_ms"]
    assert (timeout["default"], timeout["maximum"]) == (500, 700)
