"""The self-paced loss: the known answers of its value and slopes, and what makes it sound."""

from __future__ import annotations

from dataclasses import replace
from math import exp, inf

import pytest
import torch
from torch import nn

from models.training.loop import parameter_groups
from models.training.recipes.grounding import GROUND
from models.training.self_paced import Pacing, SelfPacedLoss, grounding_losses

TRUTH = torch.tensor([[0.5, 0.5, 0.4, 0.4]])
FOUND = torch.tensor([[0.55, 0.45, 0.5, 0.3]])
UNBOUND = Pacing(sigma_range=(0.01, 100.0), exponent_cap=inf)


def slopes(pacing: Pacing, length: float) -> tuple[float, float, float, float]:
    """d, T, dT/dL and dT/dsigma of one distance; the other is 0."""
    loss = SelfPacedLoss(pacing)
    lengths = torch.tensor([[length, 0.0]], requires_grad=True)
    term = loss(lengths)
    term.backward()
    assert lengths.grad is not None
    assert loss.sigma.grad is not None
    weight = loss.weights(lengths)[0, 0].item()
    return weight, term.item() + pacing.balance, lengths.grad[0, 0].item(), loss.sigma.grad[0].item()


def test_known_answer_3_the_pair_of_item_2() -> None:
    loss = SelfPacedLoss(Pacing())
    lengths = torch.tensor([[0.3, 0.4184211]])
    assert loss.weights(lengths)[0].tolist() == pytest.approx([1.0145042, 1.0284082], abs=1e-5)
    assert loss(lengths).item() == pytest.approx(-0.7975254, abs=1e-5)
    losses = grounding_losses(loss, FOUND, torch.zeros(1, 2), TRUTH, torch.ones(1))
    assert losses.box.item() == pytest.approx(-0.7975254, abs=1e-5)
    assert losses.iou.item() == pytest.approx(0.6315789, abs=1e-5)


@pytest.mark.parametrize(
    ("length", "sigma", "expected"),
    [
        (0.5, 2.5, (1.040811, -0.260203, 0.999178, 0.008326)),
        (0.75, 2.5, (1.094174, 0.0, 1.094174, 0.0)),
        (1.5, 2.5, (1.433329, 1.074997, 1.949328, -0.309599)),
        (2.0, 1.0, (54.598150, 68.247688, 327.588900, -545.981500)),
        (0.375, 0.4, (2.408264, -0.903099, -1.825013, 3.968697)),
    ],
)
def test_known_answer_4_the_literal_form(
    length: float, sigma: float, expected: tuple[float, float, float, float]
) -> None:
    found = slopes(replace(UNBOUND, sigma=sigma, detach=False), length)
    assert found == pytest.approx(expected, rel=2e-6, abs=1e-5)


def test_known_answer_4_the_literal_slope_turns_at_lambda_over_root_two() -> None:
    assert slopes(replace(UNBOUND, sigma=0.5303301, detach=False), 0.375)[2] == pytest.approx(0.0, abs=1e-5)


def test_known_answer_5_the_detached_form() -> None:
    _, term, slope, sigma_slope = slopes(UNBOUND, 1.5)
    assert (term, slope, sigma_slope) == pytest.approx((1.074997, 1.433329, -0.309599), abs=1e-5)
    weight, _, slope, sigma_slope = slopes(Pacing(sigma=1.0), 2.0)
    assert (weight, slope, sigma_slope) == pytest.approx((7.389056, 7.389056, 0.0), abs=1e-5)


@pytest.mark.parametrize("length", [0.1, 0.375, 0.75, 2.0])
def test_the_detached_slope_is_the_weight_where_the_literal_one_has_the_wrong_sign(length: float) -> None:
    weight, _, slope, _ = slopes(replace(UNBOUND, sigma=0.4), length)
    assert slope == pytest.approx(weight)
    assert weight == pytest.approx(exp(length**2 / 0.16), rel=1e-5)


@pytest.mark.parametrize(("hard", "sigma"), [(0.01, 0.763618), (0.05, 6.171127)])
def test_known_answer_12_where_sigma_rests(hard: float, sigma: float) -> None:
    loss = SelfPacedLoss(replace(UNBOUND, sigma=sigma)).double()
    loss.sigma.data.fill_(sigma)
    easy = (1 - hard) * 100
    lengths = torch.tensor([[0.15, 0.0]] * round(easy) + [[1.0, 0.0]] * round(hard * 100), dtype=torch.float64)
    loss(lengths).mean().backward()
    assert loss.sigma.grad is not None
    assert loss.sigma.grad[0].item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(("length", "start", "end"), [(0.1, 1.5, 1.0), (3.9, 9.5, 10.0)])
def test_sigma_is_brought_back_into_its_range(length: float, start: float, end: float) -> None:
    loss = SelfPacedLoss(Pacing(sigma=start))
    optimiser = torch.optim.AdamW(loss.parameters(), lr=0.05, weight_decay=0.0)
    for _ in range(60):
        optimiser.zero_grad()
        loss(torch.full((4, 2), length)).mean().backward()
        optimiser.step()
        loss.project()
        assert 1.0 <= loss.sigma.min() <= loss.sigma.max() <= 10.0
    assert loss.sigma.tolist() == [end, end]


def test_sigma_has_a_group_of_its_own() -> None:
    learner = nn.ModuleDict({"pacing": SelfPacedLoss(Pacing()), "head": nn.Linear(2, 2)})
    own = [group for group in parameter_groups(learner, GROUND.schedule) if group["lr"] == pytest.approx(5e-5)]
    assert [(group["params"], group["weight_decay"]) for group in own] == [([learner["pacing"].sigma], 0.0)]


def test_weights_keep_their_cap() -> None:
    loss = SelfPacedLoss(Pacing(sigma=1.0))
    assert loss.weights(torch.tensor([[4.0, 2.0]])).max().item() == pytest.approx(7.389056)


def test_switched_off_it_is_plain_l1_and_giou() -> None:
    loss = SelfPacedLoss(Pacing(enabled=False))
    assert loss(torch.tensor([[0.3, 0.4184211]])).item() == pytest.approx(0.7184211)
    assert not loss.sigma.requires_grad


def test_a_batch_of_absent_objects_has_no_box_loss_and_finite_gradients() -> None:
    pacing = SelfPacedLoss(Pacing())
    box = torch.tensor([[0.2, 0.2, 0.1, 0.1], [0.5, 0.5, 0.0, 0.0]], requires_grad=True)
    conf = torch.zeros(2, 2, requires_grad=True)
    losses = grounding_losses(pacing, box, conf, TRUTH.repeat(2, 1), torch.zeros(2))
    assert losses.box.item() == 0.0
    assert losses.conf.item() == pytest.approx(0.693147, abs=1e-5)
    (losses.box + losses.conf).backward()
    assert box.grad is not None
    assert (box.grad == 0).all()
    assert conf.grad is not None
    assert (conf.grad[:, 0] != 0).all()
    assert (conf.grad[:, 1] == 0).all()


def test_box_losses_run_over_the_present_ones_only() -> None:
    pacing = SelfPacedLoss(Pacing())
    both = torch.cat([FOUND, FOUND + 0.2])
    alone = grounding_losses(pacing, FOUND, torch.zeros(1, 2), TRUTH, torch.ones(1))
    mixed = grounding_losses(pacing, both, torch.zeros(2, 2), TRUTH.repeat(2, 1), torch.tensor([1.0, 0.0]))
    assert mixed.box.item() == pytest.approx(alone.box.item())
    assert mixed.iou.tolist() == pytest.approx([alone.iou.item(), 0.0])


def test_the_quality_target_moves_no_box() -> None:
    box = FOUND.clone().requires_grad_()
    losses = grounding_losses(SelfPacedLoss(Pacing()), box, torch.zeros(1, 2), TRUTH, torch.ones(1))
    assert not losses.conf.requires_grad
    assert losses.box.requires_grad


def test_a_sigma_out_of_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"sigma 0\.5 must lie in its range, 1\.0 to 10\.0"):
        Pacing(sigma=0.5)
