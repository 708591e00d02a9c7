"""A photo as a picture for people: scaled to a useful size, with boxes, warmth or shade on it, and lines of words below.

For people: only the photo's own pixels are scaled, and what is drawn has the colours of the lines that explain it. Pillow's
own font is all that it needs. What is drawn of an answer is the affair of the modules beside this one.
"""

from __future__ import annotations

import bisect
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from msgspec import UnsetType
from PIL import Image, ImageDraw, ImageFont

from models.preprocess import decode
from service.answers import Box, EvidenceMap, ImageSize

#: Longer side of the drawn photo.
SIDE_PX = 1024
#: A smaller photo is enlarged to this, so that boxes and their marks have room.
LEAST_SIDE_PX = 640
#: Decoding reduces by powers of two to above this; it leaves enough for `SIDE_PX`.
_DECODE_PX = 512

Colour = tuple[int, int, int]
#: Okabe and Ito's colours that stand out from photos, also to the colour-blind: one after the other.
COLOURS: tuple[Colour, ...] = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (204, 121, 167))
_PAPER, _INK, _FAINT = (255, 255, 255), (24, 24, 24), (96, 96, 96)
_PNG_LEVEL = 3  # a photo packs hardly better with more, at several times the work


@dataclass(frozen=True, slots=True)
class Line:
    """A line below the photo, with the colour of what it explains."""

    text: str
    colour: Colour | None = None
    is_faint: bool = False


def colour_of(number: int) -> Colour:
    """The colour of the n-th thing that is drawn."""
    return COLOURS[number % len(COLOURS)]


def draw_photo(encoded: bytes | memoryview, side_px: int = SIDE_PX) -> Image.Image:
    """Decode a photo and bring its longer side to `side_px`, or to `LEAST_SIDE_PX` where it is that small.

    Raises:
        ImageError: the photo cannot be decoded.
    """
    picture = Image.fromarray(decode(encoded, _DECODE_PX).pixels)
    longer = max(picture.size)
    scale = min(side_px, max(longer, LEAST_SIDE_PX)) / longer
    if scale == 1:
        return picture
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BICUBIC)


def spread_cells(
    picture: Image.Image, size: ImageSize, cells: EvidenceMap, resampling: Image.Resampling
) -> npt.NDArray[np.float32]:
    """The value of each pixel by its cell, 0 outside the map's box: f32 [height, width, 1]."""
    values = np.array(cells.values, np.float32).reshape(cells.rows, cells.columns)
    box = cells.box if isinstance(cells.box, Box) else Box(0, 0, size.width, size.height)
    left, top, right, bottom = corners(picture, size, box)
    spread = Image.fromarray(values).resize((max(1, right - left), max(1, bottom - top)), resampling)
    canvas = Image.new("F", picture.size)
    canvas.paste(spread, (left, top))
    values_of_pixels: npt.NDArray[np.float32] = np.asarray(canvas, np.float32)
    return np.clip(values_of_pixels, 0, 1)[..., None]


def outline(picture: Image.Image, size: ImageSize, box: Box, mark: str, colour: Colour) -> None:
    """Outline a box in its colour within a dark line, and mark its corner."""
    pen = ImageDraw.Draw(picture)
    edges = corners(picture, size, box)
    pen.rectangle(edges, outline=_INK, width=6)
    inner = edges[0] + 1, edges[1] + 1, max(edges[0] + 1, edges[2] - 1), max(edges[1] + 1, edges[3] - 1)
    pen.rectangle(inner, outline=colour, width=4)
    font = _font(18)
    ends = pen.textbbox((edges[0] + 9, edges[1] + 6), mark, font=font)
    pen.rectangle((edges[0], edges[1], ends[2] + 6, ends[3] + 5), fill=colour)
    pen.text((edges[0] + 9, edges[1] + 6), mark, fill=_INK, font=font)


def number_boxes(picture: Image.Image, size: ImageSize, boxes: Iterable[Box | UnsetType]) -> None:
    """Outline boxes in their colours, each marked by its place among all, from 1; what has none is passed over."""
    for number, box in enumerate(boxes):
        if isinstance(box, Box):
            outline(picture, size, box, str(number + 1), colour_of(number))


def corners(picture: Image.Image, size: ImageSize, box: Box) -> tuple[int, int, int, int]:
    """Where a box of the photo lies on its picture."""
    across, down = picture.width / size.width, picture.height / size.height
    left, top = round(box.x * across), round(box.y * down)
    return left, top, round((box.x + box.width) * across), round((box.y + box.height) * down)


def write_picture(panels: Sequence[Image.Image], lines: Sequence[Line]) -> bytes:
    """Photos side by side and lines below them, as a PNG; the first line is the title."""
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
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=_PNG_LEVEL)
    return buffer.getvalue()


def _shorten(pen: ImageDraw.ImageDraw, text: str, width: int, is_title: bool) -> str:
    font = _font(20 if is_title else 16)
    text = " ".join(text.split())  # a person's words may have lines of their own
    if pen.textlength(text, font=font) <= width:
        return text
    fitting = bisect.bisect_right(
        range(len(text)), width, key=lambda count: math.ceil(pen.textlength(f"{text[:count]} ...", font=font))
    )
    return f"{text[: max(0, fitting - 1)].rstrip()} ..."


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
