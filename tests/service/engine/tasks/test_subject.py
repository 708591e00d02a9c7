"""Classifying what an expression means: the part is found, cut out and classified, and told in terms of the whole photo."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from service.answers import Box, ClassifyAnswer, EvidenceMap, Explanation, ImageSize, Parameters
from service.engine import Engine
from service.errors import FieldmarkError, InvalidParameter, NoKnownSubject, NotFound
from tests.bundles import make_bundle
from tests.pointing_bundles import make_ground_bundle, two_halves


def encode(left: tuple[int, int, int], right: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(two_halves(left, right, 256)).save(buffer, "PNG")
    return buffer.getvalue()


PHOTO = encode((255, 0, 0), (0, 0, 255))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    store = tmp_path_factory.mktemp("store")
    make_bundle(store)
    make_ground_bundle(store)
    return Engine(store, lanes=1)


def ask(engine: Engine, expression: str, **wishes: bool) -> ClassifyAnswer | FieldmarkError:
    (answer,) = engine.classify([PHOTO], parameters=Parameters(**wishes), expression=expression)
    return answer


@pytest.mark.parametrize(
    ("expression", "label", "left"), [("the red thing", "Red", 0), ("the blue thing", "Blue", 128)]
)
def test_the_words_choose_which_part_is_classified(engine: Engine, expression: str, label: str, left: int) -> None:
    answer = ask(engine, expression)
    assert isinstance(answer, ClassifyAnswer)
    assert answer.predictions[0].label == label
    assert answer.image == ImageSize(256, 256)
    assert isinstance(answer.box, Box)
    assert answer.box.x == pytest.approx(left, abs=20)
    assert isinstance(answer.score, float)


def test_an_explanation_lies_on_the_whole_photo(engine: Engine) -> None:
    answer = ask(engine, "blue", explain=True)
    assert isinstance(answer, ClassifyAnswer)
    assert isinstance(answer.explanation, Explanation)
    assert isinstance(answer.explanation.map, EvidenceMap)
    seen = answer.explanation.map.box
    assert isinstance(seen, Box)
    assert seen.x > 90
    assert seen.x + seen.width <= 256


def test_what_is_not_there_is_no_subject(engine: Engine) -> None:
    refused = ask(engine, "green")
    assert isinstance(refused, NoKnownSubject)
    assert refused.detail.startswith("'green' was not found. The photo seems not to show it")


def test_a_fault_of_the_classification_is_told(engine: Engine) -> None:
    (refused,) = engine.classify([PHOTO], parameters=Parameters(candidates=("Dodo",)), expression="red")
    assert isinstance(refused, InvalidParameter)


def test_it_needs_a_model_that_grounds(tmp_path: Path) -> None:
    make_bundle(tmp_path, backend="echo")
    with pytest.raises(NotFound, match="can ground"):
        Engine(tmp_path, testing_backends=True).classify([PHOTO], expression="red")
