"""Resampling an image by an attention map: regions of high attention are enlarged, the rest is squeezed.

Owns the sampler that S3N takes from Recasens et al., "Learning to Zoom: a Saliency-Based Sampling Layer for Neural
Networks", ECCV 2018. The 61 x 61 Gaussian kernel is separable, so that its three convolutions over the padded map
are exactly one product Z = [A; B] Q [A; B]^T with constant 31 x 31 matrices A and B; the upsampling of the nodes is a
product with constant hat weights. All of it runs in fp32: half precision would move nodes by half a pixel.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.layers.precision import exact

GRID = 31
PADDING = 30
KERNEL_FWHM = 13.0


class SparseSampler(nn.Module):
    """Images [B, 3, S, S] and attention maps [B, 31, 31] -> enlarged views [B, 3, S, S]; no learnt weights."""

    kernels: Tensor
    upsampling: Tensor

    def __init__(self, size_px: int) -> None:
        super().__init__()
        plain, moment = kernel_matrices()
        self.register_buffer("kernels", torch.cat([plain, moment]).float(), persistent=False)
        self.register_buffer("upsampling", hat_weights(size_px, GRID).float(), persistent=False)

    def nodes(self, attention: Tensor) -> tuple[Tensor, Tensor]:
        """Equation (9): where each cell looks, as x and y [B, 31, 31] in 0..1 of the image.

        `attention` is f32 [B, 31, 31] and positive everywhere.
        """
        products = self.kernels @ attention.float() @ self.kernels.T
        weight = products[:, :GRID, :GRID]
        x = products[:, :GRID, GRID:] / weight
        y = products[:, GRID:, :GRID] / weight
        return x, y

    def grid(self, attention: Tensor) -> Tensor:
        """Equation (10): the sampling grid f32 [B, S, S, 2], x before y, in -1..1."""
        x, y = (
            self.upsampling @ (2.0 * node - 1.0).clamp(-1.0, 1.0) @ self.upsampling.T for node in self.nodes(attention)
        )
        return torch.stack([x, y], dim=3)

    @exact
    def forward(self, image: Tensor, attention: Tensor) -> Tensor:
        """The view [B, 3, S, S] of an image [B, 3, S, S] under an attention map [B, 31, 31]."""
        grid = self.grid(attention)
        return F.grid_sample(image.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=True)


def kernel_matrices() -> tuple[Tensor, Tensor]:
    """A = T E and B = T diag(pos) E, float64 [31, 31].

    E pads an axis of 31 cells to 91 by repeating its ends, T correlates with exp(-4 ln2 u^2 / 13^2), and pos is the
    position of a padded cell with the image over 0..1.
    """
    padded = GRID + 2 * PADDING
    cells = torch.arange(padded, dtype=torch.float64)
    offsets = cells[None, :] - (torch.arange(GRID, dtype=torch.float64)[:, None] + PADDING)
    correlation = torch.exp(-4.0 * math.log(2.0) * offsets.square() / KERNEL_FWHM**2)
    correlation = correlation * (offsets.abs() <= PADDING)
    source = (cells - PADDING).clamp(0, GRID - 1)
    padding = (source[:, None] == torch.arange(GRID, dtype=torch.float64)[None, :]).double()
    position = (cells - PADDING) / PADDING
    return correlation @ padding, correlation @ (position[:, None] * padding)


def hat_weights(outputs: int, inputs: int) -> Tensor:
    """Linear interpolation from `inputs` to `outputs` points with aligned ends, as a matrix float64 [outputs, inputs]."""
    at = torch.arange(outputs, dtype=torch.float64) * ((inputs - 1) / max(1, outputs - 1))
    return (1.0 - (at[:, None] - torch.arange(inputs, dtype=torch.float64)[None, :]).abs()).clamp_min(0.0)
