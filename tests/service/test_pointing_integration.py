"""Words about a photo over a real socket: ground, answer and look, their pictures, absurd input, metrics and clients."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

import fieldmark
from service.errors import InvalidParameter
from service.replies import GroundAnswer, PartProblem
from tests.bundles import make_bundle, solid_photo
from tests.detector import make_tiny_detector, spot
from tests.drills.service_process import PATIENCE_S, RunningService, service
from tests.pointing_bundles import make_answer_bundle, make_ground_bundle

RED, BLUE = solid_photo(width=320, height=200), solid_photo((0, 0, 255))
#: A red spot in a black scene, as large as a cell of the tiny detector's coarsest grid.
SPOT = spot((255, 0, 0), at=(128, 64), side=64, size=256)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that classifies, locates, grounds and answers."""
    store = tmp_path_factory.mktemp("store")
    make_bundle(store)
    make_ground_bundle(store)
    make_answer_bundle(store)
    make_tiny_detector(tmp_path_factory.mktemp("published"), store)
    with service(store) as made:
        yield made


@pytest.fixture(scope="module")
def client(running: RunningService) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{running.port}", timeout=PATIENCE_S, trust_env=False) as made:
        yield made


def ask(client: httpx.Client, task: str, photo: bytes = RED, **params: Any) -> dict[str, Any]:
    answer = client.post(f"/v1/{task}", content=photo, params=params)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_expressions_are_found_in_each_way_of_sending(client: httpx.Client) -> None:
    encoded = base64.b64encode(RED).decode()
    for answer in (
        client.post("/v1/ground", content=RED, params={"expressions": "the red thing\nblue"}),
        client.post("/v1/ground", files={"image": RED}, data={"expressions": "the red thing\nblue"}),
        client.post("/v1/ground", json={"image": encoded, "expressions": ["the red thing", "blue"]}),
    ):
        told = answer.json()
        assert told["model"]["system"] == "referring"
        assert [result["found"] for result in told["results"]] == [True, False]
        assert "box" in told["results"][0]
        assert "box" not in told["results"][1]
        assert {"queue", "decode", "infer", "total"} == told["timing_ms"].keys()


def test_features_are_kept_for_the_next_expression_and_counted(running: RunningService, client: httpx.Client) -> None:
    photo = solid_photo((250, 0, 0))
    hits = running.metric("fieldmark_feature_cache_total", result="hit")
    first = ask(client, "ground", photo, expression="red")
    again = ask(client, "ground", photo, expression="red")
    assert again["results"] == first["results"]
    assert running.metric("fieldmark_feature_cache_total", result="hit") == hits + 1


def test_a_question_is_answered_with_the_cells_that_were_read(client: httpx.Client) -> None:
    told = ask(client, "answer", question="what is the thing", top_k=1, explain="true")
    assert told["answers"] == [{"answer": "red", "probability": 1.0}]
    assert (told["kept"]["rows"], set(told["kept"]["values"])) == (4, {1.0})
    assert "relevance" in told


@pytest.mark.parametrize(
    ("task", "words"), [("ground", {"expression": "red"}), ("answer", {"question": "what is the thing"})]
)
def test_a_picture_takes_the_place_of_the_answer(client: httpx.Client, task: str, words: dict[str, str]) -> None:
    drawn = client.post(f"/v1/{task}", content=RED, params=words, headers={"accept": "image/png"})
    assert drawn.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(drawn.content)) as picture:
        assert picture.width == 640


@pytest.mark.parametrize(
    ("task", "params", "status", "said"),
    [
        ("ground", {}, 422, "Send one 'expression'"),
        ("ground", {"expression": ""}, 422, "expression is blank"),
        ("ground", {"expression": "x" * 2001}, 422, "2,001 characters"),
        ("ground", {"expression": "red\x00"}, 422, "U+0000"),
        ("ground", {"expression": "red", "model": "teller"}, 404, "is of task 'answer', not 'ground'"),
        ("answer", {"question": " "}, 422, "question is blank"),
        ("answer", {"question": "\u8fd9\u662f\u4ec0\u4e48"}, 422, "no word that teller@1.0.0 knows"),
        ("look", {}, 422, "Nothing is asked"),
        ("look", {"ground": "red"}, 422, "JSON object"),
    ],
)
def test_absurd_words_get_a_problem_document(
    client: httpx.Client, task: str, params: dict[str, str], status: int, said: str
) -> None:
    refused = client.post(f"/v1/{task}", content=RED, params=params)
    assert refused.status_code == status, refused.text
    assert said in refused.json()["detail"]


def test_words_of_another_script_are_told_to_be_unknown(client: httpx.Client) -> None:
    (result,) = ask(client, "ground", expression="\u7ea2\u8272\u7684\u9e1f")["results"]
    assert result["found"] is False
    assert result["reason"] == "pointer@1.0.0 knows none of the words."


def test_one_photo_is_taken_where_one_is_meant(client: httpx.Client) -> None:
    refused = client.post("/v1/ground", files=[("images", RED), ("images", BLUE)], data={"expression": "red"})
    assert (refused.status_code, refused.json()["type"]) == (422, "invalid-parameter")
    assert "takes one" in refused.json()["detail"]


def test_a_look_does_several_tasks_on_one_photo(client: httpx.Client) -> None:
    parts = {"classify": {"top_k": 1}, "ground": {"expression": "red"}, "answer": {"question": "\u4ec0\u4e48"}}
    told = client.post("/v1/look", json={"image": base64.b64encode(RED).decode(), **parts}).json()
    assert told["classify"]["predictions"][0]["label"] == "Red"
    assert told["ground"]["results"][0]["found"] is True
    assert (told["answer"]["type"], told["answer"]["status"]) == ("invalid-parameter", 422)


def test_an_expression_chooses_what_is_classified(client: httpx.Client) -> None:
    told = ask(client, "classify", expression="the red thing", top_k=1)
    assert (told["predictions"][0]["label"], told["box"]["width"] > 0) == ("Red", True)
    drawn = client.post("/v1/classify", content=RED, params={"expression": "red"}, headers={"accept": "image/png"})
    assert drawn.headers["content-type"] == "image/png"
    absent = client.post("/v1/classify", content=RED, params={"expression": "green"})
    assert (absent.status_code, absent.json()["type"]) == (422, "no-known-subject")
    several = client.post("/v1/classify", files=[("images", RED), ("images", BLUE)], data={"expression": "red"})
    assert (several.status_code, "finding the subject takes one" in several.json()["detail"]) == (422, True)


def test_all_subjects_are_classified_each_by_itself(client: httpx.Client) -> None:
    told = ask(client, "classify", SPOT, locate="all", top_k=1)
    assert {subject["predictions"][0]["label"] for subject in told["subjects"]} == {"Red"}
    assert all(128 <= subject["box"]["x"] < 192 for subject in told["subjects"])
    assert {"id", "timing_ms", "image", "omitted"} < told.keys()
    drawn = client.post("/v1/classify", content=SPOT, params={"locate": "all"}, headers={"accept": "image/png"})
    assert drawn.headers["content-type"] == "image/png"
    wrong = client.post("/v1/classify", content=SPOT, params={"locate": "every"})
    assert (wrong.status_code, "true, false or all" in wrong.json()["detail"]) == (422, True)
    nothing = ask(client, "classify", BLUE, locate="all")
    assert (nothing["subjects"], nothing["omitted"]) == ([], [])


def test_each_task_has_its_metrics(running: RunningService, client: httpx.Client) -> None:
    ask(client, "ground", expression="red")
    ask(client, "answer", question="what is the thing")
    assert running.metric("fieldmark_requests_total", task="ground", model="pointer@1.0.0", status="200") >= 1
    assert running.metric("fieldmark_requests_total", task="answer", model="teller@1.0.0", status="200") >= 1


def test_answers_follow_the_described_schema(client: httpx.Client) -> None:
    from openapi_schema_validator import OAS31Validator
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT202012

    document = client.get("/openapi.json").json()
    registry = Registry().with_resource("urn:api", Resource(document, DRAFT202012))
    told = {
        "ground": ask(client, "ground", expression="the purple red thing " * 3, force="true"),
        "answer": ask(client, "answer", question="what is the thing", explain="true"),
        "look": ask(client, "look", ground='{"expression": "blue"}', answer='{"question": "\u4ec0\u4e48"}'),
        "classify": ask(client, "classify", SPOT, locate="all", explain="true"),
    }
    for task, answer in told.items():
        place = f"/paths/~1v1~1{task}/post/responses/200/content/application~1json/schema"
        validator = OAS31Validator({"$ref": f"urn:api#{place}"}, registry=registry)
        assert list(validator.iter_errors(answer)) == []


def test_the_client_asks_for_all_of_it(running: RunningService) -> None:
    with fieldmark.Client(f"http://127.0.0.1:{running.port}", timeout_ms=60_000) as asking:
        assert [result.found for result in asking.ground(RED, "red", "blue").results] == [True, False]
        assert asking.answer(BLUE, "what is the thing").answers[0].answer == "blue"
        looked = asking.look(RED, ground={"expression": "red"}, answer={"question": "\u4ec0\u4e48"})
        assert isinstance(looked.ground, GroundAnswer)
        assert isinstance(looked.answer, PartProblem)
        assert {subject.predictions[0].label for subject in asking.classify_subjects(SPOT).subjects} == {"Red"}
        with pytest.raises(InvalidParameter, match="blank"):
            asking.ground(RED, " ")
