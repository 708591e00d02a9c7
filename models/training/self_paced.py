"""The self-paced loss of grounding: hard samples weigh more, by a smoothness that is learnt.

Per sample and distance L (L1, GIoU) the weight is d = exp(L^2 / sigma^2) and the term d (L - lambda): the exponent is
positive on purpose. The paper's form is unsound as it stands, and made sound here without changing its value:

- the network's gradient takes the weight as a constant. With the weight's own slope, every sigma below lambda / sqrt(2)
  = 0.53 has a range of L in which training would increase the loss;
- sigma learns by its own path and is brought back into a range after each step: where all L stay below lambda it would
  shrink to nothing, and the loss fall without bound;
- the exponent has a cap, for a single miss would outweigh a batch.

Never choose or stop a run by this loss: for good models it is negative.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.layers.boxes import distances
from models.layers.precision import exact

SIGMA_RATE = 5e-5
_QUALITY_WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class Pacing:
    """The loss's numbers. Not `enabled`, it is plain L1 + GIoU; not `detach`, the paper's literal form."""

    enabled: bool = True
    detach: bool = True
    balance: float = 0.75  # lambda
    sigma: float = 2.5
    sigma_range: tuple[float, float] = (1.0, 10.0)
    exponent_cap: float = 2.0

    def __post_init__(self) -> None:
        low, high = self.sigma_range
        if not 0 < low <= self.sigma <= high < inf:
            raise ValueError(f"sigma {self.sigma} must lie in its range, {low} to {high}, above 0")


class SelfPacedLoss(nn.Module):
    """The terms of L1 and GIoU with a sigma each."""

    def __init__(self, pacing: Pacing) -> None:
        super().__init__()
        self.pacing = pacing
        self.sigma = nn.Parameter(torch.full((2,), pacing.sigma), requires_grad=pacing.enabled)

    @exact
    def forward(self, lengths: Tensor) -> Tensor:
        """Distances L f32 [P, 2] -> the loss of each sample f32 [P]."""
        lengths = lengths.float()
        if not self.pacing.enabled:
            return lengths.sum(1)
        if not self.pacing.detach:
            return (self.weights(lengths) * (lengths - self.pacing.balance)).sum(1)
        fixed = lengths.detach()
        weights = self.weights(fixed)
        constant = weights.detach()
        return (constant * lengths + weights * (fixed - self.pacing.balance) - constant * fixed).sum(1)

    def weights(self, lengths: Tensor) -> Tensor:
        """The weights d f32 [P, 2] of distances f32 [P, 2], at least 1."""
        return (lengths / self.sigma).square().clamp_max(self.pacing.exponent_cap).exp()

    @torch.no_grad()
    def project(self) -> None:
        """Bring sigma back into its range; called after a step, since a clamp in the loss would end its gradient."""
        self.sigma.clamp_(*self.pacing.sigma_range)


@dataclass(frozen=True, slots=True)
class Losses:
    """Scalars to add up, and the IoU f32 [B] of what was predicted, 0 where the expression names nothing."""

    box: Tensor
    conf: Tensor
    iou: Tensor


def grounding_losses(pacing: SelfPacedLoss, box: Tensor, conf: Tensor, truth: Tensor, present: Tensor) -> Losses:
    """The loss of boxes and confidences of a batch.

    `box` and `truth` f32 [B, 4] are cx, cy, w, h, `conf` f32 [B, 2], `present` f32 0/1 [B]; the truth of an absent
    object may be any box. A batch without a present one gives a box loss of 0.
    """
    lengths, iou = distances(box, truth)
    count = present.sum().clamp_min(1.0)
    boxes = (pacing(lengths) * present).sum() / count
    quality = iou.detach().clamp(0.0, 1.0)  # else the head would learn to please its own estimate
    presence = F.binary_cross_entropy_with_logits(conf[:, 0].float(), present)
    estimate = F.binary_cross_entropy_with_logits(conf[:, 1].float(), quality, reduction="none")
    return Losses(boxes, presence + _QUALITY_WEIGHT * (estimate * present).sum() / count, quality * present)
