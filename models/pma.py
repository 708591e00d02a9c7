"""PMA: progressive mask attention over image blocks and the phrases of a text, and its image-only configuration.

Paper: Song, Wei, Shen, Chen, "Bi-Modal Progressive Mask Attention for Fine-Grained Recognition", IEEE TIP 2020. In K
stages the model looks at one image block that it has not used yet and at phrases tied to it; what was used is masked
for the later stages. No public code exists; equations follow the paper's order, and where it is silent the choice is
named at the line that makes it. One stage's attention and masks are in `layers/stages.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.layers.phrases import PhraseEncoder
from models.layers.stages import (
    PHRASES_MASKED_A_STAGE,
    Indifference,
    MeanActivation,
    QueryRelation,
    SelfAttention,
    look,
    mask_phrases,
    masked_softmax,
)

#: What an ablation takes out: the progressive masks, the query relation, the learnt self-attention.
Part = Literal["masks", "relation", "attention"]


@dataclass(frozen=True, slots=True)
class PMAShape:
    """Widths and counts. `grid` is the side of the feature map, `width` the channels that attention reads.

    In training `blindness` is the share of photos that the bimodal system has to tell from the words alone, and `narrowness`
    the share that is told from the stages' blocks alone: pretrained features of the whole photo explain nearly every
    training photo, and what is never needed is never learnt.

    `without` names parts that are taken out: without `masks` a stage may see again what an earlier one used; without
    `relation` all phrases belong to a block alike; without `attention` a block's score is its mean activation, and all
    phrases score alike.
    """

    grid: int
    width: int = 320
    stages: int = 3
    stage_width: int = 256
    reduction: int = 4
    phrases: int = 12
    words: int = 6
    text_width: int = 128
    embedding: int = 64
    dropout: float = 0.3
    blindness: float = 0.5
    narrowness: float = 0.25
    without: tuple[Part, ...] = ()

    def __post_init__(self) -> None:
        if self.grid < 2 or self.grid % 2:
            raise ValueError(f"the feature map has a side of {self.grid}; blocks of 2 x 2 need an even one")
        if self.stages > (self.grid // 2) ** 2:
            raise ValueError(
                f"{self.stages} stages need as many blocks; a side of {self.grid} gives {(self.grid // 2) ** 2}"
            )
        if self.phrases < PHRASES_MASKED_A_STAGE:
            raise ValueError(f"{self.phrases} phrases; at least {PHRASES_MASKED_A_STAGE} are needed")


class PMAOutput(NamedTuple):
    """`logits` f32 [B, C]; `features` f32 [B, F]; `stage_block` int64 [B, K]; `stage_weight` f32 [B, K];
    `phrase_weight` f32 [B, K, P], or None without a text.
    """

    logits: Tensor
    features: Tensor
    stage_block: Tensor
    stage_weight: Tensor
    phrase_weight: Tensor | None


class Shown(NamedTuple):
    """What a step lets each photo be told from, as f32 [B, 1] of 0 and 1; in evaluation all of it."""

    whole: Tensor | float
    blocks: Tensor | float
    words: Tensor | float


class _VisualStream(nn.Module):
    """What both configurations share: the map's blocks, one SAM a stage, the object vector."""

    def __init__(self, backbone: nn.Module, backbone_width: int, shape: PMAShape) -> None:
        super().__init__()
        self.shape = shape
        self.backbone = backbone
        self.reduce = nn.Sequential(
            nn.Conv2d(backbone_width, shape.width, 1, bias=False), nn.BatchNorm2d(shape.width), nn.ReLU()
        )
        is_learnt = "attention" not in shape.without
        self.visual_attention = nn.ModuleList(
            SelfAttention(shape.width, shape.reduction, text=False) if is_learnt else MeanActivation()
            for _ in range(shape.stages)
        )
        self.masks = "masks" not in shape.without

    def blocks(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Image -> x_obj f32 [B, D0], block maxima Y and block means P, both f32 [B, n, D]."""
        maps = self.backbone(x)
        reduced = self.reduce(maps)
        count = (reduced.shape[2] // 2) * (reduced.shape[3] // 2)  # training may show smaller photos than serving
        strongest, mean = (
            pool(reduced, 2).reshape(-1, self.shape.width, count).transpose(1, 2)
            for pool in (F.max_pool2d, F.avg_pool2d)
        )
        return maps.mean((2, 3)), strongest, mean

    def draw_shown(self, whole: Tensor, blindness: float) -> Shown:
        """What each photo of a step may be told from, drawn anew each time."""
        if not self.training:
            return Shown(1.0, 1.0, 1.0)
        draw = torch.rand_like(whole[:, :1])
        is_blind = draw < blindness
        is_narrow = ~is_blind & (draw < blindness + self.shape.narrowness)
        shown = (~(is_blind | is_narrow), ~is_blind, ~is_narrow)
        return Shown(*(share.to(whole.dtype) for share in shown))

    def stage_blocks(self, rows: list[Tensor]) -> Tensor:
        """One-hot rows [B, n] of the stages -> indices int64 [B, K]."""
        return torch.stack([row.argmax(1) for row in rows], dim=1)


class PMAVisual(_VisualStream):
    """PMA without a text: the visual stream and the aggregation, with weights of its own."""

    def __init__(self, backbone: nn.Module, backbone_width: int, classes: int, shape: PMAShape) -> None:
        super().__init__(backbone, backbone_width, shape)
        self.aggregate = nn.Linear(2 * shape.width, shape.stage_width)
        self.classifier = nn.Linear(backbone_width + shape.stages * shape.stage_width, classes)
        _init_heads(self.aggregate, self.classifier)

    def explain(self, x: Tensor) -> PMAOutput:
        """RGB f32 [B, 3, S, S] in 0..255 -> all outputs."""
        whole, strongest, mean = self.blocks(x)
        available = torch.ones_like(mean[:, :, 0])
        outputs, rows, weights = [self.draw_shown(whole, 0.0).whole * whole], [], []
        for attention in self.visual_attention:
            seen = look(attention(strongest), available, strongest, mean)
            if self.masks:
                available = available * (1.0 - seen.block)
            outputs.append(self.aggregate(seen.vector))
            rows.append(seen.block)
            weights.append(seen.weight)
        features = torch.cat(outputs, dim=1)
        logits = self.classifier(F.dropout(features, self.shape.dropout, self.training))
        return PMAOutput(logits, features, self.stage_blocks(rows), torch.stack(weights, dim=1), None)

    def forward(self, x: Tensor) -> Tensor:
        """RGB f32 [B, 3, S, S] in 0..255 -> logits f32 [B, C]."""
        return self.explain(x).logits


class PMA(_VisualStream):
    """The bimodal system: an image and the phrases of a text."""

    def __init__(
        self, backbone: nn.Module, backbone_width: int, classes: int, vocabulary: int, shape: PMAShape
    ) -> None:
        super().__init__(backbone, backbone_width, shape)
        self.phrases = PhraseEncoder(vocabulary, shape.embedding, shape.text_width)
        learns, relates = "attention" not in shape.without, "relation" not in shape.without
        self.text_attention = nn.ModuleList(
            SelfAttention(shape.text_width, shape.reduction, text=True) if learns else Indifference()
            for _ in range(shape.stages)
        )
        self.relation = nn.ModuleList(
            QueryRelation(shape.width, shape.text_width) if relates else Indifference() for _ in range(shape.stages)
        )
        self.aggregate = nn.Linear(2 * shape.width + 2 * shape.text_width, shape.stage_width)
        self.classifier = nn.Linear(backbone_width + shape.stages * shape.stage_width, classes)
        _init_heads(self.aggregate, self.classifier)

    def explain(self, x: Tensor, phrases: Tensor) -> PMAOutput:
        """RGB f32 [B, 3, S, S] in 0..255 and word ids int64 [B, P, T] -> all outputs."""
        whole, strongest, mean = self.blocks(x)
        vectors, valid = self.phrases(phrases)
        count = valid.sum(1, keepdim=True)
        available, available_text = torch.ones_like(mean[:, :, 0]), valid
        shown = self.draw_shown(whole, self.shape.blindness)
        outputs, rows, weights, phrase_weights = [shown.whole * whole], [], [], []
        for visual, text, relation in zip(self.visual_attention, self.text_attention, self.relation, strict=True):
            seen = look(visual(strongest), available, strongest, mean)
            tied = masked_softmax(relation(vectors, seen.local), available_text)  # (9)
            if self.masks:
                available = available * (1.0 - seen.block)
                available_text = mask_phrases(tied, available_text, count)  # (10), before (11)
            remaining = masked_softmax(text(vectors), available_text)  # (11)
            read = torch.bmm(torch.stack([remaining, tied], dim=1), vectors).flatten(1)  # (12) [t_glob; t_loc]
            outputs.append(self.aggregate(torch.cat([shown.blocks * seen.vector, shown.words * read], dim=1)))
            rows.append(seen.block)
            weights.append(seen.weight)
            phrase_weights.append(tied)
        features = torch.cat(outputs, dim=1)
        logits = self.classifier(F.dropout(features, self.shape.dropout, self.training))
        return PMAOutput(
            logits,
            features,
            self.stage_blocks(rows),
            torch.stack(weights, dim=1),
            torch.stack(phrase_weights, dim=1),
        )

    def forward(self, x: Tensor, phrases: Tensor) -> Tensor:
        """RGB f32 [B, 3, S, S] in 0..255 and word ids int64 [B, P, T] -> logits f32 [B, C]."""
        return self.explain(x, phrases).logits


def _init_heads(*layers: nn.Linear) -> None:
    for layer in layers:
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
