"""What cells learn while a box is learnt: which of them the words mean, and which words are about them.

A box is four numbers a sample; these losses ask every cell, which is what makes training from few photos work. Owns the
targets of cells and the auxiliary losses of grounding; which of them a run uses and with what weight is its
recipe's part. Boxes are cx, cy, w, h in 0..1 of the square, cell masks 0 on the bars.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from models.layers.boxes import corners
from models.layers.crossmodal import MASKED

_POSITIVE_WEIGHT_LIMIT = 20.0
_ALIGNMENT_TEMPERATURE = 0.07
_LEAST = 1e-6


def inside(box: Tensor, centres: Tensor) -> Tensor:
    """Which cells a box holds: f32 0/1 [B, N], by their centres f32 [N, 2].

    A box between the centres holds the cell nearest to its own, so that no object is without a cell.
    """
    edges = corners(box).unsqueeze(1)
    held = ((centres > edges[..., :2]) & (centres < edges[..., 2:])).all(2).float()
    distance = (centres.unsqueeze(0) - box[:, :2].unsqueeze(1)).square().sum(2)
    nearest = F.one_hot(distance.argmin(1), len(centres)).float()
    return torch.where(held.sum(1, keepdim=True) > 0, held, nearest)


def referent_loss(scores: Tensor, held: Tensor, cell_mask: Tensor, present: Tensor) -> Tensor:
    """Each cell's logit f32 [B, N] against whether the box holds it; of an absent object no cell is meant.

    Positives weigh as many times as they are fewer, at most 20 times, within a photo.
    """
    meant = held * cell_mask * present.unsqueeze(1)
    positive = meant.sum(1, keepdim=True)
    negative = cell_mask.sum(1, keepdim=True) - positive
    heavier = (negative / positive.clamp_min(1.0)).clamp(1.0, _POSITIVE_WEIGHT_LIMIT)
    weight = cell_mask * (1.0 + (heavier - 1.0) * meant)
    losses = F.binary_cross_entropy_with_logits(scores.float(), meant, reduction="none")
    return ((losses * weight).sum(1) / weight.sum(1).clamp_min(1.0)).mean()


def choice_loss(scores: Tensor, held: Tensor, present: Tensor) -> Tensor:
    """The head `cell`: how little of the softmax over cells, given logits f32 [B, N], falls into the box."""
    share = (scores.float().softmax(1) * held).sum(1)
    return (-share.clamp_min(_LEAST).log() * present).sum() / present.sum().clamp_min(1.0)


def alignment_loss(
    cells: Tensor, words: Tensor, token_mask: Tensor, held: Tensor, cell_mask: Tensor, present: Tensor
) -> Tensor:
    """The mean of the words f32 [B, L, C] shall be more like the cells f32 [B, N, C] of the box than like others.

    [CLS] and [SEP], the first and the last valid token, are no words.
    """
    inner = token_mask.clone()
    inner[:, :-1] *= token_mask[:, 1:]
    inner[:, -1] = 0.0
    inner[:, 0] = 0.0
    mean = (words.float() * inner.unsqueeze(2)).sum(1) / inner.sum(1, keepdim=True).clamp_min(1.0)
    similar = F.cosine_similarity(cells.float(), mean.unsqueeze(1), dim=2) / _ALIGNMENT_TEMPERATURE
    return choice_loss(similar + (1.0 - cell_mask) * MASKED, held * cell_mask, present)
