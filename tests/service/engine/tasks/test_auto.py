"""The photo decides which domain answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from service.answers import ClassifyAnswer, Parameters
from service.engine import Engine
from service.engine.tasks.photos import decode_photos
from service.errors import FieldmarkError, InvalidParameter, NoKnownSubject, NotFound
from tests.bundles import COLOURS, rewrite_manifest, solid_photo
from tests.service.zoo import make_router, make_zoo

RED, GREEN, BLUE = (solid_photo(colour) for colour in COLOURS.values())


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    store = make_zoo(tmp_path_factory.mktemp("store"))
    make_router(store)
    return Engine(store, lanes=1)


def one(engine: Engine, photo: bytes, **asked: object) -> ClassifyAnswer:
    (answer,) = engine.classify([photo], parameters=Parameters(**asked))  # type: ignore[arg-type]
    if isinstance(answer, FieldmarkError):
        raise answer
    return answer


@pytest.mark.parametrize(("photo", "domain", "model"), [(RED, "birds", "birds"), (GREEN, "cars", "cars")])
def test_the_router_chooses_the_domain(engine: Engine, photo: bytes, domain: str, model: str) -> None:
    answer = one(engine, photo)
    told = msgspec.to_builtins(answer)
    assert told.pop("domain") == {"name": domain, "probability": pytest.approx(1, abs=1e-3)}
    assert answer.model.name == model
    (named,) = engine.classify([photo], domain=domain)
    assert told == msgspec.to_builtins(named)


def test_a_photo_of_nothing_known_is_refused(engine: Engine) -> None:
    with pytest.raises(NoKnownSubject, match=r"seems to show neither \(probability 1.00\); known here: cars, birds\."):
        one(engine, BLUE)


def test_of_a_subject_in_a_scene_the_router_sees_the_subject_alone(tmp_path: Path) -> None:
    store = make_zoo(tmp_path)
    rewrite_manifest(make_router(store), calibration={"scene_temperature": 1.0})
    plan = Engine(store, lanes=1).plan("classify/auto")
    (red,), (blue,) = (decode_photos([photo], 64) for photo in (RED, BLUE))
    undecided = plan.prepare_decoded([replace(red, scene=blue)], [], Parameters())
    (decided,) = plan.infer([undecided])
    assert decided.guess.probability == pytest.approx(1, abs=1e-3)


def test_force_answers_by_the_likeliest_domain(engine: Engine) -> None:
    violet = solid_photo((90, 0, 255))
    with pytest.raises(NoKnownSubject):
        one(engine, violet)
    answer = one(engine, violet, force=True)
    assert answer.model.name == "birds"
    assert msgspec.to_builtins(answer)["domain"]["probability"] < 0.5
    assert one(engine, RED, force=True) == one(engine, RED)


def test_a_text_is_read_in_the_domain_that_was_chosen(engine: Engine) -> None:
    assert one(engine, RED, text="a red crown").model.system == "pma"
    assert one(engine, GREEN, text="a red crown").text_used is False


def test_each_of_a_batch_goes_its_own_way(engine: Engine) -> None:
    asked = [Parameters(), Parameters(text="blue wing"), Parameters(candidates=("dodo",)), Parameters(), Parameters()]
    photos = [GREEN, RED, RED, BLUE, RED]
    plan = engine.plan("classify/auto")
    prepared = [plan.prepare([photo], parameters) for photo, parameters in zip(photos, asked, strict=True)]
    outcomes = []
    for subject, result in zip(prepared, plan.infer(prepared), strict=True):
        try:
            outcomes.append(plan.finish(subject, result).model)
        except FieldmarkError as error:
            outcomes.append(error.slug)
    assert outcomes == ["cars@1.0.0", "birds-pma@1.0.0", "invalid-parameter", "no-known-subject", "birds@1.0.0"]


def test_a_domain_that_nobody_serves_is_no_known_subject(tmp_path: Path) -> None:
    make_zoo(tmp_path)
    make_router(tmp_path, ("birds", "fish", "neither"))
    with pytest.raises(NoKnownSubject, match=r"seems to show fish"):
        one(Engine(tmp_path), GREEN)


def test_without_a_router_several_domains_want_one_to_be_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="name one as domain="):
        one(Engine(make_zoo(tmp_path)), RED)


def test_a_router_is_listed_but_cannot_be_named(engine: Engine) -> None:
    assert [(entry.task, entry.status) for entry in engine.catalog.models if entry.name == "router"] == [
        ("route", "serving")
    ]
    with pytest.raises(NotFound, match=r"Model 'router' is of task 'route', not 'classify'\. Served: \w"):
        engine.classify([RED], model="router")
    assert [domain.name for domain in engine.catalog.domains] == ["cars", "birds"]
