"""Overlap, distances and the mean of voices against their known answers."""

from __future__ import annotations

import pytest
import torch

from models.layers.boxes import cell_centres, corners, distances, mean_box, overlap

TRUTH = torch.tensor([[0.5, 0.5, 0.4, 0.4]])
FOUND = torch.tensor([[0.55, 0.45, 0.5, 0.3]])


@pytest.mark.parametrize(
    ("one", "two", "iou", "loss"),
    [
        ((0, 0, 2, 2), (1, 1, 3, 3), 0.1428571, 1.0793651),
        ((0, 0, 1, 1), (2, 2, 3, 3), 0.0, 1.7777778),
        ((0, 0, 2, 2), (0.5, 0.5, 1.5, 1.5), 0.25, 0.75),
        ((0, 0, 2, 2), (0, 0, 2, 2), 1.0, 0.0),
    ],
)
def test_known_answer_1_giou(one: tuple[float, ...], two: tuple[float, ...], iou: float, loss: float) -> None:
    for pair in ((one, two), (two, one)):
        found = overlap(*(torch.tensor([box], dtype=torch.float32) for box in pair))
        assert (found.iou.item(), found.loss.item()) == pytest.approx((iou, loss), abs=1e-5)


def test_known_answer_2_corners_and_distances() -> None:
    assert corners(TRUTH)[0].tolist() == pytest.approx([0.3, 0.3, 0.7, 0.7])
    assert corners(FOUND)[0].tolist() == pytest.approx([0.3, 0.3, 0.8, 0.6])
    lengths, iou = distances(FOUND, TRUTH)
    assert lengths[0].tolist() == pytest.approx([0.3, 0.4184211], abs=1e-5)
    assert iou.item() == pytest.approx(0.6315789, abs=1e-5)


def test_boxes_without_area_give_finite_numbers_and_gradients() -> None:
    point = torch.tensor([[0.5, 0.5, 0.0, 0.0]], requires_grad=True)
    lengths, iou = distances(point, point.detach())
    lengths.sum().backward()
    assert lengths.isfinite().all()
    assert iou.isfinite().all()
    assert point.grad is not None
    assert point.grad.isfinite().all()


def test_distances_stay_in_single_precision_under_autocast() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        lengths, _ = distances(FOUND, TRUTH)
    assert lengths[0].tolist() == pytest.approx([0.3, 0.4184211], abs=1e-5)


def test_known_answer_11_soft_argmax() -> None:
    logits = torch.zeros(1, 9)
    logits[0, 4], logits[0, 8] = 2.0, 1.0
    box = mean_box(logits.softmax(1), torch.full((1, 9, 4), 0.1), cell_centres(3))
    assert box[0].tolist() == pytest.approx([0.5334804, 0.5334804, 0.2, 0.2], abs=1e-5)


def test_one_sure_cell_gives_its_own_box() -> None:
    weights = torch.zeros(1, 4)
    weights[0, 1] = 1.0  # row 0, column 1: centre (0.75, 0.25)
    reach = torch.tensor([0.25, 0.125, 0.125, 0.5]).expand(1, 4, 4)
    assert corners(mean_box(weights, reach, cell_centres(2)))[0].tolist() == pytest.approx([0.5, 0.125, 0.875, 0.75])
