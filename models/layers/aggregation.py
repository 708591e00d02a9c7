"""From the cells that were kept to one vector: by sum, by attention among them, by relations of pairs, by soft weights.

Papers: Malinowski et al., ECCV 2018 (sum and pairwise); Santoro et al., "A simple neural network module for relational
reasoning", NeurIPS 2017 (relation); Yang et al., "Stacked Attention Networks for Image Question Answering", CVPR 2016 (soft
and stacked). All take cells [B, M, D], which of them count as 0/1 [B, M] and the question [B, Q], and give [B, width]:
either all cells with a mask, or gathered ones that all count. Both give the same vector; gathering saves the work on the
others.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Aggregation = Literal["sum", "pairwise", "relation", "soft", "stacked"]
#: What weighs every cell and drops none.
SOFT: frozenset[Aggregation] = frozenset({"soft", "stacked"})

RELATION_WIDTH = 256
HOPS = 2
_RELATION_LAYERS = 4
_OUT = -1e4  # far below any product, and still a number in half precision


class CellSum(nn.Module):
    """r = the sum of the kept cells; no weights."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, cells: Tensor, kept: Tensor, question: Tensor) -> Tensor:
        """The sum [B, D], as a product with the mask."""
        return torch.bmm(kept.unsqueeze(1), cells).squeeze(1)


class PairwiseSum(nn.Module):
    """r = sum over kept i of sum over kept j of softmax_j(q_i . k_j / sqrt(D)) v_j: non-local attention, added up.

    Dropped cells are shut out twice: as keys by a large negative number before the softmax, as queries by a zero in the
    sum after it.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.scale = width**-0.5
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)

    def forward(self, cells: Tensor, kept: Tensor, question: Tensor) -> Tensor:
        """The sum of what each kept cell reads from the kept cells, [B, D]."""
        products = torch.bmm(self.query(cells), self.key(cells).transpose(1, 2)) * self.scale
        attention = (products + (1.0 - kept.unsqueeze(1)) * _OUT).softmax(2)
        read = torch.bmm(attention, self.value(cells))
        return torch.bmm(kept.unsqueeze(1), read).squeeze(1)


class RelationSum(nn.Module):
    """r = the sum of g([m_i ; m_j ; q]) over all ordered pairs of kept cells; g has four layers of 256 with ReLU.

    The first layer is applied to each cell and to the question once and added by pairs, which is the same function.
    """

    def __init__(self, cell_width: int, question_width: int) -> None:
        super().__init__()
        self.width = RELATION_WIDTH
        self.first = nn.Linear(cell_width, self.width)
        self.second = nn.Linear(cell_width, self.width, bias=False)
        self.question = nn.Linear(question_width, self.width, bias=False)
        self.layers = nn.ModuleList([nn.Linear(self.width, self.width) for _ in range(_RELATION_LAYERS - 1)])
        # With the smaller weights of a layer by default a pair tells next to nothing after four of them.
        for layer in (self.first, self.second, self.question, *self.layers):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")

    def forward(self, cells: Tensor, kept: Tensor, question: Tensor) -> Tensor:
        """The sum over pairs, [B, 256]."""
        count = cells.shape[1]
        first = self.first(cells) + self.question(question).unsqueeze(1)
        pairs = F.relu(first.unsqueeze(2) + self.second(cells).unsqueeze(1)).reshape(-1, count * count, self.width)
        for layer in self.layers:
            pairs = F.relu(layer(pairs))
        both = (kept.unsqueeze(2) * kept.unsqueeze(1)).reshape(-1, 1, count * count)
        return torch.bmm(both, pairs).squeeze(1)


class SoftSum(nn.Module):
    """The baseline without a choice: r = the mean of the cells, weighted by softmax_i(w . tanh(m_i) + b)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.score = nn.Linear(width, 1)

    def weights(self, cells: Tensor) -> Tensor:
        """How much each cell counts: [B, M, D] -> [B, M], which add up to 1."""
        return self.score(torch.tanh(cells)).squeeze(2).softmax(1)

    def forward(self, cells: Tensor, kept: Tensor, question: Tensor) -> Tensor:
        """The weighted mean [B, D]; nothing is dropped, so `kept` is not read."""
        return torch.bmm(self.weights(cells).unsqueeze(1), cells).squeeze(1)


class Hop(nn.Module):
    """One look: h = tanh(W_I v + W_Q u + b_A), p = softmax(W_P h + b_P), equations 15 and 16."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cell = nn.Linear(width, width, bias=False)
        self.query = nn.Linear(width, width)
        self.score = nn.Linear(width, 1)

    def forward(self, cells: Tensor, query: Tensor) -> Tensor:
        """Cells [B, M, Q] and what is sought [B, Q] -> how much each cell counts [B, M], which add up to 1."""
        met = torch.tanh(self.cell(cells) + self.query(query).unsqueeze(1))
        return self.score(met).squeeze(2).softmax(1)


class StackedAttention(nn.Module):
    """The classic baseline: `HOPS` looks, each of which refines what the next one seeks.

    u_0 = q; u_k = sum_i p_i v_i + u_(k-1) with the weights p of the k-th look, equations 17 and 18 repeated; r is the last u.
    The cells are v = tanh(W m + b), as wide as the question. They have not met it before: the looks are where they do.
    """

    def __init__(self, cell_width: int, question_width: int) -> None:
        super().__init__()
        self.width = question_width
        self.cell = nn.Linear(cell_width, question_width)
        self.hops = nn.ModuleList([Hop(question_width) for _ in range(HOPS)])

    def looks(self, cells: Tensor, question: Tensor) -> tuple[Tensor, Tensor]:
        """What was found in the end, [B, Q], and how much each cell counted in the last look, [B, M]."""
        values = torch.tanh(self.cell(cells))
        found = question
        for hop in self.hops:
            weights = hop(values, found)
            found = torch.bmm(weights.unsqueeze(1), values).squeeze(1) + found
        return found, weights

    def forward(self, cells: Tensor, kept: Tensor, question: Tensor) -> Tensor:
        """The question refined, [B, Q]; nothing is dropped, so `kept` is not read."""
        return self.looks(cells, question)[0]


Aggregator = CellSum | PairwiseSum | RelationSum | SoftSum | StackedAttention


def build_aggregator(kind: Aggregation, cell_width: int, question_width: int) -> Aggregator:
    """The module that a name stands for."""
    if kind == "sum":
        return CellSum(cell_width)
    if kind == "pairwise":
        return PairwiseSum(cell_width)
    if kind == "relation":
        return RelationSum(cell_width, question_width)
    return SoftSum(cell_width) if kind == "soft" else StackedAttention(cell_width, question_width)
