"""YOLOX-Nano as a backbone: the maps of its head's towers at strides 8, 16 and 32, from weights trained on COCO.

A detection-pretrained trunk is what grounding learns from best. Owns the structure without the last predictors, so that it
gives features and neither boxes nor classes, and the reader of the published ONNX file. That file has its norms folded into
biased convolutions: the structure has none, and is not for training.

Paper: Ge et al., "YOLOX: Exceeding YOLO Series in 2021". Weights: Megvii, Apache-2.0.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

NAME = "yolox_nano"
_TOWER = 64
_PREDICTORS = "_preds."  # in the names of their weights; all others are numbers
_POOLS = (5, 9, 13)


class Conv(nn.Module):
    """A biased convolution and SiLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] -> [B, C', h / stride, w / stride]."""
        return F.silu(self.conv(x))


def separable(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """A 3 x 3 convolution by channel, then one across channels."""
    return nn.Sequential(Conv(inputs, inputs, 3, stride, groups=inputs), Conv(inputs, outputs))


class Bottleneck(nn.Module):
    """1 x 1, then 3 x 3; added to the input where `is_residual`."""

    def __init__(self, width: int, *, is_residual: bool) -> None:
        super().__init__()
        self.inner = Conv(width, width)
        self.outer = separable(width, width)
        self.is_residual = is_residual

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] -> the same shape."""
        y: Tensor = self.outer(self.inner(x))
        return x + y if self.is_residual else y


class CrossStage(nn.Module):
    """Half of the channels pass the bottlenecks, half pass by (CSPNet)."""

    def __init__(self, inputs: int, outputs: int, blocks: int = 1, *, is_residual: bool = False) -> None:
        super().__init__()
        half = outputs // 2
        self.main = Conv(inputs, half)
        self.short = Conv(inputs, half)
        self.blocks = nn.Sequential(*(Bottleneck(half, is_residual=is_residual) for _ in range(blocks)))
        self.out = Conv(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] -> [B, C', h, w]."""
        return cast("Tensor", self.out(torch.cat([self.blocks(self.main(x)), self.short(x)], 1)))


class Pooled(nn.Module):
    """What is strongest around each place, at three reaches (spatial pyramid pooling)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = Conv(width, width // 2)
        self.outer = Conv(width * 2, width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] -> the same shape."""
        x = self.inner(x)
        return cast("Tensor", self.outer(torch.cat([x, *(F.max_pool2d(x, k, 1, k // 2) for k in _POOLS)], 1)))


class Towers(nn.Module):
    """One level of the head: what a cell shows and where its edges are, side by side."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.stem = Conv(inputs, _TOWER)
        self.what = nn.Sequential(separable(_TOWER, _TOWER), separable(_TOWER, _TOWER))
        self.where = nn.Sequential(separable(_TOWER, _TOWER), separable(_TOWER, _TOWER))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] -> [B, 128, h, w]."""
        x = self.stem(x)
        return torch.cat([self.what(x), self.where(x)], 1)


class YoloxStages(nn.Module):
    """RGB in 0..255 to three maps; modules stand in the order in which they run, which is the order of the file."""

    def __init__(self) -> None:
        super().__init__()
        self.channels = (2 * _TOWER,) * 3
        self.stem = Conv(12, 16, 3)
        self.dark2 = nn.Sequential(separable(16, 32, 2), CrossStage(32, 32, is_residual=True))
        self.dark3 = nn.Sequential(separable(32, 64, 2), CrossStage(64, 64, 3, is_residual=True))
        self.dark4 = nn.Sequential(separable(64, 128, 2), CrossStage(128, 128, 3, is_residual=True))
        self.dark5 = nn.Sequential(separable(128, 256, 2), Pooled(256), CrossStage(256, 256))
        self.lateral = Conv(256, 128)
        self.middle_in = CrossStage(256, 128)
        self.reduce = Conv(128, 64)
        self.fine = CrossStage(128, 64)
        self.down_fine = separable(64, 64, 2)
        self.middle = CrossStage(128, 128)
        self.down_middle = separable(128, 128, 2)
        self.coarse = CrossStage(256, 256)
        self.towers = nn.ModuleList(Towers(width) for width in (64, 128, 256))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """RGB f32 [B, 3, S, S] -> maps f32 [B, 128, S / 8, S / 8], and at strides 16 and 32."""
        x = torch.cat([x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]], 1)
        third = self.dark3(self.dark2(self.stem(x)))
        fourth = self.dark4(third)
        top = self.lateral(self.dark5(fourth))
        middle = self.reduce(self.middle_in(torch.cat([_doubled(top), fourth], 1)))
        fine = self.fine(torch.cat([_doubled(middle), third], 1))
        middle = self.middle(torch.cat([self.down_fine(fine), middle], 1))
        coarse = self.coarse(torch.cat([self.down_middle(middle), top], 1))
        maps = zip(self.towers, (fine, middle, coarse), strict=True)
        return tuple(tower(map_) for tower, map_ in maps)


def _doubled(x: Tensor) -> Tensor:
    """Each cell twice across and down: [B, C, h, w] -> [B, C, 2 h, 2 w], without shapes that an exporter would compute."""
    channels, height, width = x.shape[1:]
    x = torch.stack([x, x], 4).reshape(-1, channels, height, 2 * width)
    return torch.stack([x, x], 3).reshape(-1, channels, 2 * height, 2 * width)


@torch.no_grad()
def load_yolox(stages: YoloxStages, path: Path) -> None:
    """Fill from the published ONNX file, convolution by convolution; it takes BGR, ours RGB.

    Raises:
        ValueError: the file holds other convolutions.
    """
    graph = onnx.load(path).graph
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    found = [list(node.input[1:]) for node in graph.node if node.op_type == "Conv" and _PREDICTORS not in node.input[1]]
    convolutions = [module for module in stages.modules() if isinstance(module, nn.Conv2d)]
    if len(found) != len(convolutions):
        raise ValueError(
            f"{path.name} has {len(found)} convolutions besides its predictors; {len(convolutions)} are needed"
        )
    for convolution, (weight, bias) in zip(convolutions, found, strict=True):
        values = torch.from_numpy(tensors[weight].copy())
        if values.shape != convolution.weight.shape:
            raise ValueError(
                f"{path.name}: {weight} has shape {list(values.shape)}, not {list(convolution.weight.shape)}"
            )
        convolution.weight.copy_(values)
        cast("Tensor", convolution.bias).copy_(torch.from_numpy(tensors[bias].copy()))
    first = stages.stem.conv.weight
    first.copy_(first.reshape(16, 4, 3, 3, 3).flip(2).reshape(first.shape))
