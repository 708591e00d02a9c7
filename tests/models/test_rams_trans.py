"""Known answers and properties of RAMS-Trans; the numbers were computed by hand from the equations."""

from collections import deque

import pytest
import torch
from torch.nn import functional as F

from models.layers import region
from models.rams_trans import RAMSTrans, RegionRule, rams_loss
from models.vit import VisionTransformer, ViTShape, resize_position

W1 = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]])
W2 = torch.tensor([[0.2, 0.5, 0.3], [0.3, 0.3, 0.4], [0.6, 0.1, 0.3]])


def _grid(rows: str) -> torch.Tensor:
    return torch.tensor([[float(cell) for cell in row] for row in rows.split("/")]).unsqueeze(0)


def _box(mask: torch.Tensor, steps: int | None = None) -> list[int]:
    return [int(v) for v in region.component_box(region.largest_component(mask, steps))[0]]


@pytest.mark.parametrize(("query", "expected"), [("cls", (0.33, 0.1925)), ("mean", (0.370833, 0.317500))])
def test_known_answer_1_roll_out(query: region.Query, expected: tuple[float, float]) -> None:
    layers = [W1[None, None], W2[None, None]]
    assert region.roll_out(layers, query)[0].tolist() == pytest.approx(expected, abs=1e-6)
    assert region.roll_out(layers[::-1], "cls")[0].tolist() == pytest.approx((0.29, 0.2075), abs=1e-6)


def test_known_answer_1_heads_are_averaged() -> None:
    assert region.roll_out([torch.stack([W1, W2])[None]], "cls")[0].tolist() == pytest.approx((0.2, 0.125), abs=1e-6)


@pytest.mark.parametrize("tokens", [197, 785])
@pytest.mark.parametrize("query", ["mean", "cls"])
def test_known_answer_2_row_form_equals_the_full_product(query: region.Query, tokens: int) -> None:
    generator = torch.Generator().manual_seed(0)
    layers = [torch.randn(1, 2, tokens, tokens, generator=generator).softmax(3) for _ in range(12)]
    product = torch.eye(tokens)
    for weights in layers:
        product = (weights.mean(1)[0] + torch.eye(tokens)) / 2 @ product
    full = product.mean(0) if query == "mean" else product[0]
    assert torch.allclose(region.roll_out(layers, query)[0], full[1:], atol=1e-7)


@pytest.mark.parametrize(
    ("alpha", "cells", "box"), [(1.3, 4, [1, 3, 1, 3]), (2.5, 3, [1, 3, 1, 3]), (3.5, 0, [0, 4, 0, 4])]
)
def test_known_answer_3_mask_and_box(alpha: float, cells: int, box: list[int]) -> None:
    saliency = torch.tensor([[0.1, 0.2, 0.1, 0.1, 0.1, 0.9, 0.8, 0.1, 0.1, 0.2, 0.7, 0.1, 0.6, 0.1, 0.1, 0.1]])
    mask = region.patch_mask(saliency, alpha).reshape(1, 4, 4)
    assert mask.sum().item() == cells
    assert _box(mask) == box


def test_known_answer_4_flat_map_gives_the_whole_image() -> None:
    mask = region.patch_mask(torch.full((1, 16), 0.25), 1.3)
    assert _box(mask.reshape(1, 4, 4)) == [0, 4, 0, 4]


def test_known_answer_5_tie_goes_to_the_first_in_raster_order() -> None:
    mask = torch.zeros(1, 6, 6)
    for row, column in [(0, 3), (0, 4), (1, 4), (4, 0), (5, 0), (5, 1)]:
        mask[0, row, column] = 1
    assert _box(mask) == [0, 2, 3, 5]


def test_known_answer_6_diagonals_join() -> None:
    mask = torch.zeros(1, 4, 4)
    for row, column in [(0, 0), (1, 1), (2, 2), (0, 3), (1, 3)]:
        mask[0, row, column] = 1
    assert region.largest_component(mask).sum() == 5
    assert _box(mask) == [0, 3, 0, 4]


def test_known_answer_7_spiral_needs_its_steps() -> None:
    spiral = _grid("111110/000001/011101/100101/100001/011110")
    assert not torch.equal(region.largest_component(spiral, 16), spiral)
    assert torch.equal(region.largest_component(spiral, 17), spiral)
    assert torch.equal(region.largest_component(spiral), spiral)


def _spiral(side: int) -> torch.Tensor:
    """An inward square spiral of width one with gaps of one: the longest shortest path that a grid can hold."""
    cells = {(0, 0)}
    (row, column), (down, right) = (0, 0), (0, 1)

    def is_free(steps: int) -> bool:
        ahead = (row + steps * down, column + steps * right)
        inside = all(0 <= value < side for value in ahead)
        return (inside or steps == 2) and ahead not in cells

    turned = False
    while True:
        if is_free(1) and is_free(2):
            row, column, turned = row + down, column + right, False
            cells.add((row, column))
        elif turned:
            break
        else:
            (down, right), turned = (right, -down), True
    mask = torch.zeros(1, side, side)
    for cell in cells:
        mask[0, cell[0], cell[1]] = 1
    return mask


@pytest.mark.parametrize(("side", "needed"), [(6, 17), (10, 49), (12, 71), (14, 97), (16, 127), (28, 391)])
def test_known_answer_8_spiral_needs_exactly_the_bound(side: int, needed: int) -> None:
    spiral = _spiral(side)
    assert region.steps_needed(side) == needed + 1
    assert torch.equal(region.largest_component(spiral, needed), spiral)
    assert not torch.equal(region.largest_component(spiral, needed - 1), spiral)


def test_known_answer_8_zoom_of_a_small_image() -> None:
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    view = region.zoom(image, torch.tensor([[1.0, 3.0, 0.0, 2.0]]))[0, 0]
    assert view[0].tolist() == pytest.approx([4, 4.333333, 4.666667, 5], abs=1e-5)
    assert view[3].tolist() == pytest.approx([8, 8.333333, 8.666667, 9], abs=1e-5)
    rows = region.interpolation(torch.tensor([1.0]), torch.tensor([3.0]), 4)[0]
    assert rows[1].tolist() == pytest.approx([0, 0.666667, 0.333333, 0], abs=1e-6)
    assert torch.equal(region.zoom(image, torch.tensor([[0.0, 4.0, 0.0, 4.0]])), image)
    assert torch.equal(region.zoom(image, torch.tensor([[2.0, 3.0, 1.0, 2.0]])), torch.full((1, 1, 4, 4), 9.0))


def test_known_answer_9_box_in_pixels() -> None:
    mask = torch.zeros(1, 14, 14)
    mask[0, 3:5, 4:7] = 1
    assert (region.component_box(region.largest_component(mask)) * 16)[0].tolist() == [48, 80, 64, 112]


@pytest.mark.parametrize(
    ("rows", "columns", "box"),
    [
        (slice(0, 14), slice(0, 14), [0, 14, 0, 14]),
        (slice(5, 6), slice(9, 10), [5, 6, 9, 10]),
        (slice(0, 1), slice(0, 1), [0, 1, 0, 1]),
        (slice(13, 14), slice(13, 14), [13, 14, 13, 14]),
        (slice(0, 1), slice(0, 14), [0, 1, 0, 14]),
        (slice(0, 14), slice(13, 14), [0, 14, 13, 14]),
    ],
    ids=["all", "one", "first", "last", "upper border", "right border"],
)
def test_a_mask_that_is_full_tiny_or_at_the_border_has_its_box(rows: slice, columns: slice, box: list[int]) -> None:
    mask = torch.zeros(1, 14, 14)
    mask[0, rows, columns] = 1
    assert torch.equal(region.largest_component(mask), mask)
    assert _box(mask) == box


def test_known_answer_10_loss() -> None:
    value = rams_loss(torch.tensor([[2.0, 0.0, -1.0]]), torch.tensor([[0.0, 1.0, 0.0]]), torch.tensor([0]))
    assert value.item() == pytest.approx(1.721291, abs=1e-5)


def test_known_answer_11_component_equals_a_flood_fill() -> None:
    generator = torch.Generator().manual_seed(1)
    for side in (14, 16):
        density = 0.2 + 0.4 * torch.rand(256, 1, 1, generator=generator)
        masks = (torch.rand(256, side, side, generator=generator) < density).float()
        expected = [_flood_fill(mask.tolist()) for mask in masks]
        assert region.largest_component(masks).tolist() == expected


def _flood_fill(mask: list[list[float]]) -> list[list[float]]:
    """The reference: breadth-first, first component with the most cells in raster order."""
    side = len(mask)
    seen: set[tuple[int, int]] = set()
    best: list[tuple[int, int]] = []
    for start in ((r, c) for r in range(side) for c in range(side) if mask[r][c]):
        if start in seen:
            continue
        seen.add(start)
        part, waiting = [], deque([start])
        while waiting:
            row, column = waiting.popleft()
            part.append((row, column))
            for r in range(max(0, row - 1), min(side, row + 2)):
                for c in range(max(0, column - 1), min(side, column + 2)):
                    if mask[r][c] and (r, c) not in seen:
                        seen.add((r, c))
                        waiting.append((r, c))
        if len(part) > len(best):
            best = part
    return [[float((row, column) in best) for column in range(side)] for row in range(side)]


def test_known_answer_11_zoom_equals_an_interpolated_crop() -> None:
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2)) * 255
    crop = F.interpolate(image[:, :, 16:48, 8:24], size=(64, 64), mode="bilinear", align_corners=True)
    view = region.zoom(image, torch.tensor([[16.0, 48.0, 8.0, 24.0]]))
    assert (view - crop).abs().max().item() < 255 * 3e-6
    bounds = torch.tensor([16.0, 48.0, 8.0, 24.0], dtype=torch.float64)
    rows, columns = (region.interpolation(bounds[at : at + 1], bounds[at + 1 : at + 2], 64)[0] for at in (0, 2))
    precise = rows @ image.double() @ columns.T
    crop = F.interpolate(image[:, :, 16:48, 8:24].double(), size=(64, 64), mode="bilinear", align_corners=True)
    assert (precise - crop).abs().max().item() < 255 * 1e-12


@pytest.mark.parametrize("query", ["cls", "mean"])
def test_known_answer_11_the_order_of_heads_does_not_count(query: region.Query) -> None:
    layers = [torch.rand(2, 4, 17, 17, generator=torch.Generator().manual_seed(seed)).softmax(3) for seed in range(3)]
    shuffled = [layer[:, [2, 0, 3, 1]] for layer in layers]
    assert torch.allclose(region.roll_out(layers, query), region.roll_out(shuffled, query), atol=1e-6)


@pytest.fixture
def model() -> RAMSTrans:
    torch.manual_seed(0)
    return RAMSTrans(VisionTransformer(ViTShape(48, 8, 24, 3, 4)), 5).eval()


def test_batch_equals_singles_and_both_paths_agree(model: RAMSTrans) -> None:
    x = torch.rand(4, 3, 48, 48) * 255
    seen = model.explain(x)
    assert torch.allclose(model(x), seen.logits, atol=1e-5)
    for index in range(4):
        alone = model.explain(x[index : index + 1])
        assert torch.allclose(seen.logits[index], alone.logits[0], atol=1e-5)
        assert torch.equal(seen.box_px[index], alone.box_px[0])
    assert (seen.box_px % 8 == 0).all()


def test_second_loss_does_not_reach_the_first_scale(model: RAMSTrans) -> None:
    x = (torch.rand(2, 3, 48, 48) * 255).requires_grad_()
    _, second = model.both_scales(x)
    F.cross_entropy(second, torch.tensor([0, 1])).backward()
    assert x.grad is None or x.grad.abs().max() == 0
    assert model.class_tokens[0].grad is None
    assert model.class_tokens[1].grad is not None


def test_without_the_second_loss_the_first_scale_learns_the_same(model: RAMSTrans) -> None:
    x = torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(3)) * 255

    def gradients(second_weight: float) -> tuple[torch.Tensor, torch.Tensor]:
        loss = rams_loss(*model.both_scales(x), torch.tensor([0, 1]), second_weight)
        first, second = torch.autograd.grad(loss, list(model.class_tokens))
        return first, second

    (first, second), (first_alone, nothing) = gradients(1.0), gradients(0.0)
    assert first.abs().max() > 0
    assert second.abs().max() > 0
    assert torch.equal(first_alone, first)
    assert not nothing.any()


def test_state_has_two_class_tokens_and_everything_else_once(model: RAMSTrans) -> None:
    names = list(model.state_dict())
    assert sum(name.startswith("class_tokens") for name in names) == 2
    assert sum("position" in name for name in names) == 1


def test_alpha_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match="alpha"):
        RegionRule(alpha=1.0)


def test_position_table_is_resized() -> None:
    table = torch.rand(1, 1 + 16, 6)
    assert resize_position(table, 6).shape == (1, 37, 6)
    assert torch.allclose(resize_position(table, 4), table, atol=1e-6)
