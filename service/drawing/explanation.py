"""Classifications drawn on their photo: what the model looked at as boxes and warmth, and what it says below, as a PNG."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from service.answers import Box, ClassifyAnswer, EvidenceMap, Explanation, ImageSize, SubjectsAnswer
from service.drawing.picture import (
    SIDE_PX,
    Line,
    colour_of,
    draw_photo,
    number_boxes,
    outline,
    spread_cells,
    write_picture,
)

#: Longer side of each drawn photo where there are several.
SIDE_OF_SEVERAL_PX = 480

_WARM = (255, 0, 170)  # magenta: few birds and cars have it
_WARMTH = 0.6  # of the warmest cell
_COOLNESS = 0.35  # how much the coldest is darkened
_SUBJECT = (255, 255, 255)
_MARKS = {"zoom": "zoom", "discriminative": "strong", "complementary": "weak"}


def draw_answer(photos: Sequence[bytes | memoryview], answer: ClassifyAnswer) -> bytes:
    """Draw an answer on the encoded photos that it is about; gives a PNG.

    Raises:
        ImageError: a photo cannot be decoded.
    """
    if isinstance(answer.photos, list):
        panels = [
            _draw_photo(photo, part.image, part.explanation, SIDE_OF_SEVERAL_PX)
            for photo, part in zip(photos, answer.photos, strict=True)
        ]
    else:
        panels = [_draw_photo(photos[0], answer.image, answer.explanation, SIDE_PX)]
        if isinstance(answer.box, Box):
            outline(panels[0], answer.image, answer.box, "subject", _SUBJECT)
    return write_picture(panels, list(_lines(answer)))


def draw_subjects(photo: bytes | memoryview, answer: SubjectsAnswer) -> bytes:
    """Draw every subject's box on the encoded photo, numbered, with what it is below; gives a PNG.

    Raises:
        ImageError: the photo cannot be decoded.
    """
    picture = draw_photo(photo)
    number_boxes(picture, answer.image, [subject.box for subject in answer.subjects])
    return write_picture([picture], list(_subject_lines(answer)))


def _subject_lines(answer: SubjectsAnswer) -> Iterator[Line]:
    if not answer.subjects:
        yield Line("no subject was found")
    for number, subject in enumerate(answer.subjects):
        best = subject.predictions[0]
        yield Line(f"{number + 1}  {best.label}  {best.probability:.1%}", colour_of(number))
    for reason, count in Counter(omitted.reason for omitted in answer.omitted).items():
        yield Line(f"{count} left out: {reason}", is_faint=True)


def _draw_photo(encoded: bytes | memoryview, size: ImageSize, explanation: object, side_px: int) -> Image.Image:
    picture = draw_photo(encoded, side_px)
    if not isinstance(explanation, Explanation):
        return picture
    if isinstance(explanation.map, EvidenceMap):
        picture = _warm(picture, size, explanation.map)
    if isinstance(explanation.regions, list):
        for number, region in enumerate(explanation.regions):
            mark = str(region.stage) if isinstance(region.stage, int) else _MARKS.get(region.kind, region.kind)
            outline(picture, size, region.box, mark, colour_of(number))
    return picture


def _warm(picture: Image.Image, size: ImageSize, evidence: EvidenceMap) -> Image.Image:
    """Tint what carries evidence and darken the rest."""
    warmth = spread_cells(picture, size, evidence, Image.Resampling.BICUBIC)
    pixels = np.asarray(picture, np.float32) * (1 - _COOLNESS * (1 - warmth))
    tinted = pixels + (np.array(_WARM, np.float32) - pixels) * (_WARMTH * warmth**2)
    return Image.fromarray(tinted.astype(np.uint8))


def _lines(answer: ClassifyAnswer) -> Iterator[Line]:
    """What is written below: the answer, what it rests on, and what is to be known about both."""
    best = answer.predictions[0]
    yield Line(f"{best.label}  {best.probability:.1%}")
    note = f"; uncertain: {answer.reason}" if answer.uncertain is True else ""
    yield Line(f"{answer.model.name} {answer.model.version} ({answer.model.system}){note}", is_faint=True)
    if answer.text_conflict is True:
        yield Line("the text seems to speak of something else", is_faint=True)
    if isinstance(answer.text_reason, str):
        yield Line(answer.text_reason, is_faint=True)
    explanations = [part.explanation for part in answer.photos] if isinstance(answer.photos, list) else []
    for explanation in explanations or [answer.explanation]:
        if isinstance(explanation, Explanation):
            yield from _region_lines(explanation)
            if explanation.faithful is False:
                yield Line(
                    "such explanations were measured, and are no better than looking at the middle", is_faint=True
                )
            break  # of several photos the colours mean the same in each


def _region_lines(explanation: Explanation) -> Iterator[Line]:
    regions = explanation.regions if isinstance(explanation.regions, list) else []
    for number, region in enumerate(regions):
        name = f"stage {region.stage}" if isinstance(region.stage, int) else f"{region.kind} region"
        weight = f", weight {region.weight:.2f}" if isinstance(region.weight, float) else ""
        phrases = region.phrases if isinstance(region.phrases, list) else []
        said = "; ".join(f"{phrase.text} {phrase.weight:.2f}" for phrase in phrases[:3])
        yield Line(f"{name}{weight}{': ' if said else ''}{said}", colour_of(number))
