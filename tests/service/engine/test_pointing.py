"""The engine's calls for words: ground, answer, and several tasks on one photo."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from service.answers import ClassifyAnswer, Parameters
from service.engine import Engine
from service.errors import InvalidParameter, NotFound, UnsupportedMedia
from service.replies import GroundAnswer, PartProblem, QuestionAnswer
from tests.bundles import make_bundle, solid_photo
from tests.pointing_bundles import make_answer_bundle, make_ground_bundle, two_halves

RED = solid_photo()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    store = tmp_path_factory.mktemp("store")
    make_bundle(store)
    make_ground_bundle(store)
    make_answer_bundle(store)
    return Engine(store, lanes=1)


def test_each_photo_is_answered_or_has_its_error(engine: Engine) -> None:
    found, refused = engine.ground([RED, b"no photo"], ["red"])
    assert isinstance(found, GroundAnswer)
    assert found.results[0].found
    assert isinstance(refused, UnsupportedMedia)
    (told,) = engine.answer([RED], "what is the thing", model="teller@1.0.0", top_k=1)
    assert isinstance(told, QuestionAnswer)
    assert [choice.answer for choice in told.answers] == ["red"]


def test_a_model_of_another_task_is_said_to_be_one(engine: Engine) -> None:
    with pytest.raises(
        NotFound, match=r"Model 'teller' is of task 'answer', not 'ground'\. Served: pointer@1\.0\.0\.$"
    ):
        engine.ground([RED], ["red"], model="teller")
    with pytest.raises(NotFound, match=r"'pointer' is of task 'ground', not 'classify'\. Served: colours@1\.0\.0\.$"):
        engine.classify([RED], model="pointer")


def test_words_are_checked_before_a_photo_is_read(engine: Engine) -> None:
    with pytest.raises(InvalidParameter, match="has 0 expressions"):
        engine.ground([RED], [])
    with pytest.raises(InvalidParameter, match="question is blank"):
        engine.answer([RED], " ")


def test_without_a_model_for_it_a_task_is_not_found(tmp_path: Path) -> None:
    make_bundle(tmp_path, backend="echo")
    with pytest.raises(NotFound, match=r"No model is served that can ground. Served: colours@1.0.0"):
        Engine(tmp_path, testing_backends=True).ground([RED], ["red"])


def test_a_look_answers_as_each_task_alone(engine: Engine) -> None:
    looked = engine.look(
        RED,
        {
            "classify": Parameters(top_k=2),
            "ground": Parameters(expressions=("red",)),
            "answer": Parameters(question="what is the thing"),
        },
    )
    assert isinstance(looked.classify, ClassifyAnswer)
    assert isinstance(looked.answer, QuestionAnswer)
    (alone,) = engine.ground([RED], ["red"])
    assert msgspec.json.encode(looked.ground) == msgspec.json.encode(alone)
    assert looked.answer.answers[0].answer == "red"


def test_a_part_of_a_look_fails_alone(engine: Engine) -> None:
    parts = {"answer": Parameters(question="\u4ec0\u4e48"), "classify": Parameters()}
    looked = engine.look(RED, parts)
    assert isinstance(looked.answer, PartProblem)
    assert (looked.answer.type, looked.answer.status) == ("invalid-parameter", 422)
    assert isinstance(looked.classify, ClassifyAnswer)
    with pytest.raises(InvalidParameter, match="no word that"):
        engine.look(RED, {"answer": Parameters(question="\u4ec0\u4e48")})


def test_a_place_is_the_same_whatever_was_asked_of_the_photo_before(tmp_path: Path) -> None:
    make_bundle(tmp_path)
    make_ground_bundle(tmp_path)
    noise = np.random.default_rng(0).integers(-30, 30, (509, 509, 3))
    halves = two_halves((200, 30, 30), (30, 30, 200), 509).astype(int)
    buffer = io.BytesIO()
    Image.fromarray(np.clip(halves + noise, 0, 255).astype(np.uint8)).save(buffer, "PNG")
    fresh, used = Engine(tmp_path, lanes=1), Engine(tmp_path, lanes=1)
    used.classify([buffer.getvalue()], expression="red")
    places = []
    for engine in (fresh, used):
        plan = engine.plan("ground/auto")
        (found,) = plan.infer([plan.prepare([buffer.getvalue()], Parameters(expressions=("red",)))])
        places.append((found.box.tolist(), found.conf.tolist()))
    assert places[0] == places[1]
