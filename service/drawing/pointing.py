"""What words meant, drawn on the photo: a box for each expression, or the cells that an answer was read from, as a PNG."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

from service.answers import Box, ModelRef
from service.drawing.picture import Line, colour_of, draw_photo, number_boxes, spread_cells, write_picture
from service.replies import GroundAnswer, Located, QuestionAnswer

_SHADE = 0.7  # how much a cell that was not read is darkened


def draw_grounding(photo: bytes | memoryview, answer: GroundAnswer) -> bytes:
    """Draw the boxes of expressions on their encoded photo, numbered in the order of the expressions.

    Raises:
        ImageError: the photo cannot be decoded.
    """
    picture = draw_photo(photo)
    number_boxes(picture, answer.image, [result.box for result in answer.results])
    lines = [_tell(number, result) for number, result in enumerate(answer.results)]
    return write_picture([picture], [*lines, _signature(answer.model)])


def draw_kept(photo: bytes | memoryview, answer: QuestionAnswer) -> bytes:
    """Draw the cells that an answer was read from on their encoded photo: the others lie in the shade.

    Raises:
        ImageError: the photo cannot be decoded.
    """
    picture = draw_photo(photo)
    kept = spread_cells(picture, answer.image, answer.kept, Image.Resampling.NEAREST)
    shaded = np.asarray(picture, np.float32) * (1 - _SHADE * (1 - kept))
    return write_picture([Image.fromarray(shaded.astype(np.uint8))], list(_lines(answer)))


def _tell(number: int, result: Located) -> Line:
    said = f"{number + 1}  {result.expression}"
    if result.found:
        return Line(f"{said}  {result.score:.1%}", colour_of(number))
    return Line(f"{said}: not there. {result.reason}", colour_of(number) if isinstance(result.box, Box) else None)


def _lines(answer: QuestionAnswer) -> Iterator[Line]:
    best, *others = answer.answers
    yield Line(f"{answer.question}  {best.answer} ({best.probability:.1%})")
    if others:
        yield Line("or " + ", ".join(f"{other.answer} {other.probability:.1%}" for other in others[:3]))
    note = f"; uncertain: {answer.reason}" if answer.uncertain is True else ""
    yield _signature(answer.model, note)


def _signature(model: ModelRef, note: str = "") -> Line:
    return Line(f"{model.name} {model.version} ({model.system}){note}", is_faint=True)
