"""Which cells of a photo are read on: the hard choices of HAN and AdaHAN by the length of a cell's vector.

Paper: Malinowski et al., "Learning Visual Question Answering by Bootstrapping Hard Attention", ECCV 2018. Owns the
relevance and the rules that choose by it. The choice has no gradient: what is kept passes on unweighted, and it is the
gradient through the kept vectors that teaches their length. All runs in fp32, since half precision makes ties.

Cells are ranked by counting, not sorted: a sort promises no order among equals in torch and a stable one has no ONNX
form, while counts are the same numbers in every engine. For 100 cells they cost nothing that can be measured.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.layers.precision import exact

SQUARES_MIN = 1e-12  # below it the root's slope is taken as zero: at an all-zero cell it would be infinite
#: Guards the case of equal cells, which must all be kept however an engine rounds their mean.
_ROUNDING = 1e-6


@exact
def relevance(cells: Tensor) -> Tensor:
    """The Euclidean length of each cell's vector: [B, N, D] -> f32 [B, N], at least 1e-6."""
    return cells.float().square().sum(2).clamp_min(SQUARES_MIN).sqrt()


@torch.no_grad()
def strongest(scores: Tensor, count: int) -> Tensor:
    """HAN: the `count` cells of the highest scores as one-hot rows, f32 0/1 [B, count, N], the highest first.

    Among equals the lower index goes first, so there are `count` of them whatever the scores [B, N] are. The sum over
    the rows is the mask; a product with the rows gathers.
    """
    cells = scores.shape[1]
    index = torch.arange(cells, device=scores.device)
    other, own = scores.unsqueeze(1), scores.unsqueeze(2)
    is_earlier = index.unsqueeze(0) < index.unsqueeze(1)
    rank = ((other > own) | ((other == own) & is_earlier)).float().sum(2)
    wanted = torch.arange(count, device=scores.device, dtype=torch.float32).reshape(1, count, 1)
    return (rank.unsqueeze(1) == wanted).float()


@torch.no_grad()
@exact
def above_uniform(scores: Tensor) -> Tensor:
    """AdaHAN: the cells whose share of a softmax over all N is at least 1 / N, as a mask f32 0/1 [B, N].

    At least one is kept, and all of them where the scores [B, N] are equal.
    """
    shares = torch.exp(scores.float() - scores.float().amax(1, keepdim=True))
    mean = shares.mean(1, keepdim=True)
    return (shares >= mean * (1.0 - _ROUNDING)).float()
