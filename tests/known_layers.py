"""Layers with the weights of the papers' known answers: asked in torch, and through the engine that serves."""

from __future__ import annotations

import math

import torch
from torch import nn

from models.layers.aggregation import PairwiseSum, SoftSum
from models.layers.stages import SelfAttention
from models.pma import PMAShape, PMAVisual


def self_attention(text: bool) -> SelfAttention:
    """PMA's score of a vector of two, of the language's stream or of the visual one."""
    module = SelfAttention(4, 2, text)
    module.inner = nn.Linear(2, 2)
    module.score = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        module.inner.weight.copy_(torch.tensor([[1.0, 2.0], [-1.0, 1.0]]))
        module.inner.bias.zero_()
        module.score.weight.copy_(torch.tensor([[1.0, -0.5]]))
    return module


def bare_stream() -> PMAVisual:
    """PMA's visual stream on a map of one channel and 4 x 4, which nothing changes before its blocks are made."""
    model = PMAVisual(nn.Identity(), 1, 2, PMAShape(grid=4, width=4, stage_width=2, stages=1))
    model.shape = PMAShape(grid=4, width=1, stage_width=2, stages=1, reduction=1)
    model.reduce = nn.Identity()  # type: ignore[assignment]
    return model


def pairwise(scale: float) -> PairwiseSum:
    """Attention among cells of two: queries and keys are the cells themselves, a value is (x, x + y)."""
    module = PairwiseSum(2)
    module.scale = scale
    with torch.no_grad():
        module.query.weight.copy_(torch.eye(2))
        module.key.weight.copy_(torch.eye(2))
        module.value.weight.copy_(torch.tensor([[1.0, 0.0], [1.0, 1.0]]))
    return module


def soft() -> SoftSum:
    """Soft weights that score the cells (1, 0), (0, 1) and (2, 2) with 1, 2 and 0."""
    module = SoftSum(2)
    one, two = math.tanh(1.0), math.tanh(2.0)
    bias = 3.0 * two / (2.0 * two - one)  # of the three equations a t1 + b = 1, c t1 + b = 2, (a + c) t2 + b = 0
    with torch.no_grad():
        module.score.weight.copy_(torch.tensor([[(1.0 - bias) / one, (2.0 - bias) / one]]))
        module.score.bias.fill_(bias)
    return module
