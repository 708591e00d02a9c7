"""Boxes as a model gives them: corners, overlap, and the two distances that a box is trained with.

A box is (cx, cy, w, h) in 0..1 of the model's square unless a name says corners (left, top, right, bottom). All is in
single precision: half precision would move a corner by a third of a pixel. GIoU: Rezatofighi et al., CVPR 2019.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from models.layers.precision import exact

_LEAST = 1e-7  # areas of unions and hulls; a box without area must not divide by zero


class Overlap(NamedTuple):
    """IoU in 0..1 and the GIoU loss 1 - GIoU in 0..2, both f32 [B]."""

    iou: Tensor
    loss: Tensor


@exact
def corners(box: Tensor) -> Tensor:
    """(cx, cy, w, h) f32 [..., 4] -> (left, top, right, bottom)."""
    centre, half = box[..., :2].float(), box[..., 2:].float() / 2
    return torch.cat([centre - half, centre + half], dim=-1)


@exact
def overlap(one: Tensor, two: Tensor) -> Overlap:
    """How far two boxes, f32 [B, 4] in corners, cover each other."""
    low, high = torch.maximum(one[:, :2], two[:, :2]), torch.minimum(one[:, 2:], two[:, 2:])
    shared = (high - low).clamp_min(0.0).prod(1)
    union = (one[:, 2:] - one[:, :2]).prod(1) + (two[:, 2:] - two[:, :2]).prod(1) - shared
    hull = (torch.maximum(one[:, 2:], two[:, 2:]) - torch.minimum(one[:, :2], two[:, :2])).prod(1)
    iou = shared / union.clamp_min(_LEAST)
    return Overlap(iou, 1.0 - iou + (hull - union) / hull.clamp_min(_LEAST))


@exact
def distances(predicted: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """L1 (a sum over four, 0..4) beside the GIoU loss, f32 [B, 2], and IoU f32 [B], of boxes f32 [B, 4]."""
    predicted, truth = predicted.float(), truth.float()
    covered = overlap(corners(predicted), corners(truth))
    return torch.stack([(predicted - truth).abs().sum(1), covered.loss], dim=1), covered.iou


def cell_centres(side: int) -> Tensor:
    """The centres (x, y) of side x side cells in 0..1 of the square, row by row: f32 [N, 2]."""
    places = (torch.arange(side, dtype=torch.float32) + 0.5) / side
    return torch.stack([places.repeat(side), places.repeat_interleave(side)], dim=1)


@exact
def mean_box(weights: Tensor, reach: Tensor, centres: Tensor) -> Tensor:
    """The box of many voices: each cell says how far the object reaches from its centre, and weighs as much as it is sure.

    `weights` f32 [B, N] sum to 1, `reach` f32 [B, N, 4] is left, top, right, bottom in 0..1 of the square, `centres`
    f32 [N, 2]. Gives (cx, cy, w, h) f32 [B, 4].
    """
    voices = torch.cat([centres - reach[..., :2], centres + reach[..., 2:]], dim=2)
    mean = (weights.unsqueeze(2) * voices).sum(1)
    return torch.cat([(mean[:, :2] + mean[:, 2:]) / 2, mean[:, 2:] - mean[:, :2]], dim=1)
