"""Grounding through the engine: the box of what is named, what is not there, and features that are kept."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from models.sections import Calibration
from service.answers import Box, ImageSize, Parameters
from service.engine.backends.base import EngineError
from service.engine.backends.providers import RUN_LIMIT
from service.engine.bundle import Bundle, load_bundle
from service.engine.features import FeatureCache
from service.engine.loader import Loader
from service.engine.tasks.base import infer_each
from service.engine.tasks.ground import GroundPlan
from service.errors import UnsupportedMedia
from service.replies import GroundAnswer
from tests.pointing_bundles import make_ground_bundle, two_halves


def encode(pixels: np.ndarray, width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((width, height), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


#: Red on the left, blue on the right, twice as wide as high: bars above and below.
PHOTO = encode(two_halves((255, 0, 0), (0, 0, 255)), 320, 160)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = make_ground_bundle(
        tmp_path_factory.mktemp("store"),
        calibration=Calibration(temperature=2.0, quality_temperature=0.5, absent_below=0.4),
    )
    return load_bundle(folder, Loader()._choose_backend, RUN_LIMIT)


@pytest.fixture
def plan(bundle: Bundle) -> GroundPlan:
    return GroundPlan("ground/auto", bundle, FeatureCache(1 << 20))


def ask(plan: GroundPlan, *expressions: str, photo: bytes = PHOTO, force: bool = False) -> GroundAnswer:
    prepared = plan.prepare([photo], Parameters(expressions=expressions, force=force))
    return plan.finish(prepared, plan.infer([prepared])[0]).answer


def test_each_expression_has_its_box_on_the_photo(plan: GroundPlan) -> None:
    answer = ask(plan, "the red thing", "blue")
    assert answer.image == ImageSize(320, 160)
    for result, left in zip(answer.results, (0, 160), strict=True):
        assert result.found
        assert isinstance(result.box, Box)
        found = (result.box.x, result.box.y, result.box.width, result.box.height)
        assert found == pytest.approx((left, 0, 160, 160), abs=25)
    assert [result.expression for result in answer.results] == ["the red thing", "blue"]


def test_presence_and_quality_have_their_own_temperatures(plan: GroundPlan) -> None:
    (result,) = ask(plan, "red").results
    evidence = 1.0
    assert result.presence == pytest.approx(1 / (1 + np.exp(-(evidence - 0.5) * 20 / 2.0)), abs=1e-3)
    assert result.quality == pytest.approx(1 / (1 + np.exp(-evidence / 0.5)), abs=1e-3)
    assert result.score == pytest.approx(result.presence * result.quality, abs=1e-3)


def test_what_is_not_there_says_so_and_has_a_box_only_on_request(plan: GroundPlan) -> None:
    (result,) = ask(plan, "green").results
    assert not result.found
    assert not isinstance(result.box, Box)
    assert str(result.reason).startswith("The photo seems not to show it: presence 0.0")
    (shown,) = ask(plan, "green", force=True).results
    assert (shown.found, isinstance(shown.box, Box)) == (False, True)


def test_words_that_were_cut_or_are_unknown_are_told(plan: GroundPlan) -> None:
    long, strange, foreign = ask(plan, "the red thing " * 3, "purple red", "\u7ea2\u8272").results
    assert (long.read, long.found) == ("the red thing the red thing", True)
    assert (strange.unknown_words, strange.found) == (["purple"], True)
    assert (foreign.found, foreign.reason) == (False, "pointer@1.0.0 knows none of the words.")


def test_a_photo_is_looked_at_once_and_answers_the_same_again(
    bundle: Bundle, plan: GroundPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = plan.prepare([PHOTO], Parameters(expressions=("red",)))
    fresh = plan.finish(first, plan.infer([first])[0])
    assert fresh.is_cached is False
    monkeypatch.setattr("service.engine.tasks.ground.decode_photos", None)
    again = plan.prepare([memoryview(PHOTO)], Parameters(expressions=("red",)))
    assert again.pixels is None
    kept = plan.finish(again, plan.infer([again])[0])
    assert (kept.is_cached, kept.answer) == (True, fresh.answer)


def test_without_a_cache_nothing_is_kept(bundle: Bundle) -> None:
    plan = GroundPlan("ground/auto", bundle, FeatureCache(0))
    for _ in range(2):
        prepared = plan.prepare([PHOTO], Parameters(expressions=("red",)))
        assert prepared.pixels is not None
        assert plan.finish(prepared, plan.infer([prepared])[0]).is_cached is None


def test_requests_share_a_run_and_are_answered_as_if_alone(plan: GroundPlan) -> None:
    other = encode(two_halves((0, 255, 0), (255, 0, 0)), 100, 200)
    asked = [(PHOTO, ("red", "blue")), (other, ("red",)), (PHOTO, ("blue",))]
    prepared = [plan.prepare([photo], Parameters(expressions=said)) for photo, said in asked]
    together = [plan.finish(p, f).answer for p, f in zip(prepared, plan.infer(prepared), strict=True)]
    assert together == [ask(plan, *said, photo=photo) for photo, said in asked]


def test_a_photo_that_is_none_is_refused(plan: GroundPlan) -> None:
    with pytest.raises(UnsupportedMedia):
        ask(plan, "red", photo=b"no photo")


def test_an_answer_that_is_no_number_is_a_fault(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = GroundPlan("ground/auto", bundle, FeatureCache(0))
    prepared = plan.prepare([PHOTO], Parameters(expressions=("red",)))
    nothing = {"box": np.full((1, 4), np.nan), "conf": np.zeros((1, 2))}
    monkeypatch.setattr(plan, "_read", lambda rows, features: nothing)
    (result,) = infer_each(plan, [prepared])
    assert isinstance(result, EngineError)
