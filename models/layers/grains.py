"""Multi-grained visual features: the maps of a backbone's last three stages as one sequence of cells.

Owns the stages of either kind of backbone, their projection to one width, their meeting at stride 16 and the position of
each cell. The position is added to the tokens themselves and so reaches the values of every attention: [CLS] only receives
sums of values, and a position that lived in the keys alone could not reach the box.
"""

from __future__ import annotations

import math
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.backbones import SPECS, BackboneSpec, MobileNet
from models.layers.precision import exact
from models.resnet import RESNETS, ResNet
from models.yolox import NAME as YOLOX
from models.yolox import YoloxStages

CELL_PX = 16
COARSEST_PX = 32
_STRIDES = (8, 16, 32)
_GROUPS = 32


class Stages(Protocol):
    """A backbone that shows its last three stages."""

    channels: tuple[int, ...]

    def __call__(self, x: Tensor) -> tuple[Tensor, ...]:
        """RGB f32 [B, 3, S, S] in 0..255 -> maps at strides 8, 16 and 32."""


class MobileNetStages(nn.Module):
    """The last map of each resolution of a MobileNet; its widest layer, the head, is left out."""

    def __init__(self, spec: BackboneSpec) -> None:
        super().__init__()
        self.trunk = MobileNet(spec)
        del self.trunk.head
        reached, self.ends, channels = 2, [-1, -1, -1], [0, 0, 0]
        block = 0
        for stage in spec.stages:
            reached *= stage.stride
            block += stage.blocks
            if reached in _STRIDES:
                place = _STRIDES.index(reached)
                self.ends[place], channels[place] = block, stage.channels
        if -1 in self.ends:
            raise ValueError(f"{spec.name} has no maps at strides 8, 16 and 32")
        self.channels = tuple(channels)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """As `Stages`."""
        x = self.trunk.stem((x - self.trunk.spec.mean) / self.trunk.spec.std)
        maps = []
        for number, block in enumerate(self.trunk.blocks, start=1):
            x = block(x)
            if number in self.ends:
                maps.append(x)
        return tuple(maps)


def stages_of(backbone: str) -> nn.Module:
    """The backbone of a name, untrained; it is one of `Stages`.

    Raises:
        ValueError: there is none of the name.
    """
    if backbone in SPECS:
        return MobileNetStages(SPECS[backbone])
    if backbone in RESNETS:
        return ResNet(RESNETS[backbone])
    if backbone == YOLOX:
        return YoloxStages()
    known = ", ".join([*SPECS, *RESNETS, YOLOX])
    raise ValueError(f"{backbone!r} is not a backbone with stages; there are {known}")


class GroupNorm(nn.GroupNorm):
    """Group norm for one size of map, in single precision; torch's own would compute shapes in an exported graph."""

    @exact
    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] -> f32 [B, C, h, w]."""
        channels, height, width = x.shape[1:]
        groups = x.float().reshape(-1, self.num_groups, channels // self.num_groups * height * width)
        centred = groups - groups.mean(2, keepdim=True)
        normed = centred * (centred.square().mean(2, keepdim=True) + self.eps).rsqrt()
        normed = normed.reshape(-1, channels, height, width)
        return normed * self.weight.reshape(channels, 1, 1) + self.bias.reshape(channels, 1, 1)


class GrainedFeatures(nn.Module):
    """F_v0: each stage to C0 channels by a convolution and group norm, at stride 16, side by side, plus the position.

    Without the norms one stage, whose scale is larger, would drown the others.
    """

    def __init__(self, backbone: str, size_px: int, width: int) -> None:
        super().__init__()
        if size_px % COARSEST_PX:
            raise ValueError(f"{size_px} px is not a multiple of the coarsest stride, {COARSEST_PX} px")
        self.backbone = stages_of(backbone)
        self.cells = (size_px // CELL_PX) ** 2
        self.width = len(_STRIDES) * width
        self.projections = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, width, 1), GroupNorm(math.gcd(_GROUPS, width), width))
            for channels in cast(Stages, self.backbone).channels
        )
        # Bilinear, by half pixels: as two products it needs no shapes that an exporter would compute.
        double = F.interpolate(torch.eye(size_px // COARSEST_PX).unsqueeze(0), scale_factor=2.0, mode="linear")
        self.register_buffer("doubling", double.squeeze(0), persistent=False)
        self.position = nn.Parameter(torch.empty(self.cells, self.width))
        nn.init.normal_(self.position, std=0.02)

    def forward(self, image: Tensor) -> Tensor:
        """RGB f32 [B, 3, S, S] in 0..255 -> f32 [B, N, 3 C0], row by row."""
        return self.project(self.backbone(image)) + self.position

    def project(self, maps: tuple[Tensor, ...]) -> Tensor:
        """The backbone's maps -> f32 [B, N, 3 C0], without the position."""
        fine, middle, coarse = (project(map_) for project, map_ in zip(self.projections, maps, strict=True))
        double = self.get_buffer("doubling")
        coarse = double.T @ coarse @ double
        joined = torch.cat([F.avg_pool2d(fine, 2), middle, coarse], dim=1)
        return joined.reshape(-1, self.width, self.cells).transpose(1, 2)
