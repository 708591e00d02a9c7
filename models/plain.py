"""The plain classifier: a backbone, the mean over its map and a linear layer; the baseline of every comparison.

Owns the head and the three outputs that a classify graph promises. What it cannot do is look at parts; the systems
named after papers do.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.backbones import MobileNet
from models.layers.class_maps import centred
from models.vit import VisionTransformer


class PlainOutput(NamedTuple):
    """`logits` f32 [B, C]; `features` f32 [B, D]; `activation` f32 [B, h, w], where the top class sees its evidence."""

    logits: Tensor
    features: Tensor
    activation: Tensor


class PlainClassifier(nn.Module):
    """Class scores for a photo from the mean of the backbone's features."""

    def __init__(self, backbone: MobileNet, classes: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = nn.Linear(backbone.out_channels, classes)
        self.dropout = dropout
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        """RGB f32 [B, 3, S, S] in 0..255 -> logits f32 [B, C]; the path that training takes."""
        features = self.backbone(x).mean((2, 3))
        logits: Tensor = self.classifier(F.dropout(features, self.dropout, self.training))
        return logits

    def explain(self, x: Tensor) -> PlainOutput:
        """RGB f32 [B, 3, S, S] in 0..255 -> all outputs; the path that export takes.

        The activation is the class activation map of the strongest class (Zhou et al., CVPR 2016): the map's channels
        weighted by that class's row of the linear layer beyond the mean of all rows, negative evidence cut to zero.
        """
        maps = self.backbone(x)
        features = maps.mean((2, 3))
        logits = self.classifier(features)
        weights = F.embedding(logits.argmax(1), centred(self.classifier.weight))
        activation = (maps * weights[:, :, None, None]).sum(1).relu()
        return PlainOutput(logits, features, activation)


class PlainTransformer(nn.Module):
    """Class scores for a photo from the class token of a vision transformer: what RAMS-Trans is measured against."""

    def __init__(self, encoder: VisionTransformer, classes: int) -> None:
        super().__init__()
        self.backbone = encoder
        self.class_token = nn.Parameter(torch.zeros(1, 1, encoder.shape.width))
        self.classifier = nn.Linear(encoder.shape.width, classes)
        nn.init.trunc_normal_(self.class_token, std=0.02)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        """RGB f32 [B, 3, S, S] in 0..255 -> logits f32 [B, C]; the path that training takes."""
        tokens, _ = self.backbone(x, self.class_token)
        logits: Tensor = self.classifier(tokens[:, 0])
        return logits

    def explain(self, x: Tensor) -> PlainOutput:
        """RGB f32 [B, 3, S, S] in 0..255 -> all outputs; the activation is what each patch alone says for the top class."""
        tokens, _ = self.backbone(x, self.class_token)
        logits = self.classifier(tokens[:, 0])
        weights = F.embedding(logits.argmax(1), centred(self.classifier.weight))
        evidence = torch.bmm(tokens[:, 1:], weights.unsqueeze(2))
        side = self.backbone.shape.side
        return PlainOutput(logits, tokens[:, 0], evidence.reshape(-1, side, side).relu())
