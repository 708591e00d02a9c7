"""From a picture to a grid of cells: what the hard-attention answerer looks at.

Both encoders take RGB f32 [B, 3, S, S] in 0..255 and give a map [B, `channels`, S / `stride`, S / `stride`]. Photos go
through the blocks of a pretrained backbone, drawn scenes through a small net that learns from nothing, as in Santoro et
al., NeurIPS 2017.
"""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

from models.backbones import MobileNet

_WHITE = 255.0


class PhotoCells(nn.Module):
    """The last block's map of a backbone: 320 channels where its head would make 1,280 of them for a classifier."""

    def __init__(self, backbone: MobileNet) -> None:
        super().__init__()
        self.spec = backbone.spec
        self.stride = backbone.stride
        self.channels = self.spec.stages[-1].channels
        self.stem = backbone.stem
        self.blocks = backbone.blocks

    def forward(self, x: Tensor) -> Tensor:
        """RGB f32 [B, 3, S, S] -> [B, 320, S / stride, S / stride]."""
        maps: Tensor = self.blocks(self.stem((x - self.spec.mean) / self.spec.std))
        return maps


class SceneCells(nn.Module):
    """Four convolutions for drawings on white; a side that the stride does not divide is filled up with white.

    A canvas of 75 px becomes 80 px and then 10 x 10 cells.
    """

    stride = 8
    channels = 32

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = 3
        for step in (2, 2, 2, 1):
            layers += [
                nn.Conv2d(width, self.channels, 3, step, 1, bias=False),
                nn.BatchNorm2d(self.channels),
                nn.ReLU(),
            ]
            width = self.channels
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """RGB f32 [B, 3, S, S] -> [B, 32, ceil(S / 8), ceil(S / 8)]."""
        side = x.shape[3]
        missing = math.ceil(side / self.stride) * self.stride - side
        before, after = missing // 2, missing - missing // 2
        padded = F.pad(x, (before, after, before, after), value=_WHITE)
        maps: Tensor = self.layers(padded / 127.5 - 1.0)
        return maps
