"""The engine as its users see it: photos in, answers out."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

import fieldmark
from models.sections import Fake
from service.answers import ClassifyAnswer, Parameters
from service.engine import Engine
from service.engine.backends.base import EngineError, StartError
from service.engine.backends.providers import RUN_LIMIT
from service.errors import FieldmarkError, Internal, InvalidParameter, NotFound, UnprocessableImage, UnsupportedMedia
from tests.bundles import COLOURS, make_bundle, solid_photo


def labels(answers: list[ClassifyAnswer | FieldmarkError]) -> list[str]:
    return [type(a).__name__ if isinstance(a, FieldmarkError) else a.predictions[0].label for a in answers]


def test_photos_are_classified_in_their_order(tmp_path: Path) -> None:
    make_bundle(tmp_path)
    photos = [solid_photo(colour) for colour in COLOURS.values()] * 3
    assert labels(Engine(tmp_path, lanes=2).classify(photos)) == list(COLOURS) * 3


def test_8_bits_on_a_gpu_are_refused_in_one_sentence(tmp_path: Path) -> None:
    make_bundle(tmp_path)
    with pytest.raises(StartError, match="Arithmetic in int8 is for device cpu, not for cuda; leave it out"):
        Engine(tmp_path, device="cuda", arithmetic="int8")


def test_a_bad_photo_has_its_error_in_its_place(tmp_path: Path) -> None:
    make_bundle(tmp_path, batch_curve_ms={1: 10, 2: 10, 4: 10})
    photos = [solid_photo(), b"text", solid_photo()[:300], b"", solid_photo((0, 0, 255))]
    found = labels(Engine(tmp_path).classify(photos))
    assert found == ["Red", UnsupportedMedia.__name__, UnprocessableImage.__name__, UnsupportedMedia.__name__, "Blue"]


def test_a_batch_with_one_sick_photo_fails_that_photo_alone(tmp_path: Path) -> None:
    make_bundle(tmp_path, backend="nan", fake=Fake(trigger_above=200), batch_curve_ms={1: 10, 2: 10, 4: 10})
    dark, bright = solid_photo((10, 10, 10)), solid_photo((255, 255, 255))
    answers = Engine(tmp_path, testing_backends=True).classify([dark, bright, dark, dark])
    assert labels(answers) == ["Red", "Internal", "Red", "Red"]
    assert isinstance(answers[1], Internal)
    assert answers[1].detail == "Internal error"  # the graph's own words are for the log
    assert isinstance(answers[1].__cause__, EngineError)


def test_no_photos_give_no_answers(tmp_path: Path) -> None:
    make_bundle(tmp_path)
    assert Engine(tmp_path).classify([]) == []


def test_lanes_change_nothing_in_the_answers(tmp_path: Path) -> None:
    make_bundle(tmp_path, classes=30)
    photos = [solid_photo((7 * n, 255 - 7 * n, n)) for n in range(30)]
    one, many = (Engine(tmp_path, lanes=lanes).classify(photos) for lanes in (1, 4))
    assert msgspec.json.encode(one) == msgspec.json.encode(many)


def test_several_domains_want_one_to_be_named(tmp_path: Path) -> None:
    make_bundle(tmp_path, name="hues", domain="hues")
    make_bundle(tmp_path)
    engine = Engine(tmp_path)
    with pytest.raises(InvalidParameter, match=r"name one as domain=, of colours, hues"):
        engine.classify([])
    assert engine.find_route("hues", None) == "classify/hues"
    with pytest.raises(NotFound, match=r"Domain 'dogs' does not exist. Served: colours, hues"):
        engine.classify([], domain="dogs")


def test_a_model_is_found_by_name_and_by_version(tmp_path: Path) -> None:
    for version in ("1.0.0", "2.0.0"):
        make_bundle(tmp_path, version=version)
    engine = Engine(tmp_path)
    assert engine.find_route(None, "colours") == "classify/colours@2.0.0"
    assert engine.find_route("auto", "colours@1.0.0") == "classify/colours@1.0.0"
    with pytest.raises(NotFound, match=r"Model 'colours@3.0.0' does not exist"):
        engine.classify([], model="colours@3.0.0")
    with pytest.raises(InvalidParameter, match=r"is of domain 'colours', not 'birds'"):
        engine.classify([], model="colours", domain="birds")


def test_routes_and_catalog_describe_what_is_served(tmp_path: Path) -> None:
    make_bundle(tmp_path, batch_curve_ms={1: 10.0})
    engine = Engine(tmp_path)
    assert [(info.route, info.model, info.expected_ms) for info in engine.routes] == [
        ("classify/colours", "colours@1.0.0", 10.0),
        ("classify/auto", "colours@1.0.0", 10.0),
        ("classify/colours@1.0.0", "colours@1.0.0", 10.0),
        ("look/auto", "auto", 10.0),
    ]
    (model,) = engine.catalog.models
    assert (model.status, model.task, model.classes, model.size_px, model.variant) == (
        "serving",
        "classify",
        3,
        32,
        "fp32",
    )
    (domain,) = engine.catalog.domains
    assert (domain.name, domain.default, domain.labels[0].class_id) == ("colours", "colours@1.0.0", "000.Red")
    with pytest.raises(NotFound, match=r"Served: classify/auto, classify/colours, classify/colours@1.0.0"):
        engine.plan("classify/dogs")


@pytest.mark.parametrize("store", ["missing", "empty"])
def test_an_engine_without_bundles_does_not_start(tmp_path: Path, store: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(StartError, match=r"there is no such folder|it holds none"):
        Engine(tmp_path / store)


def test_an_engine_says_why_its_only_bundle_was_refused(tmp_path: Path) -> None:
    make_bundle(tmp_path, backend="echo")
    with pytest.raises(StartError, match=r"colours@1.0.0: backend 'echo' is for tests"):
        Engine([tmp_path])


def test_a_gpu_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    make_bundle(tmp_path)
    with pytest.raises(
        StartError, match=r"--device tensorrt needs TensorrtExecutionProvider and CUDAExecutionProvider"
    ):
        Engine(tmp_path, device="tensorrt")


def test_the_facades_engine_is_this_one() -> None:
    assert fieldmark.Engine is Engine


def test_the_batch_limit_is_the_largest_that_tensorrt_is_built_for() -> None:
    assert RUN_LIMIT == 16


def test_parameters_reach_the_answer(tmp_path: Path) -> None:
    make_bundle(tmp_path)
    (answer,) = Engine(tmp_path).classify([solid_photo()], parameters=Parameters(top_k=2))
    assert isinstance(answer, ClassifyAnswer)
    assert len(answer.predictions) == 2
