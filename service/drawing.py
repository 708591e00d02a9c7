"""An answer drawn on its photo: what the model looked at as boxes and warmth, and what it says below, as a PNG.

For people: regions have the colours of the lines that explain them, and only the photo's own pixels are scaled. Used by the
worker and the command line where a picture was asked for; Pillow's own font is all that it needs.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from models.preprocess import decode
from service.answers import Box, ClassifyAnswer, EvidenceMap, Explanation, ImageSize, Region

#: Longer side of the drawn photo; of each one where there are several.
SIDE_PX = 1024
SIDE_OF_SEVERAL_PX = 480
#: A smaller photo is enlarged to this, so that boxes and their marks have room.
LEAST_SIDE_PX = 640
#: Decoding reduces by powers of two to above this; it leaves enough for `SIDE_PX`.
_DECODE_PX = 512

#: Okabe and Ito's colours that stand out from photos, also to the colour-blind: one after the other, also for stages.
_COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (204, 121, 167))
_WARM = (255, 0, 170)  # magenta: few birds and cars have it
_WARMTH = 0.6  # of the warmest cell
_COOLNESS = 0.35  # how much the coldest is darkened
_PAPER, _INK, _FAINT = (255, 255, 255), (24, 24, 24), (96, 96, 96)
_MARKS = {"zoom": "zoom", "discriminative": "strong", "complementary": "weak"}
_PNG_LEVEL = 3  # a photo packs hardly better with more, at several times the work


@dataclass(frozen=True, slots=True)
class _Line:
    """A line below the photo, with the colour of what it explains."""

    text: str
    colour: tuple[int, int, int] | None = None
    is_faint: bool = False


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
    picture = _put_together(panels, list(_lines(answer)))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=_PNG_LEVEL)
    return buffer.getvalue()


def _draw_photo(encoded: bytes | memoryview, size: ImageSize, explanation: object, side_px: int) -> Image.Image:
    picture = Image.fromarray(decode(encoded, _DECODE_PX).pixels)
    longer = max(picture.size)
    scale = min(side_px, max(longer, LEAST_SIDE_PX)) / longer
    if scale != 1:
        picture = picture.resize(
            (round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BICUBIC
        )
    if not isinstance(explanation, Explanation):
        return picture
    across, down = picture.width / size.width, picture.height / size.height
    if isinstance(explanation.map, EvidenceMap):
        picture = _warm(picture, explanation.map, across, down)
    if isinstance(explanation.regions, list):
        pen = ImageDraw.Draw(picture)
        for number, region in enumerate(explanation.regions):
            _draw_region(pen, region, _COLOURS[number % len(_COLOURS)], across, down)
    return picture


def _warm(picture: Image.Image, evidence: EvidenceMap, across: float, down: float) -> Image.Image:
    """Tint what carries evidence and darken the rest."""
    cells = np.array(evidence.values, np.float32).reshape(evidence.rows, evidence.columns)
    whole = Box(0, 0, picture.width / across, picture.height / down)
    box = evidence.box if isinstance(evidence.box, Box) else whole
    left, top, right, bottom = _corners(box, across, down)
    smooth = Image.fromarray(cells).resize((max(1, right - left), max(1, bottom - top)), Image.Resampling.BICUBIC)
    canvas = Image.new("F", picture.size)
    canvas.paste(smooth, (left, top))
    warmth = np.clip(np.asarray(canvas), 0, 1)[..., None]
    pixels = np.asarray(picture, np.float32) * (1 - _COOLNESS * (1 - warmth))
    tinted = pixels + (np.array(_WARM, np.float32) - pixels) * (_WARMTH * warmth**2)
    return Image.fromarray(tinted.astype(np.uint8))


def _draw_region(
    pen: ImageDraw.ImageDraw, region: Region, colour: tuple[int, int, int], across: float, down: float
) -> None:
    """Outline a region in its colour within a dark line, and mark its corner."""
    box = _corners(region.box, across, down)
    pen.rectangle(box, outline=_INK, width=6)
    pen.rectangle((box[0] + 1, box[1] + 1, box[2] - 1, box[3] - 1), outline=colour, width=4)
    mark = str(region.stage) if isinstance(region.stage, int) else _MARKS.get(region.kind, region.kind)
    font = _font(18)
    ends = pen.textbbox((box[0] + 9, box[1] + 6), mark, font=font)
    pen.rectangle((box[0], box[1], ends[2] + 6, ends[3] + 5), fill=colour)
    pen.text((box[0] + 9, box[1] + 6), mark, fill=_INK, font=font)


def _corners(box: Box, across: float, down: float) -> tuple[int, int, int, int]:
    left, top = round(box.x * across), round(box.y * down)
    return left, top, round((box.x + box.width) * across), round((box.y + box.height) * down)


def _lines(answer: ClassifyAnswer) -> Iterator[_Line]:
    """What is written below: the answer, what it rests on, and what is to be known about both."""
    best = answer.predictions[0]
    yield _Line(f"{best.label}  {best.probability:.1%}")
    note = f"; uncertain: {answer.reason}" if answer.uncertain is True else ""
    yield _Line(f"{answer.model.name} {answer.model.version} ({answer.model.system}){note}", is_faint=True)
    if answer.text_conflict is True:
        yield _Line("the text seems to speak of something else", is_faint=True)
    if isinstance(answer.text_reason, str):
        yield _Line(answer.text_reason, is_faint=True)
    explanations = [part.explanation for part in answer.photos] if isinstance(answer.photos, list) else []
    for explanation in explanations or [answer.explanation]:
        if isinstance(explanation, Explanation):
            yield from _region_lines(explanation)
            if explanation.faithful is False:
                yield _Line(
                    "such explanations were measured, and are no better than looking at the middle", is_faint=True
                )
            break  # of several photos the colours mean the same in each


def _region_lines(explanation: Explanation) -> Iterator[_Line]:
    regions = explanation.regions if isinstance(explanation.regions, list) else []
    for number, region in enumerate(regions):
        name = f"stage {region.stage}" if isinstance(region.stage, int) else f"{region.kind} region"
        weight = f", weight {region.weight:.2f}" if isinstance(region.weight, float) else ""
        phrases = region.phrases if isinstance(region.phrases, list) else []
        said = "; ".join(f"{phrase.text} {phrase.weight:.2f}" for phrase in phrases[:3])
        yield _Line(f"{name}{weight}{': ' if said else ''}{said}", _COLOURS[number % len(_COLOURS)])


def _put_together(panels: Sequence[Image.Image], lines: Sequence[_Line]) -> Image.Image:
    """Photos side by side, and lines below them."""
    gap, margin, height = 8, 12, 26
    width = sum(panel.width for panel in panels) + gap * (len(panels) - 1)
    top = max(panel.height for panel in panels)
    picture = Image.new("RGB", (width, top + 2 * margin + height * len(lines)), _PAPER)
    left = 0
    for panel in panels:
        picture.paste(panel, (left, 0))
        left += panel.width + gap
    pen = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        at = top + margin + number * height
        indent = margin
        if line.colour is not None:
            pen.rectangle((margin, at + 3, margin + 16, at + 19), fill=line.colour, outline=_INK)
            indent += 26
        text = _shorten(pen, line.text, width - indent - margin, number == 0)
        pen.text((indent, at), text, fill=_FAINT if line.is_faint else _INK, font=_font(20 if number == 0 else 16))
    return picture


def _shorten(pen: ImageDraw.ImageDraw, text: str, width: int, is_title: bool) -> str:
    font = _font(20 if is_title else 16)
    if pen.textlength(text, font=font) <= width:
        return text
    while text and pen.textlength(f"{text} ...", font=font) > width:
        text = text[:-1]
    return f"{text.rstrip()} ..."


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
