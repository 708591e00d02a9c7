"""Known answers and properties of S3N; the numbers were computed by hand from the equations."""

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import nn
from torch.nn import functional as F

from models import s3n
from models.layers.sampler import GRID, SparseSampler
from models.s3n import S3N, Peaks, S3NOutput


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


def test_known_answer_10_label_smoothing() -> None:
    logits = torch.tensor([[2.0, 0.0, -1.0, 0.5]])
    label = torch.tensor([0])
    assert s3n.smoothed_cross_entropy(logits, label).item() == pytest.approx(0.667350, abs=1e-5)
    assert F.cross_entropy(logits, label).item() == pytest.approx(0.342350, abs=1e-5)


def test_known_answer_10_four_terms_of_which_two_are_smoothed() -> None:
    fused, raw, strong, weak = (2.0, 0.0, -1.0, 0.5), (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0)
    heads = (torch.tensor([logits, logits]) for logits in (fused, raw, strong, weak))
    output = S3NOutput(*heads, torch.zeros(2, 3), _as_peaks(_peak_map()), torch.zeros(2, 2, GRID, GRID))
    # smoothing adds 0.15 (label's logit - mean of the others'): 0.15 to the raw term, -0.05 to the complementary one
    expected = 0.342350 + (0.743668 + 0.15) + 1.386294 + (1.743668 - 0.05)
    assert s3n.s3n_loss(output, torch.tensor([0, 0])).item() == pytest.approx(expected, abs=1e-5)


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


@torch.no_grad()
def test_known_answer_12_a_flat_response_shows_the_photo_twice(tiny: S3N) -> None:
    nn.init.ones_(tiny.raw.weight)  # no class has anything beyond the mean of all
    views: list[torch.Tensor] = []
    tiny.sampler.register_forward_hook(lambda _layer, _given, view: views.append(view))
    x = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(6)) * 255
    output = tiny(x)
    assert not output.peaks.is_peak.any()
    assert (output.attention == s3n.BASE).all()
    assert len(views) == 2
    assert all((view - x).abs().max().item() < 255 * 2e-4 for view in views)
    assert torch.isfinite(output.logits).all()


def test_one_peak_is_the_strongest_and_the_weakest() -> None:
    q_d, q_c = _attention(_peak_map((4, 20, 1.0)), 2)
    assert (q_d[4, 20].item(), q_c[4, 20].item()) == pytest.approx((1.09, 1.09), abs=1e-6)
    assert q_d[4, 25].item() < q_c[4, 25].item() < 1.09  # the complementary peak is the wider one


def test_of_equal_peaks_the_first_in_raster_order_is_the_strongest_and_the_weakest() -> None:
    for chosen in s3n.split_peaks(_as_peaks(_peak_map((15, 3, 1.0), (4, 20, 1.0))), 2, None):
        assert chosen[0].nonzero().tolist() == [[4, 20]]


def test_without_a_weak_peak_the_complementary_view_is_the_photo() -> None:
    q_d, q_c = _attention(_peak_map((15, 15, 1.0)), 1)  # a peak of 1 is above every draw
    assert q_d[15, 15].item() == pytest.approx(1.09, abs=1e-6)
    assert (q_c == s3n.BASE).all()
    noise = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(7))
    sampler = SparseSampler(96)
    assert (sampler(noise, q_c.unsqueeze(0)) - noise).abs().max().item() < 2e-4
    assert (sampler(noise, q_d.unsqueeze(0)) - noise).abs().max().item() > 0.1


@pytest.mark.parametrize("phase", [0, 1])
def test_known_answer_12_gradient_reaches_beta_but_no_weight_through_the_response(tiny: S3N, phase: s3n.Phase) -> None:
    tiny.train()
    x = torch.rand(4, 3, 96, 96, generator=torch.Generator().manual_seed(3)) * 255
    output = tiny(x, phase, torch.Generator().manual_seed(8))
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


def test_peaks_equal_a_scan_of_every_window() -> None:
    response = torch.rand(500, GRID, GRID, generator=torch.Generator().manual_seed(11))
    response[1::2] = (response[1::2] * 4).round() / 4  # plateaus
    found = s3n.local_maxima(response).bool().numpy()
    for index, (one, answer) in enumerate(zip(response.numpy(), found, strict=True)):
        assert np.array_equal(answer, _scan(one)), index


def _scan(response: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """The reference: by value and then in raster order, a peak is the first cell of its window, and not below the mean."""
    order = np.argsort(-response, axis=None, kind="stable")
    place = np.empty(response.size, np.int64)
    place[order] = np.arange(response.size)
    place = place.reshape(response.shape)
    windows = sliding_window_view(np.pad(place, 1, constant_values=response.size), (3, 3))
    is_first: npt.NDArray[np.bool_] = windows.min((2, 3)) == place
    return is_first & (response >= response.mean())
