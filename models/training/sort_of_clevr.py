"""Sort-of-CLEVR: drawn scenes of six coloured shapes, with questions about one of them and about how they relate.

Santoro et al., "A simple neural network module for relational reasoning", NeurIPS 2017, section 4.3. A scene and its
questions follow from a seed alone. An object's nearest and farthest are sought among the others; a scene in which two
of them are equally near or far to a third is drawn anew, so that every question has one answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

import numpy as np

from models.preprocess import Pixels

Shape = Literal["square", "circle"]
Kind = Literal["non-relational", "relational"]

SIZE_PX = 75
RADIUS_PX = 5
#: In the order in which they are drawn, later ones on top.
COLOURS = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "orange": (255, 156, 0),
    "grey": (128, 128, 128),
    "yellow": (255, 255, 0),
}
QUESTIONS_A_KIND = 10
#: How many scenes a part has, and the seed that they follow from.
PARTS = {"train": (9000, 1), "validation": (500, 2), "test": (1000, 3)}

#: What is asked of one figure alone, and of how it stands to the others.
SUBTYPES: dict[Kind, tuple[str, ...]] = {
    "non-relational": ("shape", "left", "top"),
    "relational": ("nearest", "farthest", "count"),
}

_NEAREST_PX = 2 * RADIUS_PX
_LAST_CENTRE = SIZE_PX - RADIUS_PX - 1
_MIDDLE = SIZE_PX / 2


@dataclass(frozen=True, slots=True)
class Figure:
    """One object: its colour, its shape, and its centre in pixels from the top left."""

    colour: str
    shape: Shape
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class SceneQuestion:
    """A question in words with its answer; `subtype` tells which of the six it is."""

    text: str
    answer: str
    kind: Kind
    subtype: str


@dataclass(frozen=True, slots=True)
class DrawnScene:
    """Six figures, one of each colour in the order of `COLOURS`, and what is asked about them."""

    figures: tuple[Figure, ...]
    questions: tuple[SceneQuestion, ...]

    def draw(self) -> Pixels:
        """The picture, uint8 [75, 75, 3]."""
        canvas = np.full((SIZE_PX, SIZE_PX, 3), 255, np.uint8)
        rows, columns = np.mgrid[:SIZE_PX, :SIZE_PX]
        for figure in self.figures:
            across, down = columns - figure.x, rows - figure.y
            if figure.shape == "square":
                inside = (np.abs(across) <= RADIUS_PX) & (np.abs(down) <= RADIUS_PX)
            else:
                inside = across**2 + down**2 <= RADIUS_PX**2
            canvas[inside] = COLOURS[figure.colour]
        return canvas


def generate_scenes(count: int, seed: int) -> Iterator[DrawnScene]:
    """Scenes with 10 questions of each kind; the same seed gives the same scenes, and the first of more are the same."""
    rng = Random(seed)
    for _ in range(count):
        figures = place_figures(rng)
        drawn = [
            (rng.choice(subtypes), rng.choice(figures))
            for subtypes in SUBTYPES.values()
            for _ in range(QUESTIONS_A_KIND)
        ]
        yield DrawnScene(figures, tuple(ask(figures, subtype, figure.colour) for subtype, figure in drawn))


def place_figures(rng: Random) -> tuple[Figure, ...]:
    """Six figures with their centres two radii apart or more, drawn until no two others are equally far from a third."""
    while True:  # squared distances are whole numbers: ties are not rare, and scenes without one are common
        figures: list[Figure] = []
        for colour in COLOURS:
            shape: Shape = "square" if rng.random() < 0.5 else "circle"
            figures.append(_place(colour, shape, figures, rng))
        if not _has_tie(figures):
            return tuple(figures)


def _place(colour: str, shape: Shape, placed: list[Figure], rng: Random) -> Figure:
    """A centre at least two radii from all others: five of these shut out less than half of where it may lie."""
    while True:
        figure = Figure(colour, shape, rng.randint(RADIUS_PX, _LAST_CENTRE), rng.randint(RADIUS_PX, _LAST_CENTRE))
        if all(_squared_distance(figure, other) >= _NEAREST_PX**2 for other in placed):
            return figure


def _squared_distance(one: Figure, other: Figure) -> int:
    return (one.x - other.x) ** 2 + (one.y - other.y) ** 2


def _has_tie(figures: list[Figure]) -> bool:
    """Whether some figure has two nearest or two farthest others."""
    for figure in figures:
        far = sorted(_squared_distance(figure, other) for other in figures if other is not figure)
        if far[0] == far[1] or far[-1] == far[-2]:
            return True
    return False


def ask(figures: Sequence[Figure], subtype: str, colour: str) -> SceneQuestion:
    """The question of a subtype about the figure of a colour, with its answer."""
    figure = next(one for one in figures if one.colour == colour)
    others = [other for other in figures if other is not figure]
    wording, answer = _ASKED[subtype]
    kind: Kind = "relational" if subtype in SUBTYPES["relational"] else "non-relational"
    return SceneQuestion(wording.format(colour), answer(figure, others), kind, subtype)


def _shape(figure: Figure, _others: list[Figure]) -> str:
    return figure.shape


def _is_left(figure: Figure, _others: list[Figure]) -> str:
    return "yes" if figure.x < _MIDDLE else "no"


def _is_top(figure: Figure, _others: list[Figure]) -> str:
    return "yes" if figure.y < _MIDDLE else "no"


def _nearest(figure: Figure, others: list[Figure]) -> str:
    return min(others, key=lambda other: _squared_distance(figure, other)).shape


def _farthest(figure: Figure, others: list[Figure]) -> str:
    return max(others, key=lambda other: _squared_distance(figure, other)).shape


def _same_shape(figure: Figure, others: list[Figure]) -> str:
    return str(sum(other.shape == figure.shape for other in others))


#: The words of each subtype around the colour, and how it is answered.
_ASKED: dict[str, tuple[str, Callable[[Figure, list[Figure]], str]]] = {
    "shape": ("what shape is the {} object ?", _shape),
    "left": ("is the {} object on the left ?", _is_left),
    "top": ("is the {} object at the top ?", _is_top),
    "nearest": ("what shape is the object closest to the {} object ?", _nearest),
    "farthest": ("what shape is the object farthest from the {} object ?", _farthest),
    "count": ("how many other objects have the shape of the {} object ?", _same_shape),
}
