"""The trunks of the papers, and what they start from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from models.resnet import RESNETS, ResNet
from models.training.data import DataError
from models.training.grounding.beginning import load_stages

SHORT = (1, 1, 1, 1)


def test_published_weights_load_as_they_are(tmp_path: Path) -> None:
    torch.manual_seed(0)
    published = ResNet(SHORT).state_dict() | {"fc.weight": torch.zeros(9, 2048), "fc.bias": torch.zeros(9)}
    torch.save(published, tmp_path / "resnet.pth")
    trunk = ResNet(SHORT)
    load_stages(trunk, tmp_path / "resnet.pth")
    assert all(torch.equal(tensor, published[name]) for name, tensor in trunk.state_dict().items())


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "other.pth")
    with pytest.raises(DataError, match="does not hold the published weights"):
        load_stages(ResNet(SHORT), tmp_path / "other.pth")


def test_names_are_those_of_torchvision() -> None:
    """Its state dict of a ResNet-50 has 267 entries without the norms' counters, of which two are the classifier's."""
    with torch.device("meta"):
        names = [name for name in ResNet(RESNETS["resnet50"]).state_dict() if "num_batches" not in name]
    assert len(names) + 2 == 267
    assert {"conv1.weight", "bn1.running_var", "layer1.0.downsample.0.weight", "layer4.2.conv3.weight"} <= set(names)
