"""Windows on scenes: they hold their object, lie within the scene, and show the object at the size that was drawn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.training.windows import SHARES, window_around

SHARE = st.floats(0, 1)


def area(box: tuple[float, float, float, float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


@pytest.mark.parametrize(("size", "share"), [(0.0, SHARES[0]), (1.0, SHARES[1])])
def test_the_object_takes_the_share_that_was_drawn(size: float, share: float) -> None:
    box = (0.4, 0.4, 0.6, 0.6)
    assert area(box) / area(window_around(box, (size, 0.5, 0.5))) == pytest.approx(share)


def test_a_window_moves_from_one_end_of_the_object_to_the_other() -> None:
    box, size = (0.4, 0.4, 0.6, 0.6), 1.0
    first, last = window_around(box, (size, 0.0, 0.0)), window_around(box, (size, 1.0, 1.0))
    assert first[2:] == pytest.approx(box[2:])
    assert last[:2] == pytest.approx(box[:2])


def test_a_large_object_is_shown_in_its_whole_scene() -> None:
    assert window_around((0.0, 0.1, 0.9, 0.95), (0.0, 0.3, 0.7)) == (0.0, 0.0, 1.0, 1.0)


@given(st.tuples(SHARE, SHARE), st.tuples(SHARE, SHARE), st.tuples(SHARE, SHARE, SHARE))
def test_every_window_holds_its_object_and_lies_in_the_scene(
    across: tuple[float, float], down: tuple[float, float], draw: tuple[float, float, float]
) -> None:
    box = (min(across), min(down), max(across), max(down))
    window = window_around(box, draw)
    assert all(window[side] <= box[side] + 1e-9 for side in (0, 1))
    assert all(window[side] >= box[side] - 1e-9 for side in (2, 3))
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in window)
