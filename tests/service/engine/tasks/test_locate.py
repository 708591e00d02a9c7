"""Subjects that a detector proposes: which boxes are kept, and what is classified of a photo where it sees one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from service.answers import Box, ClassifyAnswer, Parameters
from service.engine import Engine
from service.engine.tasks.locate import PROPOSALS_LIMIT, keep_apart
from service.errors import NotFound
from service.replies import Proposals
from tests.bundles import make_bundle
from tests.detector import make_tiny_detector, spot

RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    store = tmp_path_factory.mktemp("store")
    make_bundle(store, name="birds", domain="birds")
    make_bundle(store, name="cars", domain="cars", backend="echo")
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


def test_without_a_proposal_of_the_domain_the_whole_photo_is_classified(engine: Engine) -> None:
    for photo in (spot(BLUE), spot((0, 255, 0))):
        (whole,) = engine.classify([photo], model="birds")
        (located,) = engine.classify([photo], model="birds@1.0.0", locate=True)
        assert located == whole


def test_it_needs_a_detector(tmp_path: Path) -> None:
    make_bundle(tmp_path, backend="echo")
    with pytest.raises(NotFound, match="can locate"):
        Engine(tmp_path, testing_backends=True).classify([spot(RED)], locate=True)
