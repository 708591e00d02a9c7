"""S3N: a classifier that looks three times, at the whole and at two resampled views made from its own evidence.

Paper: Ding et al., "Selective Sparse Sampling for Fine-grained Image Recognition", ICCV 2019. Peaks of the class
response map become Gaussian attention; one view enlarges the strongest evidence (discriminative), one the weakest
(complementary). Equations are numbered as in the paper's order. Departures from the authors' code: phase 2 at evaluation
always, the sampler's kernel is no parameter (there it learns at 1e-7), a flat map gives identity views instead of NaN, and
the response map is made of what a class has beyond the mean of all: of a run that had learnt without this the strongest peak lay
in the bird's box in 97 % of 150 whole test photos with it and in 20 % without; of the run that learnt with it (`birds-s3n` 1.1.0)
it does in 91 % of 100. As there, the five probabilities of the gate are not normalised: with many classes an
untrained net counts as certain, since its best five hold next to nothing.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.backbones import MobileNet
from models.layers.class_maps import centred
from models.layers.precision import exact
from models.layers.sampler import GRID, SparseSampler, hat_weights

ENTROPY_GATE = 0.2  # delta: below it the top class alone makes the response map
BASE = 0.09  # least attention anywhere; keeps the sampler's weights positive
TOP = 5
FLAT = 1e-6
VALUE_MIN = 1e-3
SMOOTHED_LABEL = 0.85

Phase = Literal[0, 1, 2]


class Peaks(NamedTuple):
    """`response` f32 [B, 31, 31] in 0..1; `is_peak` f32 0/1 [B, 31, 31]; `entropy` f32 [B]."""

    response: Tensor
    is_peak: Tensor
    entropy: Tensor


class S3NOutput(NamedTuple):
    """Logits f32 [B, C] of the fused, raw, discriminative and complementary heads; the peaks; attention [B, 2, 31, 31].

    `features` f32 [B, 3 D] is what the fused head reads.
    """

    logits: Tensor
    raw: Tensor
    discriminative: Tensor
    complementary: Tensor
    features: Tensor
    peaks: Peaks
    attention: Tensor


class S3N(nn.Module):
    """Selective sparse sampling over one shared backbone.

    `dense_buffers` takes the paper's full 3 x 3 convolutions in the two branches; otherwise a depthwise one and a
    1 x 1, which at 1,280 channels has a ninth of the weights.
    """

    def __init__(
        self,
        backbone: MobileNet,
        classes: int,
        size_px: int,
        dense_buffers: bool = False,
        beta: tuple[float, float] = (0.09, 0.3),
    ) -> None:
        super().__init__()
        width = backbone.out_channels
        self.backbone = backbone
        self.raw = nn.Linear(width, classes)
        self.discriminative = nn.Linear(width, classes)
        self.complementary = nn.Linear(width, classes)
        self.fused = nn.Linear(3 * width, classes)
        self.buffer_d = _buffer(width, dense_buffers)
        self.buffer_c = _buffer(width, dense_buffers)
        self.beta = nn.Parameter(torch.tensor(beta))
        self.sampler = SparseSampler(size_px)
        for head in (self.raw, self.discriminative, self.complementary, self.fused):
            nn.init.normal_(head.weight, std=0.01)
            nn.init.zeros_(head.bias)

    def forward(self, x: Tensor, phase: Phase = 2, generator: torch.Generator | None = None) -> S3NOutput:
        """RGB f32 [B, 3, S, S] in 0..255 -> all heads. In evaluation mode the phase is always 2 and nothing is random."""
        maps = self.backbone(x)
        mean = maps.mean((2, 3))
        raw = self.raw(mean)
        peaks = find_peaks(maps, raw, centred(self.raw.weight))
        strong, weak = split_peaks(peaks, phase if self.training else 2, generator)
        attention = torch.stack(
            [
                attention_map(peaks.response, strong, self.beta[0], inverse=False),
                attention_map(peaks.response, weak, self.beta[1], inverse=True),
            ],
            dim=1,
        )
        f_d = self.buffer_d(self.backbone(self.sampler(x, attention[:, 0]))).mean((2, 3))
        f_c = self.buffer_c(self.backbone(self.sampler(x, attention[:, 1]))).mean((2, 3))
        features = torch.cat([mean, f_d, f_c], dim=1)
        return S3NOutput(
            self.fused(features), raw, self.discriminative(f_d), self.complementary(f_c), features, peaks, attention
        )


def _buffer(width: int, dense: bool) -> nn.Sequential:
    """The branch's own layers on top of the shared backbone, at stride 2 (kernels Kaiming)."""
    if dense:
        kernels: list[nn.Module] = [nn.Conv2d(width, width, 3, 2, 1, bias=False)]
    else:
        kernels = [
            nn.Conv2d(width, width, 3, 2, 1, groups=width, bias=False),
            nn.Conv2d(width, width, 1, bias=False),
        ]
    for kernel in kernels:
        nn.init.kaiming_normal_(kernel.weight, mode="fan_out", nonlinearity="relu")  # type: ignore[arg-type]
    return nn.Sequential(*kernels, nn.BatchNorm2d(width), nn.ReLU())


@torch.no_grad()
def find_peaks(maps: Tensor, raw: Tensor, weight: Tensor) -> Peaks:
    """Equations (1)-(5): response map, entropy gate and peaks; no gradient, as in the paper.

    `maps` f32 [B, D, h, w], `raw` logits f32 [B, C], `weight` f32 [C, D]. The response map is linear in the class
    weights, so the gate chooses between two weight vectors and one product makes the map.
    """
    response = response_map(maps, raw, weight)
    values, low, high = response, response.amin((1, 2), keepdim=True), response.amax((1, 2), keepdim=True)
    spread = high - low
    is_shaped = (spread > FLAT).float()
    normalised = (values - low) / spread.clamp_min(FLAT)
    return Peaks(normalised, local_maxima(normalised) * is_shaped, top_entropy(raw))


def top_entropy(raw: Tensor) -> Tensor:
    """Equation (2): H = - sum of p ln p over the five most probable classes, not renormalised; f32 [B]."""
    probabilities = raw.float().softmax(1).topk(min(TOP, raw.shape[1]), dim=1).values
    return -(probabilities * probabilities.clamp_min(1e-12).log()).sum(1)


@exact
def response_map(maps: Tensor, raw: Tensor, weight: Tensor) -> Tensor:
    """Equations (1), (3), (4) without the min-max: f32 [B, 31, 31] from the top class, or from the mean of five."""
    top = raw.topk(min(TOP, raw.shape[1]), dim=1).indices
    rows = F.embedding(top, weight).float()
    is_confident = (top_entropy(raw) < ENTROPY_GATE).float().unsqueeze(1)
    chosen = is_confident * rows[:, 0] + (1.0 - is_confident) * rows.mean(1)
    _, channels, height, width = maps.shape
    coarse = torch.bmm(chosen.unsqueeze(1), maps.float().reshape(-1, channels, height * width)).reshape(
        -1, height, width
    )
    up_y = hat_weights(GRID, height).to(coarse)
    up_x = hat_weights(GRID, width).to(coarse)
    return up_y @ coarse @ up_x.T


def local_maxima(response: Tensor) -> Tensor:
    """Equation (5): f32 0/1 [B, 31, 31], one on the first pixel in raster order of each 3 x 3 maximum above the mean."""
    padded = F.pad(response, (1, 1, 1, 1), value=-1e4)
    side = response.shape[1]
    peak = response >= response.mean((1, 2), keepdim=True)
    for row in range(3):
        for column in range(3):
            neighbour = padded[:, row : row + side, column : column + side]
            if (row, column) < (1, 1):
                peak = peak & (response > neighbour)
            elif (row, column) > (1, 1):
                peak = peak & (response >= neighbour)
    return peak.float()


def split_peaks(peaks: Peaks, phase: Phase, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Equation (8): which peaks make the discriminative and the complementary map, f32 0/1 [B, 31, 31] each.

    Phase 0: all in both. Phase 1: a peak of value s is discriminative with probability s. Phase 2: the strongest and
    the weakest.
    """
    if phase == 0:
        return peaks.is_peak, peaks.is_peak
    if phase == 1:
        draws = torch.rand(peaks.response.shape, generator=generator).to(peaks.response)
        strong = peaks.is_peak * (peaks.response > draws).float()
        return strong, peaks.is_peak - strong
    cells = peaks.response.flatten(1)
    is_peak = peaks.is_peak.flatten(1)
    strongest = torch.where(is_peak > 0, cells, -torch.ones_like(cells)).argmax(1, keepdim=True)
    weakest = torch.where(is_peak > 0, cells, 2.0 * torch.ones_like(cells)).argmin(1, keepdim=True)
    index = torch.arange(cells.shape[1], device=cells.device).unsqueeze(0)
    return tuple(  # type: ignore[return-value]
        ((index == chosen).float() * is_peak).reshape(peaks.is_peak.shape) for chosen in (strongest, weakest)
    )


@exact
def attention_map(response: Tensor, selected: Tensor, beta: Tensor, inverse: bool) -> Tensor:
    """Equations (6), (7): base plus one Gaussian for each selected cell, f32 [B, 31, 31].

    The width grows with the root of the value and with |beta|; the height is the value, or its inverse for the
    complementary map. Every cell is a candidate with weight zero unless selected, so the number of peaks is free.
    """
    value = response.clamp_min(VALUE_MIN).flatten(1)
    height = selected.flatten(1) * (torch.ones_like(value) / value if inverse else value)
    sigma = beta.abs().clamp_min(VALUE_MIN) * value.sqrt() * GRID
    cells = torch.arange(GRID, device=response.device, dtype=torch.float32)
    y = cells.repeat_interleave(GRID)
    x = cells.repeat(GRID)
    scale = 2.0 * sigma.square().unsqueeze(2)
    rows = torch.exp(-(cells - y.unsqueeze(1)).square() / scale) * height.unsqueeze(2)
    columns = torch.exp(-(cells - x.unsqueeze(1)).square() / scale)
    return BASE + rows.transpose(1, 2) @ columns


def peak_table(peaks: Peaks) -> Tensor:
    """The strongest and the weakest peak as x, y (0..1 of the input), value, valid: f32 [B, 2, 4], for explanations."""
    axis = torch.arange(GRID, device=peaks.response.device, dtype=torch.float32) / (GRID - 1)
    rows = []
    for chosen in split_peaks(peaks, 2, None):
        x = (chosen.sum(1) * axis).sum(1)
        y = (chosen.sum(2) * axis).sum(1)
        value = (chosen * peaks.response).sum((1, 2))
        rows.append(torch.stack([x, y, value, chosen.sum((1, 2))], dim=1))
    return torch.stack(rows, dim=1)


def s3n_loss(output: S3NOutput, labels: Tensor) -> Tensor:
    """Equation (11): cross entropy on the fused and discriminative heads, smoothed on the raw and complementary ones."""
    return (
        F.cross_entropy(output.logits, labels)
        + smoothed_cross_entropy(output.raw, labels)
        + F.cross_entropy(output.discriminative, labels)
        + smoothed_cross_entropy(output.complementary, labels)
    )


def smoothed_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy against 0.85 on the label and the rest shared by the other classes."""
    log_p = logits.log_softmax(1)
    others = (1.0 - SMOOTHED_LABEL) / (logits.shape[1] - 1)
    picked = log_p.gather(1, labels.unsqueeze(1)).squeeze(1)
    return -(SMOOTHED_LABEL * picked + others * (log_p.sum(1) - picked)).mean()
