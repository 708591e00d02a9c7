"""Known answers and properties of S3N; the numbers were computed by hand from the equations."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from models import s3n
from models.layers.sampler import GRID, SparseSampler, hat_weights, kernel_matrices
from models.s3n import S3N, Peaks


def _peak_map(*points: tuple[int, int, float]) -> torch.Tensor:
    response = torch.zeros(1, GRID, GRID)
    for y, x, value in points:
        response[0, y, x] = value
    return response


def _as_peaks(response: torch.Tensor) -> Peaks:
    return Peaks(response, (response > 0).float(), torch.zeros(1))


@pytest.mark.parametrize(
    ("probabilities", "entropy", "is_confident"),
    [
        ((0.97, 0.01, 0.005, 0.005, 0.002), 0.141010, True),
        ((0.96, 0.02, 0.01, 0.005, 0.005), 0.216464, False),
        ((0.95, 0.02, 0.01, 0.01, 0.005), 0.245564, False),
        ((0.5, 0.2, 0.1, 0.1, 0.05), 1.278765, False),
        ((1.0, 0.0, 0.0, 0.0, 0.0), 0.0, True),
        ((0.2, 0.2, 0.2, 0.2, 0.2), 1.609438, False),
    ],
)
def test_known_answer_1_entropy_gate(probabilities: tuple[float, ...], entropy: float, is_confident: bool) -> None:
    rest = max(0.0, 1.0 - sum(probabilities))
    spread = [rest / 50] * 50 if rest > 1e-9 else []
    logits = torch.tensor([[math.log(max(p, 1e-30)) for p in (*probabilities, *spread)]])
    measured = s3n.top_entropy(logits).item()
    assert measured == pytest.approx(entropy, abs=1e-5)
    assert (measured < s3n.ENTROPY_GATE) == is_confident


@pytest.mark.parametrize(
    ("classes", "top", "entropy"),
    [(200, 9.0, 0.028028), (200, 7.0, 0.163268), (200, 0.0, 0.132458), (20, 0.0, 0.748933)],
)
def test_known_answer_1_entropy_is_not_monotone(classes: int, top: float, entropy: float) -> None:
    logits = torch.zeros(1, classes)
    logits[0, 3] = top
    assert s3n.top_entropy(logits).item() == pytest.approx(entropy, abs=1e-5)


def test_known_answer_2_peaks_of_a_small_map() -> None:
    values = torch.zeros(5, 5)
    for y, x, value in [(1, 1, 9), (1, 3, 3), (1, 4, 3), (3, 0, 1), (3, 3, 6), (4, 4, 6)]:
        values[y, x] = value
    response = (values / 9).unsqueeze(0)
    assert response.mean().item() == pytest.approx(0.124444, abs=1e-6)
    found = s3n.local_maxima(response)[0].nonzero().tolist()
    assert found == [[1, 1], [1, 3], [3, 3]]


@pytest.mark.parametrize(
    ("value", "beta", "inverse", "expected"),
    [
        (1.0, 0.09, False, (1.0, 0.937786, 0.560962, 0.200721)),
        (0.49, 0.09, False, (0.49, 0.429799, 0.150597, 0.018489)),
        (0.49, 0.3, True, (2.040816, 2.016880, 1.835227, 1.519529)),
    ],
)
def test_known_answer_3_attention_along_a_row(
    value: float, beta: float, inverse: bool, expected: tuple[float, ...]
) -> None:
    response = _peak_map((15, 10, value))
    attention = s3n.attention_map(response, (response > 0).float(), torch.tensor(beta), inverse)[0, 15] - s3n.BASE
    for distance, answer in zip((0, 1, 3, 5), expected, strict=True):
        assert attention[10 + distance].item() == pytest.approx(answer, abs=1e-5)


def _attention(response: torch.Tensor, phase: s3n.Phase) -> tuple[torch.Tensor, torch.Tensor]:
    strong, weak = s3n.split_peaks(_as_peaks(response), phase, torch.Generator().manual_seed(0))
    return (
        s3n.attention_map(response, strong, torch.tensor(0.09), inverse=False)[0],
        s3n.attention_map(response, weak, torch.tensor(0.3), inverse=True)[0],
    )


def test_known_answer_4_phases() -> None:
    response = _peak_map((15, 15, 1.0), (4, 20, 0.49))
    q_d, q_c = _attention(response, 2)
    assert q_d[15, 15].item() == pytest.approx(1.090000, abs=1e-5)
    assert q_d[4, 20].item() == pytest.approx(0.090085, abs=1e-5)
    assert q_c[4, 20].item() == pytest.approx(2.130816, abs=1e-5)
    assert q_c[15, 15].item() == pytest.approx(0.454526, abs=1e-5)
    q_d, q_c = _attention(response, 0)
    assert (q_d[15, 15].item(), q_d[4, 20].item()) == pytest.approx((1.090000, 0.580085), abs=1e-5)
    assert (q_c[15, 15].item(), q_c[4, 20].item()) == pytest.approx((1.454526, 2.560791), abs=1e-5)


def test_known_answer_4_phase_1_equals_phase_2_where_the_draw_splits_so(monkeypatch: pytest.MonkeyPatch) -> None:
    response = _peak_map((15, 15, 1.0), (4, 20, 0.49))
    monkeypatch.setattr(torch, "rand", lambda *_args, **_kwargs: torch.full((1, GRID, GRID), 0.5))
    for one, two in zip(_attention(response, 1), _attention(response, 2), strict=True):
        assert torch.equal(one, two)


def test_known_answer_5_constants() -> None:
    plain, moment = kernel_matrices()
    assert plain.sum(1).numpy() == pytest.approx(np.full(GRID, 13.838071), abs=1e-5)
    columns = plain[15, [0, 10, 14, 15, 16]].tolist()
    assert columns == pytest.approx([0.059056, 0.663553, 0.983728, 1.0, 0.983728], abs=1e-5)
    assert plain[0, 0].item() == pytest.approx(7.419035, abs=1e-5)
    assert (moment[0, 0].item(), moment[30, 30].item()) == pytest.approx((-1.013115, 8.432151), abs=1e-5)
    assert (moment[15].sum().item(), moment[0].sum().item()) == pytest.approx((6.919035, 0.0), abs=1e-5)


@pytest.mark.parametrize("value", [0.09, 0.63, 4.0])
def test_known_answer_6_uniform_attention_is_the_identity(value: float) -> None:
    sampler = SparseSampler(192)
    attention = torch.full((1, GRID, GRID), value)
    x, y = sampler.nodes(attention)
    even = torch.arange(GRID) / (GRID - 1)
    assert torch.allclose(x[0], even.expand(GRID, GRID), atol=3e-7)
    assert torch.allclose(y[0], even.unsqueeze(1).expand(GRID, GRID), atol=3e-7)
    line = torch.linspace(-1, 1, 192)
    grid = sampler.grid(attention)[0]
    assert torch.allclose(grid[..., 0], line.expand(192, 192), atol=6e-7)
    assert torch.allclose(grid[..., 1], line.unsqueeze(1).expand(192, 192), atol=6e-7)
    noise = torch.rand(1, 3, 192, 192, generator=torch.Generator().manual_seed(1))
    assert (sampler(noise, attention) - noise).abs().max().item() < 2e-4


def test_known_answer_7_zoom_at_a_centre_peak() -> None:
    sampler = SparseSampler(64)
    response = _peak_map((15, 15, 1.0))
    attention = s3n.attention_map(response, (response > 0).float(), torch.tensor(0.09), inverse=False)
    x, _ = sampler.nodes(attention)
    expected = [0.042502, 0.267459, 0.415623, 0.485001, 0.5, 0.514999, 0.584377, 0.732541, 0.957498]
    assert x[0, 15, [0, 5, 10, 14, 15, 16, 20, 25, 30]].tolist() == pytest.approx(expected, abs=1e-5)
    expansion = (1 / 30) / x[0, 15].diff()
    assert expansion[15].item() == pytest.approx(2.2224, abs=2e-3)
    assert expansion.min().item() == pytest.approx(0.7127, abs=2e-3)


@pytest.mark.parametrize(("value", "zoom"), [(0.5, 1.5138), (0.25, 1.1528)])
def test_known_answer_7_weak_peaks_zoom_less_in_the_discriminative_view(value: float, zoom: float) -> None:
    response = _peak_map((15, 15, value))
    attention = s3n.attention_map(response, (response > 0).float(), torch.tensor(0.09), inverse=False)
    x, _ = SparseSampler(64).nodes(attention)
    assert ((1 / 30) / x[0, 15].diff())[15].item() == pytest.approx(zoom, abs=2e-3)


@pytest.mark.parametrize(("value", "zoom"), [(1.0, 1.2948), (0.5, 1.6168), (0.25, 2.2438)])
def test_known_answer_7_weak_peaks_zoom_more_in_the_complementary_view(value: float, zoom: float) -> None:
    response = _peak_map((15, 15, value))
    attention = s3n.attention_map(response, (response > 0).float(), torch.tensor(0.3), inverse=True)
    x, _ = SparseSampler(64).nodes(attention)
    assert ((1 / 30) / x[0, 15].diff())[15].item() == pytest.approx(zoom, abs=2e-3)


def test_known_answer_6_the_scale_of_attention_does_not_count() -> None:
    attention = 0.09 + torch.rand(1, GRID, GRID, generator=torch.Generator().manual_seed(4))
    nodes, scaled = SparseSampler(64).nodes(attention), SparseSampler(64).nodes(7 * attention)
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(nodes, scaled, strict=True))


def test_known_answer_8_corner_peak_clamps() -> None:
    sampler = SparseSampler(64)
    response = _peak_map((0, 0, 1.0))
    attention = s3n.attention_map(response, (response > 0).float(), torch.tensor(0.09), inverse=False)
    x, y = sampler.nodes(attention)
    expected = [-0.068833, -0.047529, 0.037555, 0.188576, 0.433316, 0.999978]
    assert x[0, 0, [0, 1, 5, 10, 15, 30]].tolist() == pytest.approx(expected, abs=1e-5)
    assert torch.allclose(x[0], y[0].T, atol=1e-6)
    assert sampler.grid(attention)[0, 0, 0].tolist() == [-1.0, -1.0]


def test_known_answer_9_delta_attention() -> None:
    attention = torch.full((1, GRID, GRID), 0.09)
    attention[0, 15, 15] = 1.09
    x, _ = SparseSampler(64).nodes(attention)
    assert x[0, 15, [10, 14, 15, 16, 20]].tolist() == pytest.approx(
        [0.339512, 0.468467, 0.5, 0.531533, 0.660488], abs=1e-5
    )


def test_known_answer_10_label_smoothing() -> None:
    logits = torch.tensor([[2.0, 0.0, -1.0, 0.5]])
    label = torch.tensor([0])
    assert s3n.smoothed_cross_entropy(logits, label).item() == pytest.approx(0.667350, abs=1e-5)
    assert F.cross_entropy(logits, label).item() == pytest.approx(0.342350, abs=1e-5)


def test_known_answer_11_separable_form_equals_the_padded_convolution() -> None:
    attention = 0.09 + torch.rand(2, GRID, GRID, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    plain, moment = kernel_matrices()
    offsets = torch.arange(-30, 31, dtype=torch.float64)
    line = torch.exp(-4 * math.log(2) * offsets.square() / 169)
    kernel = (line[:, None] * line[None, :])[None, None]
    padded = F.pad(attention.unsqueeze(1), (30, 30, 30, 30), mode="replicate")
    position = (torch.arange(91, dtype=torch.float64) - 30) / 30
    assert torch.allclose(F.conv2d(padded, kernel)[:, 0], plain @ attention @ plain.T, atol=1e-11)
    assert torch.allclose(F.conv2d(padded * position, kernel)[:, 0], plain @ attention @ moment.T, atol=1e-11)


def test_known_answer_11_mirroring_and_order() -> None:
    attention = 0.09 + torch.rand(4, GRID, GRID, generator=torch.Generator().manual_seed(3))
    sampler = SparseSampler(64)
    x, _ = sampler.nodes(attention)
    mirrored, _ = sampler.nodes(attention.flip(2))
    assert torch.allclose(mirrored, 1 - x.flip(2), atol=1e-6)
    assert (x.diff(dim=2) > 0).all()


def test_known_answer_11_order_holds_for_maps_of_peaks() -> None:
    generator = torch.Generator().manual_seed(5)
    response = torch.rand(1600, GRID, GRID, generator=generator)
    is_peak = (torch.rand(1600, GRID, GRID, generator=generator) < 0.005).float()
    attention = s3n.attention_map(response, is_peak, torch.tensor(0.09), inverse=False)
    x, _ = SparseSampler(64).nodes(attention)
    assert x.diff(dim=2).min().item() > 0.01


class TinyBackbone(nn.Module):
    """Two convolutions, so that the whole system runs in milliseconds."""

    out_channels = 8

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 4, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.layers(x / 255)
        return y


@pytest.fixture
def tiny() -> S3N:
    torch.manual_seed(0)
    model = S3N(TinyBackbone(), 7, 96).eval()  # type: ignore[arg-type]
    for head in (model.raw, model.fused):
        nn.init.normal_(head.weight, std=1.0)
    return model


def test_known_answer_12_batch_equals_singles(tiny: S3N) -> None:
    x = torch.rand(4, 3, 96, 96) * 255
    together = tiny(x)
    for index in range(4):
        alone = tiny(x[index : index + 1])
        assert torch.allclose(together.logits[index], alone.logits[0], atol=1e-5)
        assert torch.equal(together.peaks.is_peak[index], alone.peaks.is_peak[0])


def test_known_answer_12_flat_response_gives_identity_views(tiny: S3N) -> None:
    output = tiny(torch.full((1, 3, 96, 96), 128.0) * 0)
    flat = Peaks(torch.zeros(1, GRID, GRID), torch.zeros(1, GRID, GRID), torch.zeros(1))
    strong, weak = s3n.split_peaks(flat, 2, None)
    assert strong.sum() == 0
    assert weak.sum() == 0
    assert torch.isfinite(output.logits).all()
    assert (s3n.attention_map(flat.response, strong, torch.tensor(0.09), inverse=False) == s3n.BASE).all()


def test_known_answer_12_gradient_reaches_beta_but_no_weight_through_the_response(tiny: S3N) -> None:
    tiny.train()
    output = tiny(torch.rand(4, 3, 96, 96) * 255, phase=0)
    s3n.s3n_loss(output, torch.tensor([0, 1, 2, 3])).backward()
    assert tiny.beta.grad is not None
    assert tiny.beta.grad.abs().min() > 0
    assert not output.peaks.response.requires_grad


@torch.no_grad()
def test_what_all_classes_share_moves_no_peak(tiny: S3N) -> None:
    x = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(4)) * 255
    before = tiny(x)
    tiny.raw.weight += torch.randn(tiny.raw.weight.shape[1], generator=torch.Generator().manual_seed(5))
    after = tiny(x)
    assert torch.equal(after.peaks.is_peak, before.peaks.is_peak)
    assert torch.allclose(after.logits, before.logits, atol=1e-3)


def test_evaluation_never_draws_random_numbers(tiny: S3N, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "rand", None)
    x = torch.arange(2 * 3 * 96 * 96, dtype=torch.float32).reshape(2, 3, 96, 96) % 255
    assert torch.equal(tiny(x, phase=1).logits, tiny(x, phase=2).logits)


def test_same_generator_seed_gives_the_same_split() -> None:
    response = torch.rand(1, GRID, GRID, generator=torch.Generator().manual_seed(5))
    peaks = Peaks(response, s3n.local_maxima(response), torch.zeros(1))
    one = s3n.split_peaks(peaks, 1, torch.Generator().manual_seed(9))
    two = s3n.split_peaks(peaks, 1, torch.Generator().manual_seed(9))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_peaks_equal_a_brute_force_scan() -> None:
    generator = torch.Generator().manual_seed(11)
    for index in range(200):
        response = torch.rand(1, 9, 9, generator=generator)
        if index % 2:
            response = (response * 4).round() / 4
        found = s3n.local_maxima(response)[0]
        for y in range(9):
            for x in range(9):
                assert bool(found[y, x]) == _is_peak(response[0], y, x), (index, y, x)


def _is_peak(response: torch.Tensor, y: int, x: int) -> bool:
    window = [
        (response[j, i].item(), -j, -i)
        for j in range(max(0, y - 1), min(9, y + 2))
        for i in range(max(0, x - 1), min(9, x + 2))
    ]
    best = max(window)
    return best[1:] == (-y, -x) and response[y, x].item() >= response.mean().item()


def test_upsampling_weights_keep_the_ends() -> None:
    weights = hat_weights(7, 3)
    assert weights.sum(1).tolist() == pytest.approx([1.0] * 7)
    assert (weights[0, 0].item(), weights[6, 2].item()) == (1.0, 1.0)
