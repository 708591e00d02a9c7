"""Explanations against models whose reason is known: one that is right, one that is wrong, and the controls."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.faithfulness import STEPS, Outputs, blur, exchanged, measure
from models.evaluation.heat import centre_heat, heat_of, point_of, random_heat, regions_of
from models.preprocess import Pixels

SIZE = 64
CORNER = slice(0, 16)


class CornerModel:
    """Sees class 1 as far as the top left corner is a fine board; says so, or points at the opposite corner."""

    def __init__(self, is_honest: bool) -> None:
        cells = np.zeros((4, 4), np.float32)
        cells[0, 0] = 1
        self.cells = cells if is_honest else cells[::-1, ::-1].copy()

    def __call__(self, images: Pixels) -> Outputs:
        """Logits by the contrast in the corner."""
        contrast = images[:, CORNER, CORNER, 0].astype(np.float32).std((1, 2)) / 16
        logits = np.stack([np.full(len(images), 2.0, np.float32), contrast], 1)
        return {"logits": logits, "activation": np.repeat(self.cells[None], len(images), 0)}


def photos(count: int = 6) -> list[tuple[str, Pixels]]:
    board = (np.indices((SIZE, SIZE)).sum(0) % 2 * 200).astype(np.uint8)
    return [(str(number), np.repeat(board[:, :, None], 3, 2) + np.uint8(number)) for number in range(count)]


def test_an_explanation_that_shows_the_reason_is_faithful() -> None:
    found = measure(CornerModel(True), photos())
    assert found.is_faithful
    assert found.deletion["explanation"] < 0.5 * found.deletion["random"]
    assert found.insertion["explanation"] > found.insertion["random"]
    assert found.count == 6


def test_an_explanation_that_shows_something_else_is_not() -> None:
    found = measure(CornerModel(False), photos())
    assert not found.is_faithful
    assert found.margins["random"].mean < 0


def test_the_photo_is_exchanged_in_equal_steps_hottest_first() -> None:
    start, end = np.zeros((20, 20, 3), np.uint8), np.full((20, 20, 3), 255, np.uint8)
    heat = np.arange(400, dtype=np.float32).reshape(20, 20)
    steps = exchanged(start, end, heat)
    taken = (steps[..., 0] == 255).sum((1, 2))
    assert taken.tolist() == [40 * step for step in range(STEPS + 1)]
    assert (steps[1, -2:] == 255).all()
    assert not steps[1, :-2].any()


def test_blurring_takes_the_detail_and_leaves_the_colour() -> None:
    ((_, image),) = photos(1)
    assert blur(image).std() < 0.05 * image.std()
    assert blur(image).mean() == pytest.approx(image.mean(), abs=1)


def test_a_graph_that_explains_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no outputs that explain"):
        measure(lambda images: {"logits": np.zeros((len(images), 2), np.float32)}, photos(1))
    with pytest.raises(ValueError, match="no photos"):
        measure(CornerModel(True), [])


def test_a_map_points_at_its_maximum_and_breaks_ties_by_nearness() -> None:
    cells = np.zeros((1, 4, 4), np.float32)
    cells[0, 3, 0] = 5
    outputs = {"activation": cells}
    assert point_of(outputs, SIZE) == (0.125, 0.875)
    heat = heat_of(outputs, SIZE)
    assert heat is not None
    assert heat[40, 0] > heat[0, 40]  # neither has evidence


def test_blocks_of_pma_become_regions_with_weights() -> None:
    outputs = {"stage_block": np.array([[7, 0, 35]]), "stage_weight": np.array([[0.2, 0.5, 0.3]], np.float32)}
    first, second, third = regions_of(outputs, 192)  # 6 x 6 blocks
    assert (first.x, first.y, first.width) == pytest.approx((1 / 6, 1 / 6, 1 / 6))
    assert (third.x, third.y) == pytest.approx((5 / 6, 5 / 6))
    assert point_of(outputs, 192) == pytest.approx(second.centre)
    heat = heat_of(outputs, 192)
    assert heat is not None
    ranked = [heat[5, 5], heat[180, 180], heat[40, 40], heat[33, 70], heat[100, 100]]  # the last two lie outside
    assert ranked == sorted(ranked, reverse=True)
    assert ranked[2] > 0 > ranked[3]


def test_the_region_of_a_zoom_and_the_attention_of_a_sampler_are_read() -> None:
    region = {"region": np.array([[0.25, 0.5, 0.5, 0.25]], np.float32)}
    assert point_of(region, SIZE) == pytest.approx((0.5, 0.625))
    attention = np.zeros((1, 2, 31, 31), np.float32)
    attention[0, 0, 30, 30] = attention[0, 1, 0, 0] = 1
    assert point_of({"attention": attention}, SIZE) == (pytest.approx(1, abs=0.05), pytest.approx(1, abs=0.05))
    assert point_of({"logits": np.zeros((1, 2))}, SIZE) is None


def test_the_controls_are_the_middle_and_noise() -> None:
    middle = centre_heat(SIZE)
    assert middle[31, 31] == middle.max()
    assert middle[0, 0] == pytest.approx(middle.min())
    first, again = (random_heat(SIZE, np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(first, again)
