"""The router's classifier: the loudest cells decide, wherever they lie, and the map shows them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from models.router import HIDDEN, DomainRouter

pytestmark = pytest.mark.usefixtures("one_thread")


class Seen(nn.Module):
    """A backbone whose map is its input."""

    out_channels = 4

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


@pytest.fixture
def reader() -> DomainRouter:
    """Each of the first three channels speaks for its class."""
    model = DomainRouter(Seen(), classes=3)  # type: ignore[arg-type]
    with torch.no_grad():
        model.reading.weight.copy_(torch.eye(HIDDEN, 4)[:, :, None, None])
        model.reading.bias.zero_()
        model.classifier.weight.copy_(torch.eye(3, HIDDEN))
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
