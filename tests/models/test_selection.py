"""The hard choice of cells: the rules' known answers, and what they keep of odd input."""

from __future__ import annotations

import pytest
import torch

from models.layers.selection import above_uniform, relevance, strongest

GRID = [3.0, 1.0, 2.0, 3.0, 2.0, 0.0, 2.0, 5.0, 1.0]


def test_known_answer_1_han_keeps_the_longest_and_the_first_of_equals() -> None:
    picks = strongest(torch.tensor([GRID]), 4)
    assert picks[0].argmax(1).tolist() == [7, 0, 3, 2]
    assert picks[0].sum(0).tolist() == [1, 0, 1, 1, 0, 0, 0, 1, 0]


def test_known_answer_1_agrees_with_a_stable_sort() -> None:
    scores = torch.randint(0, 4, (200, 100), generator=torch.Generator().manual_seed(1)).float()
    order = scores.sort(dim=1, descending=True, stable=True).indices[:, :25]
    assert torch.equal(strongest(scores, 25).argmax(2), order)


@pytest.mark.parametrize(
    ("scores", "kept"),
    [
        (GRID, [0, 0, 0, 0, 0, 0, 0, 1, 0]),
        ([1.0, 2.0, 3.0, 4.0], [0, 0, 0, 1]),
        ([0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1]),
        ([4.0, 4.0, 1.0, 1.0], [1, 1, 0, 0]),
        ([2.0, 2.0, 2.0, 2.0], [1, 1, 1, 1]),
    ],
)
def test_known_answer_2_adahan_keeps_what_exceeds_the_uniform_share(scores: list[float], kept: list[int]) -> None:
    assert above_uniform(torch.tensor([scores]))[0].tolist() == kept


@pytest.mark.parametrize(
    ("scores", "threshold"), [(GRID, 3.183539), ([1.0, 2.0, 3.0, 4.0], 3.053895), ([0.1, 0.2, 0.3, 0.4], 0.256241)]
)
def test_known_answer_2_the_threshold_is_the_log_of_the_mean_exponential(scores: list[float], threshold: float) -> None:
    found = torch.tensor(scores)
    assert found.exp().mean().log().item() == pytest.approx(threshold, abs=1e-5)
    assert torch.equal(above_uniform(found.unsqueeze(0))[0], (found >= threshold).float())


def test_known_answer_5_gradient_reaches_the_kept_cells_alone() -> None:
    cells = torch.tensor([[[3.0, 0.0], [1.0, 1.0], [0.0, 2.0]]], requires_grad=True)
    scores = relevance(cells)
    picks = strongest(scores, 2)
    torch.bmm(picks, cells).sum().backward()
    assert scores[0].tolist() == pytest.approx([3, 1.414214, 2], abs=1e-5)
    assert picks.sum(1)[0].tolist() == [1, 0, 1]
    assert cells.grad is not None
    assert cells.grad[0].tolist() == [[1, 1], [0, 0], [1, 1]]
    assert not picks.requires_grad
    assert not above_uniform(scores).requires_grad


def test_known_answer_7_lengths_are_single_precision_also_under_autocast() -> None:
    cells = torch.full((1, 2, 1024), 9.0)
    assert cells.half().square().sum(2, dtype=torch.float16).isinf().all()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = relevance(cells.bfloat16())
    assert found.dtype == torch.float32
    assert found[0].tolist() == [288, 288]


@pytest.mark.parametrize("cells", [4, 49, 64, 100, 196, 256])
def test_known_answer_10_how_many_are_kept(cells: int) -> None:
    generator = torch.Generator().manual_seed(2)
    for scores in (
        torch.zeros(3, cells),
        torch.full((3, cells), 7.3),
        torch.rand(50, cells, generator=generator) * 9,
        torch.randint(0, 3, (50, cells), generator=generator).float(),
    ):
        assert (strongest(scores, 4).sum((1, 2)) == 4).all()
        count = above_uniform(scores).sum(1)
        assert ((count >= 1) & (count <= cells)).all()
    assert (above_uniform(torch.full((1, cells), 7.3)) == 1).all()


def test_a_dead_cell_has_a_finite_gradient() -> None:
    cells = torch.zeros(1, 3, 4, requires_grad=True)
    relevance(cells).sum().backward()
    assert cells.grad is not None
    assert (cells.grad == 0).all()
