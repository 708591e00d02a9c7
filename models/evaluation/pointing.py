"""The pointing game: whether an explanation points at the subject, and at one of its parts.

A point hits a box if it lies inside, and a part if it is within a tenth of the box's diagonal. A point in the middle of the
photo is the control, since subjects are centred.

Owns the count; where boxes and parts come from is `models.evaluation.places`'s part. Source: Zhang et al., "Top-down
neural attention by excitation backprop", IJCV 2018.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from models.evaluation.heat import Point
from models.evaluation.metrics import Interval, Share, paired, share
from models.evaluation.places import Place

NEAR = 0.1  # of the box's diagonal
MIDDLE: Point = (0.5, 0.5)


@dataclass(frozen=True, slots=True)
class Pointing:
    """Shares of points in the box and near a part, beside those of the photo's middle, with the paired differences."""

    box: Share
    part: Share
    middle_box: Share
    middle_part: Share
    box_margin: Interval
    part_margin: Interval


def play(points: Iterable[tuple[Place, Point]]) -> Pointing:
    """Count hits of points given in 0..1 of the photo.

    Raises:
        ValueError: there are no points.
    """
    pairs = list(points)
    if not pairs:
        raise ValueError("no photo has both a place and an explanation")
    names = [place.photo for place, _ in pairs]
    seen = [(place, point) for place, point in pairs if place.parts]
    seen_names = [place.photo for place, _ in seen]
    box = np.array([hits_box(place, point) for place, point in pairs])
    middle_box = np.array([hits_box(place, MIDDLE) for place, _ in pairs])
    part = np.array([hits_part(place, point) for place, point in seen])
    middle_part = np.array([hits_part(place, MIDDLE) for place, _ in seen])
    return Pointing(
        box=share(box, names),
        part=share(part, seen_names),
        middle_box=share(middle_box, names),
        middle_part=share(middle_part, seen_names),
        box_margin=paired(box, middle_box, names),
        part_margin=paired(part, middle_part, seen_names),
    )


def hits_box(place: Place, point: Point) -> bool:
    """Whether a point lies inside the subject's box."""
    x, y = point
    return place.x <= x <= place.x + place.width and place.y <= y <= place.y + place.height


def hits_part(place: Place, point: Point) -> bool:
    """Whether a point is within a tenth of the box's diagonal of a visible part, measured in the photo's pixels."""
    near = NEAR * math.hypot(place.width * place.photo_width, place.height * place.photo_height)
    return any(_distance(place, part, point) <= near for part in place.parts)


def _distance(place: Place, one: Sequence[float], other: Sequence[float]) -> float:
    return math.hypot((one[0] - other[0]) * place.photo_width, (one[1] - other[1]) * place.photo_height)
