"""What of a request about words reaches the bus: routes, parts and parameters; and how the clients read the answers."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import msgspec
import pytest

from service.answers import Box, EvidenceMap, ImageSize, ModelRef, Parameters, Part
from service.bus.base import Job
from service.bus.messages import Hello
from service.catalog import Catalog, ModelEntry, RouteInfo, decode_catalog, encode_catalog
from service.client import Client, UnexpectedAnswer
from service.replies import Choice, GroundAnswer, Located, LookAnswer, PartProblem, QuestionAnswer
from tests.service.gateway.fake_bus import WAIT_S, FakeBus, Fate, answered, make_hello
from tests.service.gateway.serving import JPEG, RunningGateway

SIZE = ImageSize(640, 480)
GROUND = GroundAnswer(
    ModelRef("pointer", "1.0.0", "referring"), [Located("the dog", True, 0.5, 0.7, 0.7, Box(1, 2, 3, 4))], SIZE
)
ANSWER = QuestionAnswer(
    ModelRef("teller", "1.0.0", "hard_attention"), "what", [Choice("red", 0.9)], EvidenceMap(1, 1, [1.0]), SIZE
)
LOOK = LookAnswer(SIZE, ground=GROUND, answer=PartProblem("invalid-parameter", "Invalid parameter", 422, "No word."))


def hello() -> Hello:
    """A worker that classifies birds, grounds and answers."""
    plain = make_hello("birds")
    told = decode_catalog(plain.catalog)
    models = [
        *told.models,
        ModelEntry("pointer", "1.0.0", "serving", system="referring", task="ground", default=True),
        ModelEntry("teller", "1.0.0", "serving", system="hard_attention", task="answer", default=True),
    ]
    routes = [
        *plain.routes,
        *(RouteInfo(f"ground/{name}", "pointer@1.0.0", 50.0) for name in ("auto", "pointer@1.0.0")),
        RouteInfo("answer/auto", "teller@1.0.0", 50.0),
        *(RouteInfo(f"{task}/auto", "auto", 50.0) for task in ("look", "subject", "subjects", "locate")),
    ]
    return msgspec.structs.replace(plain, routes=routes, catalog=encode_catalog(Catalog(models, told.domains)))


def answer_of(job: Job) -> Fate:
    """An answer of the kind that the route has, from the worker that a cache of features serves."""
    bodies = {"ground": GROUND, "answer": ANSWER, "look": LOOK}
    body = bodies.get(job.route.partition("/")[0])
    outcome = answered(job, cached=True)
    return outcome if body is None else msgspec.structs.replace(outcome, body=msgspec.json.encode(body))


@pytest.fixture(scope="module")
def bus() -> FakeBus:
    return FakeBus(rule=answer_of, hellos=[hello()])


@pytest.fixture(scope="module")
def running(bus: FakeBus) -> Iterator[RunningGateway]:
    with RunningGateway(bus) as made:
        yield made


def asked(bus: FakeBus) -> tuple[str, Parameters]:
    job = bus.arrived.get(timeout=WAIT_S)
    return job.route, job.parameters


@pytest.mark.parametrize(
    ("task", "params", "route", "parameters"),
    [
        ("ground", {"expression": "the dog"}, "ground/auto", Parameters(expressions=("the dog",))),
        (
            "ground",
            {"expressions": "a\nb", "model": "pointer", "force": "true"},
            "ground/pointer@1.0.0",
            Parameters(expressions=("a", "b"), force=True),
        ),
        ("answer", {"question": "what", "top_k": "2"}, "answer/auto", Parameters(question="what", top_k=2)),
        (
            "classify",
            {"expression": "the bird on the left", "top_k": "1"},
            "subject/auto",
            Parameters(
                parts=(
                    Part("ground/auto", Parameters(expressions=("the bird on the left",))),
                    Part("classify/birds", Parameters(top_k=1)),
                )
            ),
        ),
        (
            "classify",
            {"locate": "true", "model": "birds"},
            "subject/auto",
            Parameters(parts=(Part("locate/auto", Parameters()), Part("classify/birds@1.0.0", Parameters()))),
        ),
        (
            "classify",
            {"locate": "all", "top_k": "1"},
            "subjects/auto",
            Parameters(parts=(Part("locate/auto", Parameters()), Part("classify/birds", Parameters(top_k=1)))),
        ),
        ("classify", {"locate": "false"}, "classify/birds", Parameters()),
        (
            "look",
            {"classify": '{"domain": "birds"}', "answer": '{"question": "what"}'},
            "look/auto",
            Parameters(parts=(Part("classify/birds", Parameters()), Part("answer/auto", Parameters(question="what")))),
        ),
    ],
)
def test_a_request_becomes_one_job_for_its_route(
    running: RunningGateway, bus: FakeBus, task: str, params: dict[str, str], route: str, parameters: Parameters
) -> None:
    with running.client() as http:
        assert http.post(f"/v1/{task}", content=JPEG, params=params).status_code == 200
    assert asked(bus) == (route, parameters)


def test_a_drawing_is_asked_of_the_part_that_classifies(running: RunningGateway, bus: FakeBus) -> None:
    with running.client() as http:
        http.post("/v1/classify", content=JPEG, params={"expression": "a"}, headers={"accept": "image/png"})
        http.post("/v1/look", content=JPEG, params={"classify": "{}"}, headers={"accept": "image/png"})
    _, named = asked(bus)
    assert [part.parameters.draw for part in named.parts] == [False, True]
    _, looked = asked(bus)
    assert not looked.parts[0].parameters.draw


def test_a_form_brings_one_photo_for_words(running: RunningGateway) -> None:
    photos = [base64.b64encode(JPEG).decode()] * 2
    with running.client() as http:
        for task, said in (("ground", {"expression": "a"}), ("classify", {"locate": True})):
            refused = http.post(f"/v1/{task}", json={"images": photos, **said})
            assert (refused.status_code, "takes one" in refused.json()["detail"]) == (422, True)


def test_a_task_without_a_model_is_not_found_and_v2_takes_no_expression() -> None:
    with RunningGateway(FakeBus()) as gateway, gateway.client() as http:
        missing = http.post("/v1/ground", content=JPEG, params={"expression": "a"})
        photo = {"name": "photo", "shape": [1], "datatype": "BYTES", "data": [base64.b64encode(JPEG).decode()]}
        strange = http.post(
            "/v2/models/birds/infer", json={"inputs": [photo], "parameters": {"expression": "the bird"}}
        )
    assert (missing.status_code, "No model is served that can ground" in missing.json()["detail"]) == (404, True)
    assert strange.status_code == 422


def test_the_client_reads_each_kind_of_answer(running: RunningGateway, bus: FakeBus) -> None:
    with Client(running.url) as client:
        grounded = client.ground(JPEG, "the dog", force=True)
        told = client.answer(JPEG, "what", top_k=2)
        looked = client.look(JPEG, ground={"expression": "the dog"}, answer={"question": "?"})
    assert (grounded.results, told.answers) == (GROUND.results, ANSWER.answers)
    assert (looked.ground, looked.answer) == (LOOK.ground, LOOK.answer)
    assert [asked(bus)[0] for _ in range(3)] == ["ground/auto", "answer/auto", "look/auto"]


def test_a_look_of_another_form_is_no_answer() -> None:
    def strange(job: Job) -> Fate:
        return msgspec.structs.replace(answered(job), body=b'{"image":{"width":1,"height":1},"ground":{"a":1}}')

    with (
        RunningGateway(FakeBus(strange, [hello()])) as gateway,
        Client(gateway.url) as client,
        pytest.raises(UnexpectedAnswer),
    ):
        client.look(JPEG, ground={"expression": "a"})


def test_kept_features_are_counted(running: RunningGateway, bus: FakeBus) -> None:
    with running.client() as http:
        http.post("/v1/ground", content=JPEG, params={"expression": "a"})
        assert 'fieldmark_feature_cache_total{result="hit"}' in running.figures()
    assert asked(bus)[0] == "ground/auto"
