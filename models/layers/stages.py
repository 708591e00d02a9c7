"""One stage of progressive mask attention: the scores of blocks and phrases, what a stage looks at, what it uses up.

Song, Wei, Shen, Chen, "Bi-Modal Progressive Mask Attention for Fine-Grained Recognition", IEEE TIP 2020, equations (1) to
(10). The stages and what comes of them are put together in `models/pma.py`.

Masks are kept as 0/1 tensors of what is still available and become a finite penalty where they are used: minus
infinity would give NaN as soon as everything is masked.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

MASKED = -1e4  # exp of it is exactly zero in half and single precision, and it is finite in both
PHRASES_MASKED_A_STAGE = 3
UNIFORM_MARGIN = 1e-6  # keeps uniform weights from being masked by rounding


class SelfAttention(nn.Module):
    """Equation (1): one score a vector, w2 act(W1 x + b1). `text` takes tanh, otherwise ReLU."""

    def __init__(self, width: int, reduction: int, text: bool) -> None:
        super().__init__()
        self.inner = nn.Linear(width, width // reduction)
        self.score = nn.Linear(width // reduction, 1, bias=False)
        self.text = text
        if text:
            nn.init.xavier_uniform_(self.inner.weight)
        else:
            nn.init.kaiming_uniform_(self.inner.weight, nonlinearity="relu")
        nn.init.zeros_(self.inner.bias)
        nn.init.normal_(self.score.weight, std=0.01)  # the first attention is near uniform

    def forward(self, x: Tensor) -> Tensor:
        """f32 [B, n, d] -> scores f32 [B, n]."""
        hidden = self.inner(x)
        hidden = hidden.tanh() if self.text else hidden.relu()
        return self.score(hidden).squeeze(2)


class QueryRelation(nn.Module):
    """Equation (2): how much each phrase belongs to an image block, t . (W3 q) / sqrt(d_t)."""

    def __init__(self, query_width: int, text_width: int) -> None:
        super().__init__()
        self.query = nn.Linear(query_width, text_width, bias=False)
        nn.init.xavier_uniform_(self.query.weight)

    def forward(self, phrases: Tensor, query: Tensor) -> Tensor:
        """Phrases f32 [B, P, d_t] and block f32 [B, D] -> scores f32 [B, P]."""
        return torch.bmm(phrases, self.query(query).unsqueeze(2)).squeeze(2) / math.sqrt(phrases.shape[2])


class MeanActivation(nn.Module):
    """In the place of a learnt attention to blocks: the mean of a block's features."""

    def forward(self, x: Tensor) -> Tensor:
        """f32 [B, n, d] -> scores f32 [B, n]."""
        return x.mean(2)


class Indifference(nn.Module):
    """In the place of a learnt attention or relation to phrases: all score alike."""

    def forward(self, x: Tensor, query: Tensor | None = None) -> Tensor:
        """f32 [B, n, d] -> zeros f32 [B, n]."""
        return torch.zeros_like(x[:, :, 0])


class VisualStage(NamedTuple):
    """One stage's visual result: v_k f32 [B, 2D], the block's descriptor [B, D], its one-hot row and its weight."""

    vector: Tensor
    local: Tensor
    block: Tensor
    weight: Tensor


def look(scores: Tensor, available: Tensor, strongest: Tensor, mean: Tensor) -> VisualStage:
    """Equations (4)-(8) of one stage, given SAM's scores f32 [B, n].

    `strongest` and `mean` f32 [B, n, D] are the 2 x 2 maxima and means of the map. The block is the arg-max of the
    logits, ties to the lowest index; the caller masks it for later stages.
    """
    logits = scores + (1.0 - available) * MASKED
    attention = logits.softmax(1)
    index = torch.arange(logits.shape[1], device=logits.device).unsqueeze(0)
    block = (index == logits.argmax(1, keepdim=True)).to(mean.dtype)
    overall = torch.bmm(attention.unsqueeze(1), strongest).squeeze(1)
    local = torch.bmm(block.unsqueeze(1), mean).squeeze(1)
    return VisualStage(torch.cat([overall, local], dim=1), local, block, (attention * block).sum(1))


def masked_softmax(scores: Tensor, available: Tensor) -> Tensor:
    """Softmax over what is available; zero elsewhere, and zero everywhere if nothing is."""
    return (scores + (1.0 - available) * MASKED).softmax(1) * available


def mask_phrases(weights: Tensor, available: Tensor, count: Tensor) -> Tensor:
    """Equation (10): what stays available after a stage; all f32 [B, P], `count` f32 [B, 1] = valid phrases.

    A phrase goes when it is among the three heaviest, heavier than uniform, and not the weakest that is left: the
    last condition keeps one phrase always.
    """
    index = torch.arange(weights.shape[1], device=weights.device)
    candidates = torch.where(available > 0, weights, -torch.ones_like(weights))
    top = candidates.topk(PHRASES_MASKED_A_STAGE, dim=1).indices
    is_top = (top.unsqueeze(2) == index).to(weights.dtype).sum(1)
    weakest = torch.where(available > 0, weights, 2.0 * torch.ones_like(weights)).argmin(1, keepdim=True)
    is_spared = (index.unsqueeze(0) == weakest).to(weights.dtype)
    is_heavy = (weights * count > 1.0 + UNIFORM_MARGIN).to(weights.dtype)
    return available * (1.0 - is_top * is_heavy * available * (1.0 - is_spared))
