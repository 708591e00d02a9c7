"""Backbones: their sizes, their padding, and the readers of published weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from models.backbones import (
    EFFICIENTNET_LITE0,
    EFFICIENTNET_LITE2,
    MOBILENET_V2,
    BackboneSpec,
    MobileNet,
    SameConv,
    load_efficientnet_lite,
    load_inat_mobilenet,
)
from tests.photosets import TINY

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("spec", "parameters"),
    [
        (MOBILENET_V2, 2_223_872),
        (EFFICIENTNET_LITE0, 4_652_008 - 1_281_000),
        (EFFICIENTNET_LITE2, 6_092_072 - 1_281_000),
    ],
    ids=lambda value: value.name if isinstance(value, BackboneSpec) else "",
)
def test_a_backbone_has_the_published_number_of_parameters(spec: BackboneSpec, parameters: int) -> None:
    assert sum(parameter.numel() for parameter in MobileNet(spec).parameters()) == parameters


@pytest.mark.parametrize("spec", [MOBILENET_V2, EFFICIENTNET_LITE0], ids=lambda spec: spec.name)
def test_the_map_is_a_thirty_second_of_the_photo(spec: BackboneSpec) -> None:
    assert MobileNet(spec).eval()(torch.zeros(1, 3, 64, 96)).shape == (1, 1280, 2, 3)


@pytest.mark.parametrize("spec", [MOBILENET_V2, EFFICIENTNET_LITE0], ids=lambda spec: spec.name)
def test_a_finer_map_holds_the_coarse_one(spec: BackboneSpec) -> None:
    coarse, fine = MobileNet(spec).eval(), MobileNet(spec, stride=16).eval()
    fine.load_state_dict(coarse.state_dict())
    photo = torch.rand(1, 3, 96, 96) * 255
    with torch.no_grad():
        expected, found = coarse(photo), fine(photo)
    assert (coarse.stride, fine.stride, found.shape) == (32, 16, (1, 1280, 6, 6))
    assert torch.allclose(found[:, :, 1::2, 1::2], expected, atol=1e-5)


@pytest.mark.parametrize(("kernel", "before", "after"), [(3, 0, 1), (5, 1, 2)])
def test_a_strided_convolution_pads_the_odd_pixel_right_and_below(kernel: int, before: int, after: int) -> None:
    layer = SameConv(1, 1, kernel, stride=2)
    image = torch.rand(1, 1, 8, 8)
    padded = F.pad(image, (before, after, before, after))
    assert torch.equal(layer(image), F.conv2d(padded, layer.weight, stride=2))


def test_rebuilt_batch_norms_compute_the_folded_function(tmp_path: Path) -> None:
    photos = [torch.rand(4, 3, 32, 32) * 255 for _ in range(2)]
    folded = folded_weights(TINY)
    save_file(folded, tmp_path / "weights.safetensors")
    backbone = MobileNet(TINY)
    load_inat_mobilenet(backbone, tmp_path / "weights.safetensors", photos)
    batch = torch.rand(2, 3, 32, 32) * 255
    with torch.no_grad():
        expected = folded_forward(folded, batch)
        assert torch.allclose(backbone.eval()(batch), expected, atol=1e-4)
        variance = backbone.stem.norm.running_var
        assert isinstance(variance, torch.Tensor)
        assert not torch.allclose(variance, torch.ones(32)), "the norms hold no statistics of photos"


def test_batch_norms_are_not_rebuilt_from_nothing(tmp_path: Path) -> None:
    save_file(folded_weights(TINY), tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match="at least one batch"):
        load_inat_mobilenet(MobileNet(TINY), tmp_path / "weights.safetensors", [])


def test_a_published_lite_checkpoint_fills_the_backbone_of_its_names(tmp_path: Path) -> None:
    source = MobileNet(TINY)
    for tensor in source.state_dict().values():
        tensor.copy_(torch.rand(tensor.shape) if tensor.is_floating_point() else tensor + 1)
    published = {lite_name(name): tensor for name, tensor in source.state_dict().items()}
    torch.save(published | {"_fc.weight": torch.zeros(2, 1280)}, tmp_path / "lite.pth")
    backbone = MobileNet(TINY)
    load_efficientnet_lite(backbone, tmp_path / "lite.pth")
    assert all(torch.equal(tensor, source.state_dict()[name]) for name, tensor in backbone.state_dict().items())


def lite_name(name: str) -> str:
    """The name that EfficientNet-PyTorch has for a tensor of the tiny backbone."""
    for ours, theirs in [
        ("stem.conv", "_conv_stem"),
        ("stem.norm", "_bn0"),
        ("head.conv", "_conv_head"),
        ("head.norm", "_bn1"),
    ]:
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    for ours, theirs in [
        ("expand.conv", "_expand_conv"),
        ("expand.norm", "_bn0"),
        ("depthwise.conv", "_depthwise_conv"),
        ("depthwise.norm", "_bn1"),
        ("project.conv", "_project_conv"),
        ("project.norm", "_bn2"),
    ]:
        name = name.replace(ours, theirs)
    return "_" + name


def folded_weights(spec: BackboneSpec) -> dict[str, torch.Tensor]:
    """Random weights of the tiny net as the iNaturalist file has them: convolutions with bias, torchvision's names."""
    generator = torch.Generator().manual_seed(3)
    shapes = {
        "features.0.0": (32, 3, 3, 3),
        "features.1.conv.0.0": (32, 1, 3, 3),
        "features.1.conv.1": (8, 32, 1, 1),
        "features.2.conv.0.0": (16, 8, 1, 1),
        "features.2.conv.1.0": (16, 1, 3, 3),
        "features.2.conv.2": (8, 16, 1, 1),
        "features.3.conv.0.0": (16, 8, 1, 1),
        "features.3.conv.1.0": (16, 1, 3, 3),
        "features.3.conv.2": (8, 16, 1, 1),
        "features.18.0": (1280, 8, 1, 1),
    }
    weights = {}
    for name, shape in shapes.items():
        weights[f"{name}.weight"] = torch.randn(shape, generator=generator) * 0.4
        weights[f"{name}.bias"] = torch.randn(shape[0], generator=generator) * 0.2
    return weights


def folded_forward(weights: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The stored function, written down on its own."""

    def conv(name: str, y: torch.Tensor, stride: int = 1, groups: int = 1, linear: bool = False) -> torch.Tensor:
        kernel = weights[f"{name}.weight"]
        pad = kernel.shape[2] // 2
        edges = (0, 1, 0, 1) if stride == 2 else (pad, pad, pad, pad)
        y = F.conv2d(F.pad(y, edges), kernel, weights[f"{name}.bias"], stride, groups=groups)
        return y if linear else F.relu6(y)

    x = conv("features.0.0", (x - TINY.mean) / TINY.std, stride=2)
    x = conv("features.1.conv.1", conv("features.1.conv.0.0", x, groups=32), linear=True)
    y = conv("features.2.conv.1.0", conv("features.2.conv.0.0", x), stride=2, groups=16)
    x = conv("features.2.conv.2", y, linear=True)
    y = conv("features.3.conv.1.0", conv("features.3.conv.0.0", x), groups=16)
    x = x + conv("features.3.conv.2", y, linear=True)
    return conv("features.18.0", x)
