"""From attention weights to the one region worth a second look: roll-out, largest component, box and zoom.

Owns the fixed-shape forms of RAMS-Trans (Hu et al., "RAMS-Trans: Recurrent Attention Multi-scale Transformer for
Fine-grained Image Recognition", ACM MM 2021), without loops over data, so that a graph of them exports. Labels,
coordinates and roll-out are fp32 always: a label key reaches 616,000, which half precision cannot hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from models.layers.precision import exact

Query = Literal["mean", "cls"]


@exact
def roll_out(attention: Sequence[Tensor], query: Query = "mean", residual: float = 1.0) -> Tensor:
    """Equations (3)-(6): saliency of each patch f32 [B, N * N] from the layers' attention [B, H, T, T], first layer first.

    G = A_L ... A_1 with A = (mean over heads + residual I) / (1 + residual) is never formed: the row vector that is
    wanted is carried from the last layer to the first, at the cost of T^2 a layer instead of T^3.
    """
    last = attention[-1]
    batch, _, tokens, _ = last.shape
    start = torch.full((tokens,), 1.0 / tokens) if query == "mean" else torch.eye(tokens)[0]
    row = start.to(last.device).reshape(1, 1, tokens).expand(batch, 1, tokens)
    for weights in reversed(attention):
        row = (torch.bmm(row, weights.float().mean(1)) + residual * row) / (1.0 + residual)
    return row[:, 0, 1:]


def patch_mask(saliency: Tensor, alpha: float) -> Tensor:
    """Equation (7): f32 0/1 [B, N * N], one where the saliency is strictly above `alpha` times its mean."""
    return (saliency > alpha * saliency.mean(1, keepdim=True)).float()


def steps_needed(side: int) -> int:
    """How many dilation steps always settle a component in a `side` x `side` grid.

    A shortest path through 8-neighbours uses at most two pixels of each 2 x 2 block, so it has at most side^2 / 2
    pixels; an inward spiral reaches that. Odd sides have border strips besides.
    """
    return side * side // 2 if side % 2 == 0 else (side * side + 2 * side - 3) // 2


def largest_component(mask: Tensor, steps: int | None = None) -> Tensor:
    """Equation (8): the 8-connected component with the most cells, f32 0/1 [B, N, N]; ties to the first in raster order.

    `mask` is f32 0/1 [B, N, N]. Each cell starts with its reversed raster index and takes the largest among its
    neighbours until every component carries the index of its first cell.
    """
    _, side, _ = mask.shape
    cells = side * side
    label = mask * torch.arange(cells, 0, -1, device=mask.device, dtype=torch.float32).reshape(side, side)
    for _ in range(steps_needed(side) if steps is None else steps):
        label = mask * F.max_pool2d(label.unsqueeze(1), 3, 1, 1).squeeze(1)
    flat = label.reshape(-1, cells)
    area = (flat.unsqueeze(2) == flat.unsqueeze(1)).float().sum(2)
    is_set = (flat > 0).float()
    key = (area * (cells + 1) + flat) * is_set
    return ((key == key.amax(1, keepdim=True)).float() * is_set).reshape(-1, side, side)


def component_box(component: Tensor) -> Tensor:
    """Equation (9): f32 [B, 4] = first row, last row + 1, first column, last column + 1, in patches.

    An empty component gives the whole grid.
    """
    side = component.shape[1]
    index = torch.arange(side, device=component.device, dtype=torch.float32).unsqueeze(0)
    bounds = []
    for profile in (component.amax(2), component.amax(1)):
        is_set = profile > 0
        bounds.append(torch.where(is_set, index, torch.full_like(profile, side)).amin(1))
        bounds.append(torch.where(is_set, index + 1.0, torch.zeros_like(profile)).amax(1))
    box = torch.stack(bounds, dim=1)
    whole = torch.tensor([0.0, float(side), 0.0, float(side)], device=component.device)
    is_empty = (component.amax((1, 2)) == 0).float().unsqueeze(1)
    return is_empty * whole + (1.0 - is_empty) * box


def interpolation(first: Tensor, end: Tensor, size: int) -> Tensor:
    """Rows of the matrix that resizes [first, end) to `size` points with aligned ends, f32 [B, size, size].

    `first` and `end` are f32 [B], whole pixels. The difference of column and first pixel is formed before anything
    is added to it: it is an exact integer, which keeps the result equal to a plain interpolation of the crop.
    """
    index = torch.arange(size, device=first.device, dtype=torch.float32)
    step = (end - first - 1.0).reshape(-1, 1, 1) / (size - 1)
    offset = index.reshape(1, 1, -1) - first.reshape(-1, 1, 1)
    return (1.0 - (index.reshape(1, -1, 1) * step - offset).abs()).clamp_min(0.0)


@exact
def zoom(image: Tensor, box_px: Tensor) -> Tensor:
    """Equation (10): the region of an image f32 [B, C, S, S] at full size; `box_px` f32 [B, 4] = r0, r1, c0, c1."""
    size = image.shape[2]
    rows = interpolation(box_px[:, 0], box_px[:, 1], size).unsqueeze(1)
    columns = interpolation(box_px[:, 2], box_px[:, 3], size).unsqueeze(1)
    return rows @ image.float() @ columns.transpose(2, 3)
