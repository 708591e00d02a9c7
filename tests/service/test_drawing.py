"""The picture of an answer: its size, its marks and its words. What it looks like, a person has to judge."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from msgspec import UNSET
from PIL import Image, ImageDraw

from service.answers import (
    Box,
    ClassifyAnswer,
    EvidenceMap,
    Explanation,
    ImageSize,
    ModelRef,
    PhotoPart,
    PhraseWeight,
    Prediction,
    Region,
)
from service.drawing import LEAST_SIDE_PX, SIDE_PX, draw_answer, draw_grounding
from service.replies import GroundAnswer, Located
from tests.bundles import solid_photo

GREY = (120, 120, 120)
BEST = Prediction("1.Jay", "Blue Jay", 0.9)
MODEL = ModelRef("birds", "1.0.0", "pma")


def draw(width: int, height: int, explanation: Explanation | None = None, **parts: object) -> np.ndarray:
    answer = ClassifyAnswer(MODEL, [BEST], ImageSize(width, height), explanation=explanation or UNSET, **parts)  # type: ignore[arg-type]
    return pixels(draw_answer([solid_photo(GREY, width=width, height=height, image_format="PNG")], answer))


def pixels(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"), np.int64)


def is_grey(part: np.ndarray) -> bool:
    return bool((np.abs(part - 120) <= 1).all())


@pytest.mark.parametrize(
    ("width", "height", "drawn"),
    [(800, 400, 800), (3000, 1500, SIDE_PX), (60, 30, LEAST_SIDE_PX), (20_000, 40, SIDE_PX), (4_000, 1, SIDE_PX)],
)
def test_a_picture_is_as_wide_as_a_person_can_use(width: int, height: int, drawn: int) -> None:
    assert draw(width, height).shape[1] == drawn


def test_a_region_is_outlined_where_it_lies_and_nowhere_else() -> None:
    box = Box(400, 100, 200, 150)
    shown = draw(800, 400, Explanation("pma", regions=[Region("stage", box, stage=1, weight=0.5)]))[:400]
    outlined = np.argwhere(np.abs(shown - 120).max(-1) > 1)
    assert (outlined.min(0).tolist(), outlined.max(0).tolist()) == ([100, 400], [250, 600])
    assert is_grey(shown[140:240, 410:590])


def test_a_region_keeps_its_place_when_the_photo_is_scaled() -> None:
    shown = draw(1600, 800, Explanation("s3n", regions=[Region("discriminative", Box(800, 400, 800, 400))]))
    rows, columns = shown.shape[1] // 2, shown.shape[1]
    outlined = np.argwhere(np.abs(shown[:rows] - 120).max(-1) > 1)
    assert outlined.min(0).tolist() == pytest.approx([rows / 2, columns / 2], abs=2)


def test_evidence_warms_its_cells_and_darkens_the_rest() -> None:
    shown = draw(800, 400, Explanation("plain", map=EvidenceMap(2, 2, [0, 1, 0, 0])))
    warm, cold = shown[50, 750], shown[350, 50]
    assert warm[0] > warm[1] + 50
    assert (cold < 120).all()
    assert np.ptp(cold) <= 2


def test_evidence_of_a_part_of_the_photo_lies_on_that_part() -> None:
    part = EvidenceMap(1, 1, [1], Box(200, 0, 400, 400))
    shown = draw(800, 400, Explanation("plain", map=part))
    assert np.ptp(shown[200, 100]) <= 2
    assert np.ptp(shown[200, 400]) > 50
    beyond = EvidenceMap(1, 1, [1], Box(0, -200, 800, 800))
    assert np.ptp(draw(800, 400, Explanation("plain", map=beyond))[200, 400]) > 50


def test_each_explained_region_has_its_line() -> None:
    plain = draw(800, 400).shape[0]
    phrases = [PhraseWeight("red crown", 0.7), PhraseWeight("a very long phrase " * 20, 0.3)]
    regions = [Region("stage", Box(0, 0, 9, 9), stage=n + 1, weight=0.5, phrases=phrases) for n in range(7)]
    told = draw(800, 400, Explanation("pma", False, regions), text_reason="x" * 500, text_conflict=True)
    assert told.shape[0] == plain + 26 * (7 + 3)
    assert told.shape[1] == 800


def test_several_photos_lie_side_by_side() -> None:
    explanation = Explanation("plain", map=EvidenceMap(1, 1, [1]))
    parts = [PhotoPart(ImageSize(80, 40), BEST, explanation), PhotoPart(ImageSize(40, 80), BEST)]
    photos = [solid_photo(GREY, width=part.image.width, height=part.image.height, image_format="PNG") for part in parts]
    answer = ClassifyAnswer(MODEL, [BEST], ImageSize(80, 40), photos=parts)
    shown = pixels(draw_answer(photos, answer))
    assert shown.shape[1] == 480 + 8 + 240
    assert not is_grey(shown[:200, :470])
    assert is_grey(shown[:470, 500:])


@pytest.mark.parametrize("said", ["the red bird\non the left", "the red bird on the left " * 80])
def test_words_of_any_length_and_with_any_lines_are_measured_a_few_times(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []
    measure = ImageDraw.ImageDraw.textlength

    def watched(pen: ImageDraw.ImageDraw, text: str, **options: Any) -> float:
        measured.append(text)
        return measure(pen, text, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "textlength", watched)
    found = Located(said, True, 0.9, 0.9, 0.9, Box(1, 1, 9, 9))
    answer = GroundAnswer(ModelRef("ground", "1.0.0", "referring"), [found], ImageSize(64, 48))
    with Image.open(io.BytesIO(draw_grounding(solid_photo(), answer))) as picture:
        assert picture.format == "PNG"
    assert len(measured) < 50
