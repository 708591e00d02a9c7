"""RAMS-Trans: a vision transformer that finds its most salient region, zooms into it and learns from both scales.

Paper: Hu et al., "RAMS-Trans: Recurrent Attention Multi-scale Transformer for Fine-grained Image Recognition", ACM MM
2021. The attention weights are rolled out into a patch map, its largest component is cut out and enlarged, and the
same transformer, with a class token of its own for that scale, reads it again. Serving answers from the first scale
and gives the region as an explanation. The authors' code trains the first loss only; both are used here, as in the
paper, and an empty map gives the whole image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.layers.region import Query, component_box, largest_component, patch_mask, roll_out, zoom
from models.vit import VisionTransformer


@dataclass(frozen=True, slots=True)
class RegionRule:
    """How the region is found: threshold factor, residual weight and query of the roll-out."""

    alpha: float = 1.3
    residual: float = 1.0
    query: Query = "mean"

    def __post_init__(self) -> None:
        if self.alpha <= 1.0:
            raise ValueError(f"alpha is {self.alpha}; at 1 or below, rounding decides whether a flat map has a region")


class RAMSOutput(NamedTuple):
    """`logits` f32 [B, C] of the first scale; `features` f32 [B, d]; `box_px` f32 [B, 4] = r0, r1, c0, c1; `patch_map`
    f32 [B, N, N]; `region` f32 [B, 4] = x, y, width, height in 0..1 of the input.
    """

    logits: Tensor
    features: Tensor
    box_px: Tensor
    patch_map: Tensor
    region: Tensor


class RAMSTrans(nn.Module):
    """Both scales share everything but the class token."""

    def __init__(self, encoder: VisionTransformer, classes: int, rule: RegionRule = RegionRule()) -> None:
        super().__init__()
        self.backbone = encoder
        self.rule = rule
        self.class_tokens = nn.ParameterList(nn.Parameter(torch.zeros(1, 1, encoder.shape.width)) for _ in range(2))
        self.classifier = nn.Linear(encoder.shape.width, classes)
        for token in self.class_tokens:
            nn.init.trunc_normal_(token, std=0.02)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        """RGB f32 [B, 3, S, S] in 0..255 -> logits f32 [B, C] of the first scale."""
        tokens, _ = self.backbone(x, self.class_tokens[0])
        logits: Tensor = self.classifier(tokens[:, 0])
        return logits

    def explain(self, x: Tensor) -> RAMSOutput:
        """RGB f32 [B, 3, S, S] in 0..255 -> first-scale logits and the region; the path that export takes."""
        tokens, weights = self.backbone(x, self.class_tokens[0], keep_weights=True)
        box_px, patch_map = self.region(weights)
        top, bottom, left, right = (box_px / self.backbone.shape.size_px).unbind(1)
        region = torch.stack([left, top, right - left, bottom - top], dim=1)
        return RAMSOutput(self.classifier(tokens[:, 0]), tokens[:, 0], box_px, patch_map, region)

    def region(self, weights: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Attention weights -> box in pixels f32 [B, 4] and patch map f32 [B, N, N]; no gradient passes."""
        side = self.backbone.shape.side
        saliency = roll_out([layer.detach() for layer in weights], self.rule.query, self.rule.residual)
        mask = patch_mask(saliency, self.rule.alpha).reshape(-1, side, side)
        box = component_box(largest_component(mask)) * self.backbone.shape.patch_px
        return box, saliency.reshape(-1, side, side)

    def both_scales(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the photo and of its enlarged region, f32 [B, C] each; the path that training takes."""
        tokens, weights = self.backbone(x, self.class_tokens[0], keep_weights=True)
        with torch.no_grad():
            box_px, _ = self.region(weights)
        return self.classifier(tokens[:, 0]), self.closer(x, box_px)

    def closer(self, x: Tensor, box_px: Tensor) -> Tensor:
        """Logits f32 [B, C] of the second scale: the region f32 [B, 4] in pixels, enlarged to the photo's size."""
        with torch.no_grad():
            view = zoom(x, box_px)
        tokens, _ = self.backbone(view, self.class_tokens[1])
        logits: Tensor = self.classifier(tokens[:, 0])
        return logits


def rams_loss(first: Tensor, second: Tensor, labels: Tensor, second_weight: float = 1.0) -> Tensor:
    """Equation (11): cross entropy of both scales, the second one weighted."""
    return F.cross_entropy(first, labels) + second_weight * F.cross_entropy(second, labels)
