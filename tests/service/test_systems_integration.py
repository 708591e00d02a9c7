"""Every way to ask, over a real socket: with a text and without, each model, several photos, candidates, a picture."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.bundles import COLOURS, solid_photo
from tests.drills.service_process import PATIENCE_S, service
from tests.service.zoo import add_phrase_table, make_router, make_zoo

RED, GREEN, BLUE = (solid_photo(colour, width=320, height=200) for colour in COLOURS.values())


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a service with a bundle of each system, two domains and a router."""
    store = make_zoo(tmp_path_factory.mktemp("store"), explanation={"faithful": True})
    add_phrase_table(store / "birds-pma" / "1.0.0", below=-1.0)
    make_router(store)
    with (
        service(store) as running,
        httpx.Client(base_url=f"http://127.0.0.1:{running.port}", timeout=PATIENCE_S, trust_env=False) as made,
    ):
        yield made


def ask(client: httpx.Client, photo: bytes = RED, **params: Any) -> dict[str, Any]:
    answer = client.post("/v1/classify", content=photo, params=params)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_a_text_chooses_the_model_in_each_way_of_sending(client: httpx.Client) -> None:
    text = "a scarlet crown"
    encoded = base64.b64encode(RED).decode()
    answers = [
        client.post("/v1/classify", content=RED, params={"text": text}),
        client.post("/v1/classify", files={"image": RED}, data={"text": text}),
        client.post("/v1/classify", json={"image": encoded, "text": text}),
    ]
    for answer in answers:
        assert answer.status_code == 200
        assert answer.json()["model"]["system"] == "pma"
        assert answer.json()["phrases"] == {"known": ["scarlet crown"], "unknown": []}
        assert answer.json()["text_conflict"] is False


@pytest.mark.parametrize("text", ["\U0001f426", "un oiseau rouge", "my holiday", "\u7ea2\u8272\u7684\u9e1f"])
def test_a_text_of_no_use_changes_nothing_but_says_so(client: httpx.Client, text: str) -> None:
    told, without = ask(client, text=text), ask(client)
    assert told["text_used"] is False
    assert told["text_reason"]
    shared = without.keys() - {"id", "timing_ms"}
    assert {name: told[name] for name in shared} == {name: without[name] for name in shared}


def test_a_text_about_something_else_is_told(client: httpx.Client) -> None:
    assert ask(client, text="blue crown")["text_conflict"] is True


@pytest.mark.parametrize(
    ("model", "kinds", "has_map"),
    [
        ("birds", [], True),
        ("birds-pma", ["stage"] * 3, False),
        ("birds-pma-visual", ["stage"] * 3, False),
        ("birds-rams-trans", ["zoom"], False),
        ("birds-s3n", ["discriminative", "complementary"], True),
    ],
)
def test_each_model_answers_and_explains_and_draws(
    client: httpx.Client, model: str, kinds: list[str], has_map: bool
) -> None:
    text = {"text": "red crown"} if model == "birds-pma" else {}
    told = ask(client, model=model, explain="true", **text)
    assert told["model"]["name"] == model
    assert [region["kind"] for region in told["explanation"].get("regions", [])] == kinds
    assert ("map" in told["explanation"]) == has_map
    drawn = client.post("/v1/classify", content=RED, params={"model": model, **text}, headers={"accept": "image/png"})
    assert drawn.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(drawn.content)) as picture:
        assert picture.width == 640


def test_the_router_chooses_or_refuses(client: httpx.Client) -> None:
    assert ask(client)["domain"]["name"] == "birds"
    assert ask(client, GREEN)["model"]["name"] == "cars"
    refused = client.post("/v1/classify", content=BLUE)
    assert (refused.status_code, refused.json()["type"]) == (422, "no-known-subject")
    assert ask(client, BLUE, force="true")["predictions"][0]["label"] == "Blue"
    assert ask(client, BLUE, domain="birds")["predictions"][0]["label"] == "Blue"


def test_several_photos_of_one_subject_are_one_answer(client: httpx.Client) -> None:
    encoded = [base64.b64encode(photo).decode() for photo in (RED, RED, BLUE)]
    for answer in (
        client.post("/v1/classify", files=[("images", photo) for photo in (RED, RED, BLUE)], data={"domain": "birds"}),
        client.post("/v1/classify", json={"images": encoded, "domain": "birds"}),
    ):
        told = answer.json()
        assert told["predictions"][0]["label"] == "Red"
        assert [part["prediction"]["label"] for part in told["photos"]] == ["Red", "Red", "Blue"]
    drawn = client.post(
        "/v1/classify", files=[("images", RED), ("images", BLUE)], data={"domain": "birds"},
        headers={"accept": "image/png"},
    )  # fmt: skip
    with Image.open(io.BytesIO(drawn.content)) as picture:
        assert picture.width == 2 * 480 + 8


def test_candidates_weigh_and_an_unknown_list_is_refused(client: httpx.Client) -> None:
    told = ask(client, candidates="Green,blue", domain="birds")
    assert {prediction["label"] for prediction in told["predictions"]} == {"Green", "Blue"}
    assert told["without_candidates"][0]["label"] == "Red"
    refused = client.post("/v1/classify", content=RED, params={"candidates": "Dodo", "domain": "birds"})
    assert (refused.status_code, refused.json()["type"]) == (422, "invalid-parameter")
    assert "'Dodo'" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"model": "birds-pma"}, "send one as text="),
        ({"model": "birds-pma", "text": "my holiday"}, "knows none of the phrases"),
        ({"text": "x" * 4001}, "at most 4,000"),
        ({"text": "red\x00crown"}, "U+0000"),
    ],
)
def test_a_text_that_cannot_be_taken_is_refused_in_a_sentence(
    client: httpx.Client, params: dict[str, str], said: str
) -> None:
    refused = client.post("/v1/classify", files={"image": RED}, data=params)
    assert (refused.status_code, refused.json()["type"]) == (422, "invalid-parameter")
    assert said in refused.json()["detail"]


def test_a_blank_text_is_none(client: httpx.Client) -> None:
    assert "text_used" not in ask(client, text=" \n")


def test_answers_follow_the_described_schema(client: httpx.Client) -> None:
    from openapi_schema_validator import OAS31Validator
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT202012

    document = client.get("/openapi.json").json()
    registry = Registry().with_resource("urn:api", Resource(document, DRAFT202012))
    schema = {"$ref": "urn:api#/components/schemas/ClassifyReply"}
    validator = OAS31Validator(schema, registry=registry)
    for params in (
        {"text": "red crown", "explain": "true"},
        {"text": "\U0001f426", "candidates": "Green,Dodo"},
        {"model": "birds-s3n", "explain": "true"},
    ):
        assert list(validator.iter_errors(ask(client, **params))) == []
