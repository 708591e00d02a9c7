"""ResNet-50 and ResNet-101: the backbones of the papers, as three maps at strides 8, 16 and 32.

Owns the structure under torchvision's names, so that its published weights load as they are. Paper: He et al., CVPR 2016, with
the stride on the 3 x 3 convolution.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn, tensor
from torch.nn import functional as F

from models.vit import IMAGENET_MEAN, IMAGENET_STD

_EXPANSION = 4
_WIDTHS = (64, 128, 256, 512)
RESNETS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolution, added to the input or its projection."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * _EXPANSION
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        is_same = stride == 1 and inputs == outputs
        self.downsample = (
            nn.Identity()
            if is_same
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] -> [B, 4 width, h / stride, w / stride]."""
        y = self.bn1(self.conv1(x)).relu()
        y = self.bn2(self.conv2(y)).relu()
        z: Tensor = self.bn3(self.conv3(y)) + self.downsample(x)
        return z.relu()


class ResNet(nn.Module):
    """The trunk without pooling and classifier."""

    channels = (512, 1024, 2048)

    def __init__(self, blocks: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        width = 64
        for number, (inner, count) in enumerate(zip(_WIDTHS, blocks, strict=True), start=1):
            layers = []
            for index in range(count):
                layers.append(Bottleneck(width, inner, 2 if index == 0 and number > 1 else 1))
                width = inner * _EXPANSION
            self.add_module(f"layer{number}", nn.Sequential(*layers))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """RGB f32 [B, 3, S, S] in 0..255 -> maps at strides 8, 16 and 32, of `channels`."""
        mean, std = (tensor(values, device=x.device).reshape(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
        x = self.bn1(self.conv1((x - mean) / std)).relu()
        x = self.get_submodule("layer1")(F.max_pool2d(x, 3, 2, 1))
        maps = []
        for number in (2, 3, 4):
            x = self.get_submodule(f"layer{number}")(x)
            maps.append(x)
        return tuple(maps)


def load_resnet(trunk: ResNet, path: Path) -> None:
    """Fill the trunk from a state dict of torchvision; its classifier is left out.

    Raises:
        RuntimeError: the file holds another network.
    """
    state = torch.load(path, map_location="cpu", weights_only=True)
    trunk.load_state_dict({name: weight for name, weight in state.items() if not name.startswith("fc.")})
