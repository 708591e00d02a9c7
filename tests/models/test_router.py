"""The router's classifier: the loudest cells decide, wherever they lie, and the map shows them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from models.backbones import MobileNet
from models.router import DomainRouter
from tests.photosets import TINY

pytestmark = pytest.mark.usefixtures("one_thread")


class Seen(nn.Module):
    """A backbone whose map is its input."""

    out_channels = 4

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


@pytest.fixture
def model() -> DomainRouter:
    torch.manual_seed(0)
    return DomainRouter(MobileNet(TINY), classes=3).eval()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(3, 3, 96, 96, generator=torch.Generator().manual_seed(1)) * 255


@pytest.fixture
def reader() -> DomainRouter:
    """Each of the first three channels speaks for its class."""
    model = DomainRouter(Seen(), classes=3, hidden=4)  # type: ignore[arg-type]
    with torch.no_grad():
        model.reading.weight.copy_(torch.eye(4)[:, :, None, None])
        model.reading.bias.zero_()
        model.classifier.weight.copy_(torch.eye(4)[:3])
        model.classifier.bias.zero_()
    return model.eval()


@torch.no_grad()
def test_one_loud_cell_outvotes_a_scene_that_murmurs(reader: DomainRouter) -> None:
    maps = torch.zeros(2, 4, 7, 7)
    maps[:, 2] = 1.0
    maps[0, 0, 3, 5] = 12.0
    logits = reader(maps)
    assert logits.argmax(1).tolist() == [0, 2]
    assert maps.mean((2, 3))[:, :3].argmax(1).tolist() == [2, 2], "the mean would not have heard it"
    where = reader.explain(maps).activation[0]
    assert divmod(int(where.argmax()), 7) == (3, 5)
    assert (where > 0).sum() == 1


@torch.no_grad()
def test_a_score_does_not_grow_with_the_map(reader: DomainRouter) -> None:
    small, large = (torch.full((1, 4, side, side), 0.7) for side in (3, 8))
    assert torch.allclose(reader(small), torch.full((1, 3), 0.7), atol=1e-6)
    assert torch.allclose(reader(small), reader(large), atol=1e-6)


@torch.no_grad()
def test_export_and_training_take_paths_of_equal_logits(model: DomainRouter, images: torch.Tensor) -> None:
    output = model.explain(images)
    assert torch.equal(model(images), output.logits)
    assert torch.allclose(output.features, model.backbone(images).mean((2, 3)))
    assert (output.activation >= 0).all()
    assert output.activation.shape == model.backbone(images).shape[:1] + model.backbone(images).shape[2:]


@torch.no_grad()
def test_a_photo_has_the_same_answer_alone_and_in_a_batch(model: DomainRouter, images: torch.Tensor) -> None:
    together = model.explain(images)
    for row in range(3):
        alone = model.explain(images[row : row + 1])
        assert all(torch.allclose(one[0], many[row], atol=1e-5) for one, many in zip(alone, together, strict=True))
