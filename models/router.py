"""The router's classifier: every cell of the map says what it shows, and the loudest are heard.

A subject may be small in its scene, where the mean over a map drowns it. So each cell gives scores of its own, and a class's
score of the photo is their smooth maximum, log-sum-exp, as in learning from weak labels (Pinheiro & Collobert, "From
image-level to pixel-level labeling with convolutional networks", CVPR 2015).
"""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

from models.backbones import MobileNet
from models.plain import PlainOutput

HIDDEN = 128


class DomainRouter(nn.Module):
    """Scores of the domains for a photo, from what its cells say one by one."""

    def __init__(self, backbone: MobileNet, classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.reading = nn.Conv2d(backbone.out_channels, HIDDEN, 1)
        self.classifier = nn.Linear(HIDDEN, classes)

    def forward(self, x: Tensor) -> Tensor:
        """RGB f32 [B, 3, S, S] in 0..255 -> logits f32 [B, C]; the path that training takes."""
        return _loudest(self._said(self.backbone(x)))

    def explain(self, x: Tensor) -> PlainOutput:
        """RGB f32 [B, 3, S, S] in 0..255 -> all outputs; the path that export takes.

        The activation is what each cell says for the strongest class beyond the mean of all, negative evidence cut to zero.
        """
        maps = self.backbone(x)
        said = self._said(maps)
        logits = _loudest(said)
        chosen = F.one_hot(logits.argmax(1), logits.shape[1]).to(said.dtype)
        evidence = said - said.mean(1, keepdim=True)
        activation = (evidence * chosen[:, :, None, None]).sum(1).relu()
        return PlainOutput(logits, maps.mean((2, 3)), activation)

    def _said(self, maps: Tensor) -> Tensor:
        """Features f32 [B, D, h, w] -> scores of each cell f32 [B, C, h, w]."""
        said: Tensor = self.classifier(F.relu(self.reading(maps)).permute(0, 2, 3, 1))
        return said.permute(0, 3, 1, 2)


def _loudest(said: Tensor) -> Tensor:
    """Scores of cells f32 [B, C, h, w] -> of photos f32 [B, C]; a map of one score throughout gives that score at any size."""
    cells = said.flatten(2)
    return cells.logsumexp(2) - math.log(cells.shape[2])
