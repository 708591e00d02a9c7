"""Targets of cells and the losses on them."""

from __future__ import annotations

import pytest
import torch

from models.layers.boxes import cell_centres
from models.training.cell_losses import alignment_loss, choice_loss, inside, referent_loss

CENTRES = cell_centres(4)
ONES = torch.ones(1, 16)
PRESENT = torch.ones(1)


def test_a_box_holds_the_cells_whose_centres_it_covers() -> None:
    held = inside(torch.tensor([[0.25, 0.5, 0.5, 1.0]]), CENTRES).reshape(4, 4)
    assert held.tolist() == [[1, 1, 0, 0]] * 4


def test_a_box_between_centres_holds_the_nearest_cell() -> None:
    held = inside(torch.tensor([[0.8, 0.3, 0.02, 0.02]]), CENTRES)[0]
    assert held.nonzero().flatten().tolist() == [7]


def test_referent_loss_falls_with_the_right_cells_and_ignores_bars() -> None:
    held = inside(torch.tensor([[0.25, 0.5, 0.5, 1.0]]), CENTRES)
    right, wrong = 4 * (2 * held - 1), 4 * (1 - 2 * held)
    assert referent_loss(right, held, ONES, PRESENT) < 0.05
    assert referent_loss(wrong, held, ONES, PRESENT) > 3
    mask = ONES.clone()
    mask[0, 12:] = 0.0
    changed = right.clone()
    changed[0, 12:] = -50.0
    assert torch.equal(referent_loss(right, held, mask, PRESENT), referent_loss(changed, held, mask, PRESENT))


def test_few_positives_weigh_as_much_as_the_many_others() -> None:
    held = torch.zeros(1, 16)
    held[0, 3] = 1.0
    scores = torch.zeros(1, 16, requires_grad=True)
    referent_loss(scores, held, ONES, PRESENT).backward()
    assert scores.grad is not None
    assert scores.grad[0, 3].item() == pytest.approx(-scores.grad[0].sum().item() + scores.grad[0, 3].item())


def test_of_an_absent_object_no_cell_is_meant() -> None:
    held = inside(torch.tensor([[0.25, 0.5, 0.5, 1.0]]), CENTRES)
    assert referent_loss(torch.full((1, 16), -9.0), held, ONES, torch.zeros(1)).item() < 1e-3
    assert choice_loss(torch.zeros(1, 16), held, torch.zeros(1)).item() == 0.0


def test_choice_loss_is_the_missing_share() -> None:
    held = inside(torch.tensor([[0.25, 0.5, 0.5, 1.0]]), CENTRES)
    assert choice_loss(torch.zeros(1, 16), held, PRESENT).item() == pytest.approx(0.693147, abs=1e-5)


def test_alignment_reads_the_words_between_the_special_tokens() -> None:
    words = torch.zeros(1, 5, 2)
    words[0, 1] = torch.tensor([1.0, 0.0])
    words[0, 0] = words[0, 2] = words[0, 3] = torch.tensor([0.0, 9.0])  # [CLS], [SEP] and padding
    token_mask = torch.tensor([[1.0, 1.0, 1.0, 0.0, 0.0]])
    cells = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    held = torch.tensor([[1.0, 0.0]])
    loss = alignment_loss(cells, words, token_mask, held, torch.ones(1, 2), PRESENT)
    assert loss.item() == pytest.approx(0.0, abs=1e-5)
    swapped = alignment_loss(cells.flip(1), words, token_mask, held, torch.ones(1, 2), PRESENT)
    assert swapped.item() > 10
