"""The plain classifier: a backbone, the mean over its map and a linear layer; the baseline of every comparison.

Owns the head and the three outputs that a classify graph promises. What it cannot do is look at parts; the systems
named after papers do.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from models.backbones import MobileNet


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
        weighted by that class's row of the linear layer, negative evidence cut to zero.
        """
        maps = self.backbone(x)
        features = maps.mean((2, 3))
        logits = self.classifier(features)
        weights = F.embedding(logits.argmax(1), self.classifier.weight)
        activation = (maps * weights[:, :, None, None]).sum(1).relu()
        return PlainOutput(logits, features, activation)
