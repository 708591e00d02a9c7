"""From kept cells to one vector: known answers, and that dropped cells have no say."""

from __future__ import annotations

import pytest
import torch

from models.layers.aggregation import (
    Aggregation,
    PairwiseSum,
    RelationSum,
    SoftSum,
    StackedAttention,
    build_aggregator,
)
from models.layers.selection import strongest
from tests.known_layers import pairwise, soft

CELLS = [[1.0, 0.0], [0.0, 2.0], [0.1, 0.1]]
ASKED = torch.zeros(1, 3)


@pytest.mark.parametrize(
    ("scale", "expected"), [(1.0, [0.749045, 3.250955]), (2**-0.5, [0.725569, 3.274431])], ids=["1", "1/sqrt(2)"]
)
def test_known_answer_3_pairwise(scale: float, expected: list[float]) -> None:
    cells = torch.tensor([CELLS[:2]])
    found = pairwise(scale)(cells, torch.ones(1, 2), ASKED)
    assert found[0].tolist() == pytest.approx(expected, abs=1e-5)


def test_known_answer_3_the_scale_is_the_width_s() -> None:
    assert PairwiseSum(2).scale == pytest.approx(2**-0.5)


def test_known_answer_4_a_dropped_cell_is_neither_key_nor_query() -> None:
    found = pairwise(1.0)(torch.tensor([CELLS]), torch.tensor([[1.0, 1.0, 0.0]]), ASKED)
    assert found[0].tolist() == pytest.approx([0.749045, 3.250955], abs=1e-5)


@pytest.mark.parametrize(
    ("keys", "queries", "expected"),
    [
        ([1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [1.224066, 4.775934]),
        ([1.0, 1.0, 1.0], [1.0, 1.0, 0.0], [0.606217, 2.967728]),
    ],
    ids=["queries", "keys"],
)
def test_known_answer_4_a_mask_that_is_forgotten_gives_another_sum(
    keys: list[float], queries: list[float], expected: list[float]
) -> None:
    cells = torch.tensor(CELLS)
    weights = (cells @ cells.T).exp() * torch.tensor(keys)
    read = weights / weights.sum(1, keepdim=True) @ torch.stack([cells[:, 0], cells.sum(1)], 1)
    wrong = torch.tensor(queries) @ read
    assert wrong.tolist() == pytest.approx(expected, abs=1e-5)
    found = pairwise(1.0)(cells.unsqueeze(0), torch.tensor([[1.0, 1.0, 0.0]]), ASKED)[0]
    assert ((found - wrong).abs() > 0.1).all()


def test_known_answer_6_soft_weights() -> None:
    cells = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]]])
    assert soft().weights(cells)[0].tolist() == pytest.approx([0.244728, 0.665241, 0.090031], abs=1e-5)
    assert soft()(cells, torch.ones(1, 3), ASKED)[0].tolist() == pytest.approx([0.424790, 0.845302], abs=1e-5)


def test_soft_weights_read_the_bounded_cell() -> None:
    module = SoftSum(2)
    with torch.no_grad():
        module.score.weight.copy_(torch.tensor([[1.0, 3.0]]))
        module.score.bias.fill_(0.5)
    cells = torch.randn(2, 5, 2, generator=torch.Generator().manual_seed(3)) * 4
    expected = (torch.tanh(cells[..., 0]) + 3 * torch.tanh(cells[..., 1]) + 0.5).softmax(1)
    assert torch.allclose(module.weights(cells), expected, atol=1e-6)


def test_the_second_look_seeks_what_the_first_one_found() -> None:
    """By hand: v = (.5, 0), (0, .5), q = (1, 0); the first look scores the first number of tanh(v + u), the second the second."""
    module = StackedAttention(2, 2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        module.cell.weight.copy_(torch.eye(2))
        for hop, row in zip(module.hops, torch.eye(2), strict=True):
            hop.cell.weight.copy_(torch.eye(2))  # type: ignore[operator, union-attr]
            hop.query.weight.copy_(torch.eye(2))  # type: ignore[operator, union-attr]
            hop.score.weight.copy_(row[None])  # type: ignore[operator, union-attr]
    cells = torch.atanh(torch.tensor([[[0.5, 0.0], [0.0, 0.5]]]))
    found, weights = module.looks(cells, torch.tensor([[1.0, 0.0]]))
    assert weights[0].tolist() == pytest.approx([0.402194, 0.597806], abs=1e-5)
    assert found[0].tolist() == pytest.approx([1.469011, 0.530990], abs=1e-5)  # after one look (1.267914, 0.232087)
    assert torch.equal(module(cells, torch.ones(1, 2), torch.tensor([[1.0, 0.0]])), found)


def test_relation_is_the_sum_of_one_net_over_all_ordered_pairs() -> None:
    torch.manual_seed(4)
    module = RelationSum(6, 3)
    cells, question = torch.randn(2, 5, 6), torch.randn(2, 3)
    kept = torch.tensor([[1.0, 0.0, 1.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0, 0.0]])
    weight = torch.cat([module.first.weight, module.second.weight, module.question.weight], 1)
    for row in range(2):
        total = torch.zeros(module.width)
        for i in kept[row].nonzero().flatten():
            for j in kept[row].nonzero().flatten():
                pair = weight @ torch.cat([cells[row, i], cells[row, j], question[row]]) + module.first.bias
                for layer in module.layers:
                    pair = layer(pair.relu())
                total = total + pair.relu()
        assert torch.allclose(module(cells, kept, question)[row], total, atol=1e-5)


@pytest.mark.parametrize("kind", ["sum", "pairwise", "relation"])
def test_gathered_cells_and_masked_ones_give_the_same(kind: Aggregation) -> None:
    torch.manual_seed(5)
    module = build_aggregator(kind, 16, 8)
    for _ in range(100):
        cells, question = torch.randn(1, 20, 16), torch.randn(1, 8)
        picks = strongest(cells.square().sum(2), 6)
        gathered = module(torch.bmm(picks, cells), torch.ones(1, 6), question)
        masked = module(cells, picks.sum(1), question)
        assert torch.allclose(gathered, masked, atol=1e-5, rtol=1e-5)
