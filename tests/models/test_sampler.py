"""Resampling by attention: known answers of the nodes, the convolution that they stand for, what a view shows."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from models import s3n
from models.layers.sampler import GRID, SparseSampler, hat_weights, kernel_matrices

EVEN = torch.arange(GRID) / (GRID - 1)


def one_peak(y: int, x: int, value: float, beta: float = 0.09, *, inverse: bool = False) -> Tensor:
    """The attention of one peak, f32 [1, 31, 31]."""
    response = torch.zeros(1, GRID, GRID)
    response[0, y, x] = value
    return s3n.attention_map(response, (response > 0).float(), torch.tensor(beta), inverse)


def many_peaks(maps: int, beta: float, *, inverse: bool, least: float = 0.0) -> Tensor:
    """The attention of a handful of peaks at random places, their values from `least` to 1: f32 [maps, 31, 31]."""
    generator = torch.Generator().manual_seed(5)
    response = least + (1.0 - least) * torch.rand(maps, GRID, GRID, generator=generator)
    is_peak = (torch.rand(maps, GRID, GRID, generator=generator) < 0.005).float()
    return s3n.attention_map(response, is_peak, torch.tensor(beta), inverse)


def noise(maps: int) -> Tensor:
    return 0.09 + torch.rand(maps, GRID, GRID, generator=torch.Generator().manual_seed(2))


def zoom_at_the_centre(attention: Tensor) -> float:
    x, _ = SparseSampler(64).nodes(attention)
    return ((1 / 30) / x[0, 15].diff())[15].item()


def test_known_answer_5_constants() -> None:
    plain, moment = kernel_matrices()
    assert plain.sum(1).numpy() == pytest.approx(np.full(GRID, 13.838071), abs=1e-5)
    columns = plain[15, [0, 10, 14, 15, 16]].tolist()
    assert columns == pytest.approx([0.059056, 0.663553, 0.983728, 1.0, 0.983728], abs=1e-5)
    assert plain[0, 0].item() == pytest.approx(7.419035, abs=1e-5)
    assert (moment[0, 0].item(), moment[30, 30].item()) == pytest.approx((-1.013115, 8.432151), abs=1e-5)
    assert (moment[15].sum().item(), moment[0].sum().item()) == pytest.approx((6.919035, 0.0), abs=1e-5)


@pytest.mark.parametrize("value", [0.09, 0.63, 4.0])
def test_known_answer_6_uniform_attention_looks_everywhere_alike(value: float) -> None:
    sampler = SparseSampler(192)
    attention = torch.full((1, GRID, GRID), value)
    x, y = sampler.nodes(attention)
    assert torch.allclose(x[0], EVEN.expand(GRID, GRID), atol=3e-7)
    assert torch.allclose(y[0], EVEN.unsqueeze(1).expand(GRID, GRID), atol=3e-7)
    line = torch.linspace(-1, 1, 192)
    grid = sampler.grid(attention)[0]
    assert torch.allclose(grid[..., 0], line.expand(192, 192), atol=6e-7)
    assert torch.allclose(grid[..., 1], line.unsqueeze(1).expand(192, 192), atol=6e-7)


@pytest.mark.parametrize("value", [0.09, 0.63, 4.0])
def test_known_answer_6_uniform_attention_shows_the_image_itself(value: float) -> None:
    attention = torch.full((1, GRID, GRID), value)
    rough = torch.rand(1, 3, 192, 192, generator=torch.Generator().manual_seed(1))
    line = torch.linspace(0, 1, 192)
    across, down = line.expand(192, 192), line.unsqueeze(1).expand(192, 192)
    smooth = torch.stack([across, down, across * down]).unsqueeze(0)
    sampler = SparseSampler(192)
    assert (sampler(rough, attention) - rough).abs().max().item() < 2e-4
    assert (sampler(smooth, attention) - smooth).abs().max().item() < 2e-5


def test_known_answer_6_the_scale_of_attention_does_not_count() -> None:
    nodes, scaled = SparseSampler(64).nodes(noise(1)), SparseSampler(64).nodes(7 * noise(1))
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(nodes, scaled, strict=True))


def test_known_answer_7_zoom_at_a_centre_peak() -> None:
    x, _ = SparseSampler(64).nodes(one_peak(15, 15, 1.0))
    expected = [0.042502, 0.267459, 0.415623, 0.485001, 0.5, 0.514999, 0.584377, 0.732541, 0.957498]
    assert x[0, 15, [0, 5, 10, 14, 15, 16, 20, 25, 30]].tolist() == pytest.approx(expected, abs=1e-5)
    expansion = (1 / 30) / x[0, 15].diff()
    assert expansion[15].item() == pytest.approx(2.2224, abs=2e-3)
    assert expansion.min().item() == pytest.approx(0.7127, abs=2e-3)


@pytest.mark.parametrize(("value", "zoom"), [(0.5, 1.5138), (0.25, 1.1528)])
def test_known_answer_7_weak_peaks_zoom_less_in_the_discriminative_view(value: float, zoom: float) -> None:
    assert zoom_at_the_centre(one_peak(15, 15, value)) == pytest.approx(zoom, abs=2e-3)


@pytest.mark.parametrize(("value", "zoom"), [(1.0, 1.2948), (0.5, 1.6168), (0.25, 2.2438)])
def test_known_answer_7_weak_peaks_zoom_more_in_the_complementary_view(value: float, zoom: float) -> None:
    assert zoom_at_the_centre(one_peak(15, 15, value, 0.3, inverse=True)) == pytest.approx(zoom, abs=2e-3)


def test_known_answer_8_corner_peak_clamps() -> None:
    sampler = SparseSampler(64)
    x, y = sampler.nodes(one_peak(0, 0, 1.0))
    expected = [-0.068833, -0.047529, 0.037555, 0.188576, 0.433316, 0.999978]
    assert x[0, 0, [0, 1, 5, 10, 15, 30]].tolist() == pytest.approx(expected, abs=1e-5)
    assert torch.allclose(x[0], y[0].T, atol=1e-6)
    assert sampler.grid(one_peak(0, 0, 1.0))[0, 0, 0].tolist() == [-1.0, -1.0]


def test_known_answer_9_delta_attention() -> None:
    attention = torch.full((1, GRID, GRID), 0.09)
    attention[0, 15, 15] = 1.09
    x, _ = SparseSampler(64).nodes(attention)
    assert x[0, 15, [10, 14, 15, 16, 20]].tolist() == pytest.approx(
        [0.339512, 0.468467, 0.5, 0.531533, 0.660488], abs=1e-5
    )


def convolved(attention: Tensor) -> tuple[Tensor, Tensor]:
    """The nodes as the paper has them: weighted means of place by a convolution of the padded map, float64."""
    offsets = torch.arange(-30, 31, dtype=torch.float64)
    line = torch.exp(-4 * math.log(2) * offsets.square() / 169)
    kernel = (line[:, None] * line[None, :])[None, None]
    padded = F.pad(attention.double().unsqueeze(1), (30, 30, 30, 30), mode="replicate")
    place = (torch.arange(91, dtype=torch.float64) - 30) / 30
    weight = F.conv2d(padded, kernel)[:, 0]
    x = F.conv2d(padded * place, kernel)[:, 0] / weight
    y = F.conv2d(padded * place.unsqueeze(1), kernel)[:, 0] / weight
    return x, y


@pytest.fixture(params=["noise", "peaks", "inverse peaks"])
def attention(request: pytest.FixtureRequest) -> Tensor:
    if request.param == "noise":
        return noise(4)
    if request.param == "peaks":
        return many_peaks(4, 0.09, inverse=False)
    return many_peaks(4, 0.3, inverse=True, least=0.2)


def test_known_answer_11_separable_nodes_equal_the_padded_convolution(attention: Tensor) -> None:
    plain, moment = kernel_matrices()
    exact = attention.double()
    weight = plain @ exact @ plain.T
    separable = plain @ exact @ moment.T / weight, moment @ exact @ plain.T / weight
    for expected, wide, single in zip(convolved(attention), separable, SparseSampler(64).nodes(attention), strict=True):
        assert (wide - expected).abs().max().item() < 1e-12
        assert (single - expected).abs().max().item() < 2e-6


def test_known_answer_11_mirroring_and_order() -> None:
    sampler = SparseSampler(64)
    x, _ = sampler.nodes(noise(4))
    mirrored, _ = sampler.nodes(noise(4).flip(2))
    assert torch.allclose(mirrored, 1 - x.flip(2), atol=1e-6)
    assert (x.diff(dim=2) > 0).all()


def test_known_answer_11_order_holds_for_maps_of_peaks() -> None:
    x, _ = SparseSampler(64).nodes(many_peaks(1600, 0.09, inverse=False))
    assert x.diff(dim=2).min().item() > 0.01


def test_upsampling_weights_keep_the_ends() -> None:
    weights = hat_weights(7, 3)
    assert weights.sum(1).tolist() == pytest.approx([1.0] * 7)
    assert (weights[0, 0].item(), weights[6, 2].item()) == (1.0, 1.0)
