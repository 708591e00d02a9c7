"""Convolutional backbones of inverted residuals: MobileNetV2, EfficientNet-Lite 0 and 2.

Owns their structure and the readers of pretrained weights. All are one network with other tables, so one module
serves them: stem, blocks, head, from normalised RGB to a 1280-channel map at stride 32, or 16 with the same weights.
Leaves classification to the systems built on top.

Papers: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018; Tan & Le, "EfficientNet",
ICML 2019 (Lite: without squeeze-and-excitation, ReLU6). Weights: Google's iNaturalist bird classifier (Apache-2.0),
EfficientNet-Lite0 and Lite2 (Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class Stage:
    """A run of blocks: hidden width = input width x `expansion`; the first block has the `stride`."""

    expansion: int
    channels: int
    blocks: int
    stride: int
    kernel: int = 3


@dataclass(frozen=True, slots=True)
class BackboneSpec:
    """All that defines a backbone: its stages, and the normalisation (value - mean) / std of RGB in 0..255."""

    name: str
    stages: tuple[Stage, ...]
    norm_eps: float
    mean: float
    std: float


OUT_CHANNELS = 1280
STEM_CHANNELS = 32

MOBILENET_V2 = BackboneSpec(
    "mobilenet_v2",
    (
        Stage(1, 16, 1, 1),
        Stage(6, 24, 2, 2),
        Stage(6, 32, 3, 2),
        Stage(6, 64, 4, 2),
        Stage(6, 96, 3, 1),
        Stage(6, 160, 3, 2),
        Stage(6, 320, 1, 1),
    ),
    norm_eps=1e-5,
    mean=128.0,
    std=128.0,
)
EFFICIENTNET_LITE0 = BackboneSpec(
    "efficientnet_lite0",
    (
        Stage(1, 16, 1, 1),
        Stage(6, 24, 2, 2),
        Stage(6, 40, 2, 2, kernel=5),
        Stage(6, 80, 3, 2),
        Stage(6, 112, 3, 1, kernel=5),
        Stage(6, 192, 4, 2, kernel=5),
        Stage(6, 320, 1, 1),
    ),
    norm_eps=1e-3,
    mean=127.0,
    std=128.0,
)
#: Lite 0 with all widths times 1.1, in eights, and all but the first and the last stage 1.2 times as deep.
EFFICIENTNET_LITE2 = replace(
    EFFICIENTNET_LITE0,
    name="efficientnet_lite2",
    stages=(
        Stage(1, 16, 1, 1),
        Stage(6, 24, 3, 2),
        Stage(6, 48, 3, 2, kernel=5),
        Stage(6, 88, 4, 2),
        Stage(6, 120, 4, 1, kernel=5),
        Stage(6, 208, 5, 2, kernel=5),
        Stage(6, 352, 1, 1),
    ),
)
SPECS = {spec.name: spec for spec in (MOBILENET_V2, EFFICIENTNET_LITE0, EFFICIENTNET_LITE2)}


class SameConv(nn.Conv2d):
    """A bias-free convolution with TensorFlow's SAME padding: the odd pixel goes right and bottom.

    The pretrained weights expect it; symmetric padding at stride 2 shifts and damages the features. Either `stride` or
    `dilation` is 1.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, dilation: int = 1
    ) -> None:
        symmetric = dilation * (kernel // 2) if stride == 1 else 0
        super().__init__(inputs, outputs, kernel, stride, symmetric, dilation, groups, bias=False)
        total = kernel - stride
        self.edge = (total // 2, total - total // 2, total // 2, total - total // 2) if stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] -> [B, C', h / stride, w / stride], for sides that the stride divides."""
        return super().forward(F.pad(x, self.edge) if self.edge else x)


class ConvNorm(nn.Module):
    """Convolution, batch norm and, unless `linear`, ReLU6."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        eps: float,
        stride: int = 1,
        groups: int = 1,
        dilation: int = 1,
        linear: bool = False,
    ) -> None:
        super().__init__()
        self.conv = SameConv(inputs, outputs, kernel, stride, groups, dilation)
        self.norm = nn.BatchNorm2d(outputs, eps=eps)
        self.linear = linear

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] -> [B, C', h', w']."""
        y: Tensor = self.norm(self.conv(x))
        return y if self.linear else F.relu6(y)


class InvertedResidual(nn.Module):
    """Expand, filter by channel, project; added to the input where the shapes agree."""

    def __init__(
        self, inputs: int, outputs: int, expansion: int, kernel: int, stride: int, eps: float, dilation: int = 1
    ) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = ConvNorm(inputs, hidden, 1, eps) if expansion != 1 else nn.Identity()
        self.depthwise = ConvNorm(hidden, hidden, kernel, eps, stride, hidden, dilation)
        self.project = ConvNorm(hidden, outputs, 1, eps, linear=True)
        self.is_residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] -> [B, C', h / stride, w / stride]."""
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.is_residual else y


class MobileNet(nn.Module):
    """A backbone by its spec: RGB 0..255 in, the last feature map out.

    `stride` bounds how coarse the map is. A block that would pass the bound keeps stride 1, and the depthwise
    convolutions after it look at every second pixel instead: same weights, twice the resolution.
    """

    def __init__(self, spec: BackboneSpec, stride: int = 32) -> None:
        super().__init__()
        self.spec = spec
        self.out_channels = OUT_CHANNELS
        self.stem = ConvNorm(3, STEM_CHANNELS, 3, spec.norm_eps, stride=2)
        blocks: list[InvertedResidual] = []
        width, reached, dilation = STEM_CHANNELS, 2, 1
        for stage in spec.stages:
            for index in range(stage.blocks):
                asked = stage.stride if index == 0 else 1
                kept = asked if reached * asked <= stride else 1
                blocks.append(
                    InvertedResidual(
                        width, stage.channels, stage.expansion, stage.kernel, kept, spec.norm_eps, dilation
                    )
                )
                width, reached, dilation = stage.channels, reached * kept, dilation * (asked // kept)
        self.stride = reached
        self.blocks = nn.Sequential(*blocks)
        self.head = ConvNorm(width, OUT_CHANNELS, 1, spec.norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        """RGB f32 [B, 3, S, S] in 0..255 -> features f32 [B, 1280, S / stride, S / stride]."""
        x = (x - self.spec.mean) / self.spec.std
        y: Tensor = self.head(self.blocks(self.stem(x)))
        return y


def load_efficientnet_lite(backbone: MobileNet, path: Path) -> None:
    """Fill an EfficientNet-Lite backbone from its published checkpoint (keys in the EfficientNet-PyTorch style)."""
    published = torch.load(path, map_location="cpu", weights_only=True)
    backbone.load_state_dict({key: published[_efficientnet_key(key)] for key in backbone.state_dict()})


def _efficientnet_key(key: str) -> str:
    """Our name -> theirs: the norms of a block are numbered _bn0, _bn1, _bn2 in order, expand first where it exists."""
    part, _, rest = key.partition(".")
    if part == "stem":
        return rest.replace("conv.", "_conv_stem.").replace("norm.", "_bn0.")
    if part == "head":
        return rest.replace("conv.", "_conv_head.").replace("norm.", "_bn1.")
    number, layer, kind, leaf = rest.split(".")
    norm = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}[layer]
    return f"_blocks.{number}._{layer}_conv.{leaf}" if kind == "conv" else f"_blocks.{number}.{norm}.{leaf}"


@torch.no_grad()
def load_inat_mobilenet(backbone: MobileNet, path: Path, photos: Iterable[Tensor]) -> None:
    """Fill MobileNetV2 from the folded iNaturalist bird weights and rebuild its batch norms.

    The file has the norms folded into biased convolutions. With m and v the mean and variance of each bias-free
    convolution over `photos` (batches [B, 3, S, S] in 0..255), running_mean = m, running_var = v, weight =
    sqrt(v + eps) and bias = m + b give exactly the stored function in evaluation mode, and a net that can be trained.
    """
    folded = load_file(path)
    layers = [(_inat_key(name), layer) for name, layer in backbone.named_modules() if isinstance(layer, ConvNorm)]
    for key, layer in layers:
        layer.conv.weight.copy_(folded[f"{key}.weight"].float())
        layer.norm.running_mean.zero_()  # type: ignore[union-attr]
        layer.norm.running_var.fill_(1.0 - layer.norm.eps)  # type: ignore[union-attr]
        layer.norm.weight.fill_(1.0)
        layer.norm.bias.copy_(folded[f"{key}.bias"].float())
    backbone.eval()
    sums = {key: _Moments() for key, _ in layers}
    hooks = [layer.norm.register_forward_pre_hook(sums[key].observe) for key, layer in layers]
    for batch in photos:
        backbone(batch)
    for hook in hooks:
        hook.remove()
    for key, layer in layers:
        mean, variance = sums[key].result()
        layer.norm.running_mean.copy_(mean)  # type: ignore[union-attr]
        layer.norm.running_var.copy_(variance)  # type: ignore[union-attr]
        layer.norm.weight.copy_((variance + layer.norm.eps).sqrt())
        layer.norm.bias.copy_(mean + folded[f"{key}.bias"].float())


def _inat_key(name: str) -> str:
    """Our layer name -> the published one, which has torchvision's numbering."""
    if name == "stem":
        return "features.0.0"
    if name == "head":
        return "features.18.0"
    _, number, layer = name.split(".")
    block = int(number) + 1
    if block == 1:
        return {"depthwise": "features.1.conv.0.0", "project": "features.1.conv.1"}[layer]
    return f"features.{block}.conv.{ {'expand': '0.0', 'depthwise': '1.0', 'project': '2'}[layer] }"


class _Moments:
    """Mean and variance per channel over everything that passes a layer."""

    def __init__(self) -> None:
        self._count = 0
        self._sum: Tensor = torch.zeros(())
        self._squares: Tensor = torch.zeros(())

    def observe(self, _layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        values = inputs[0].double()
        self._count += values.numel() // values.shape[1]
        self._sum = self._sum + values.sum((0, 2, 3))
        self._squares = self._squares + values.square().sum((0, 2, 3))

    def result(self) -> tuple[Tensor, Tensor]:
        if self._count == 0:
            raise ValueError("batch norms can only be rebuilt from at least one batch of photos")
        mean = self._sum / self._count
        return mean.float(), (self._squares / self._count - mean.square()).clamp_min(1e-8).float()
