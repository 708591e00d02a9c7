"""A window on a scene that holds one of its objects: a real subject at the size that is wanted, with its real edge.

Few scenes have their subject where and as large as a user's photo may have it, and a pasted one has an edge that tells it.
"""

from __future__ import annotations

import math

from models.training.data import Box

#: The object's share of the window, from small to large.
SHARES = (0.1, 0.5)


def window_around(box: Box, draw: tuple[float, float, float]) -> Box:
    """The window, of the scene's own shape: left, top, right and bottom as shares of the scene, as `box` has them.

    `draw` are size, column and row, each in 0..1 of the possible. A scene that is too small for the wanted size is taken whole.
    """
    left, top, right, bottom = box
    wide, high = right - left, bottom - top
    share = SHARES[0] * (SHARES[1] / SHARES[0]) ** draw[0]
    side = min(1.0, max(wide, high, math.sqrt(wide * high / share)))
    across = _between(max(0.0, right - side), min(left, 1.0 - side), draw[1])
    down = _between(max(0.0, bottom - side), min(top, 1.0 - side), draw[2])
    return across, down, across + side, down + side


def _between(low: float, high: float, place: float) -> float:
    return low + place * (high - low)
