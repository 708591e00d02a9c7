"""Subjects that a detector proposes: which boxes are kept, and what is classified of a photo where it sees one."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.sections import Calibration
from service.answers import Box, ClassifyAnswer, ImageSize, Parameters, SubjectsAnswer
from service.drawing import LEAST_SIDE_PX, draw_subjects
from service.engine import Engine
from service.engine.tasks import subjects
from service.engine.tasks.locate import PROPOSALS_LIMIT, keep_apart
from service.errors import InvalidParameter, NotFound
from service.replies import Proposals
from tests.bundles import make_bundle
from tests.detector import make_tiny_detector, spot
from tests.service.zoo import make_router

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    store = tmp_path_factory.mktemp("store")
    make_bundle(store, name="birds", domain="birds")
    make_bundle(store, name="cars", domain="cars", backend="echo")
    make_bundle(store, name="wide", domain="birds", default=False, calibration=Calibration(scene_temperature=1.0))
    make_tiny_detector(tmp_path_factory.mktemp("published"), store)
    return Engine(store, lanes=1, testing_backends=True)


def propose(engine: Engine, photo: bytes) -> Proposals:
    plan = engine.plan("locate/auto")
    prepared = plan.prepare([photo], Parameters())
    proposals: Proposals = plan.finish(prepared, plan.infer([prepared])[0]).answer
    return proposals


def test_a_subject_is_proposed_where_it_is(engine: Engine) -> None:
    found = propose(engine, spot(RED, at=(64, 32)))
    assert {(subject.label, subject.domain) for subject in found.subjects} == {("bird", "birds")}
    assert found.subjects[0].score > 0.9
    assert all(64 <= s.box.x < 96 and 32 <= s.box.y < 64 for s in found.subjects)
    assert propose(engine, spot(BLUE)).subjects == []


def test_of_boxes_that_overlap_the_strongest_is_kept() -> None:
    boxes = np.array([[0, 0, 1, 1], [0.1, 0, 1.1, 1], [0.6, 0, 1.6, 1], [2, 2, 3, 3]], np.float64)
    assert keep_apart(boxes) == [0, 2, 3]
    assert keep_apart(boxes[:0]) == []
    assert keep_apart(np.zeros((3, 4))) == [0, 1, 2]
    many = np.arange(50)[:, None] + np.array([[0, 0, 0.5, 0.5]])
    assert len(keep_apart(many)) == PROPOSALS_LIMIT


def test_what_is_found_is_classified_alone(engine: Engine) -> None:
    photo = spot(RED, side=32, at=(32, 64))
    whole, located = (
        engine.classify([photo], domain="birds", locate=is_located, parameters=Parameters(top_k=1))[0]
        for is_located in (False, True)
    )
    assert isinstance(whole, ClassifyAnswer)
    assert isinstance(located, ClassifyAnswer)
    assert not isinstance(whole.box, Box)
    assert isinstance(located.box, Box)
    assert located.predictions[0].probability > whole.predictions[0].probability
    assert located.image == whole.image


def chances(engine: Engine, model: str, photo: bytes, *, locate: bool) -> np.ndarray:
    (answer,) = engine.classify([photo], model=model, locate=locate, parameters=Parameters(top_k=3))
    assert isinstance(answer, ClassifyAnswer)
    return np.array([one.probability for one in sorted(answer.predictions, key=lambda one: one.class_id)])


def test_of_the_only_subject_the_scene_tells_too(engine: Engine) -> None:
    photo = spot(RED, side=16, at=(32, 64))
    assert len(propose(engine, photo).subjects) == 1
    whole, alone = (chances(engine, "birds", photo, locate=is_located) for is_located in (False, True))
    both = np.sqrt(whole * alone)
    assert chances(engine, "wide", photo, locate=True) == pytest.approx(both / both.sum(), abs=0.02)
    assert alone == pytest.approx(chances(engine, "birds", photo, locate=True))
    several = two_spots(64, 64)
    assert len(propose(engine, several).subjects) > 1
    assert chances(engine, "wide", several, locate=True) == pytest.approx(
        chances(engine, "birds", several, locate=True)
    )


def test_without_a_proposal_of_the_domain_the_whole_photo_is_classified(engine: Engine) -> None:
    for photo in (spot(BLUE), spot((0, 255, 0))):
        (whole,) = engine.classify([photo], model="birds")
        (located,) = engine.classify([photo], model="birds@1.0.0", locate=True)
        assert located == whole


def two_spots(*sides: int) -> bytes:
    """Red squares of these sides, far apart, on one grey photo."""
    pixels = np.full((512, 256 * len(sides), 3), 128, np.uint8)
    for number, side in enumerate(sides):
        pixels[128 : 128 + side, 256 * number + 64 : 256 * number + 64 + side] = RED
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_everything_that_is_found_is_classified_by_itself(engine: Engine) -> None:
    photo = two_spots(64, 64)
    ((answer,), (whole,)) = engine.classify_subjects([photo], domain="birds"), engine.classify([photo], domain="birds")
    assert isinstance(answer, SubjectsAnswer)
    assert isinstance(whole, ClassifyAnswer)
    boxes = [subject.box for subject in answer.subjects]
    assert len(boxes) >= 2
    assert {box.x > 256 for box in boxes if isinstance(box, Box)} == {False, True}
    assert answer.image == whole.image == ImageSize(512, 512)


def test_what_is_left_out_is_named_with_its_reason(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subjects, "SIDE_LEAST_PX", 10_000)
    (none_large,) = engine.classify_subjects([two_spots(64)], domain="birds")
    assert isinstance(none_large, SubjectsAnswer)
    assert none_large.subjects == []
    assert "at least 10000 are needed" in none_large.omitted[0].reason
    monkeypatch.undo()
    monkeypatch.setattr(subjects, "SUBJECTS_LIMIT", 1)
    (one,) = engine.classify_subjects([two_spots(64, 64)], domain="birds")
    assert isinstance(one, SubjectsAnswer)
    assert len(one.subjects) == 1
    assert "the 1 surest are answered" in one.omitted[0].reason


def test_a_photo_without_subjects_has_an_empty_answer_and_a_drawing(engine: Engine) -> None:
    (answer,) = engine.classify_subjects([spot(BLUE)], domain="birds")
    assert isinstance(answer, SubjectsAnswer)
    assert (answer.subjects, answer.omitted) == ([], [])
    for photo, told in (
        (spot(BLUE), answer),
        (two_spots(64), engine.classify_subjects([two_spots(64)], domain="birds")[0]),
    ):
        assert isinstance(told, SubjectsAnswer)
        assert Image.open(io.BytesIO(draw_subjects(photo, told))).height >= LEAST_SIDE_PX


def test_it_needs_a_detector(tmp_path: Path) -> None:
    make_bundle(tmp_path, backend="echo")
    with pytest.raises(NotFound, match="can locate"):
        Engine(tmp_path, testing_backends=True).classify([spot(RED)], locate=True)
    with pytest.raises(NotFound, match="can locate"):
        Engine(tmp_path, testing_backends=True).classify_subjects([spot(RED)])


def test_without_a_choice_of_domains_a_subject_is_of_the_only_one(tmp_path: Path) -> None:
    make_bundle(tmp_path / "store", name="birds", domain="birds")
    make_tiny_detector(tmp_path / "published", tmp_path / "store")
    engine = Engine(tmp_path / "store", lanes=1)
    car = spot(GREEN, at=(64, 32))
    assert engine.classify([car], locate=True) == engine.classify([car])
    (told,) = engine.classify_subjects([car])
    assert isinstance(told, SubjectsAnswer)
    assert told.subjects == []


def test_of_all_subjects_only_those_are_left_out_that_no_candidate_fits(tmp_path: Path) -> None:
    store = tmp_path / "store"
    make_bundle(store, name="birds", domain="birds", classes=4)
    make_bundle(store, name="cars", domain="cars")
    make_router(store)
    make_tiny_detector(tmp_path / "published", store)
    engine = Engine(store, lanes=1)
    pixels = np.full((512, 512, 3), 128, np.uint8)
    pixels[128:192, 64:128], pixels[128:192, 320:384] = RED, GREEN
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    (told,) = engine.classify_subjects([buffer.getvalue()], parameters=Parameters(candidates=("Hue 3",)))
    assert isinstance(told, SubjectsAnswer)
    assert {subject.predictions[0].label for subject in told.subjects} == {"Hue 3"}
    assert any("None of the 1 candidates" in one.reason for one in told.omitted)
    (told,) = engine.classify_subjects([buffer.getvalue()], parameters=Parameters(candidates=("dodo",)))
    assert isinstance(told, InvalidParameter)
