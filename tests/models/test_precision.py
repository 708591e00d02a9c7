"""Geometry that stays exact while a model trains in bfloat16."""

from __future__ import annotations

import torch

from models.layers.precision import exact
from models.layers.region import zoom
from models.layers.sampler import GRID, SparseSampler


@exact
def product(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return one @ other


def test_autocast_does_not_reach_into_it_and_is_on_again_behind() -> None:
    one = torch.rand(4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        assert product(one, one).dtype == torch.float32
        assert (one @ one).dtype == torch.bfloat16
    assert torch.equal(product(one, one), one @ one)


def test_views_of_a_model_that_trains_in_bfloat16_are_those_that_are_served() -> None:
    image = torch.rand(2, 3, 32, 32)
    attention = torch.rand(2, GRID, GRID) + 0.1
    box = torch.tensor([[8.0, 24.0, 0.0, 16.0], [0.0, 32.0, 0.0, 32.0]])
    sampler = SparseSampler(32)
    served = sampler(image, attention), zoom(image, box)
    with torch.autocast("cpu", torch.bfloat16):
        trained = sampler(image, attention), zoom(image, box)
    assert all(torch.equal(one, other) for one, other in zip(served, trained, strict=True))
