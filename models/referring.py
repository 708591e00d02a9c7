"""Referring expressions: the box of the one object that words mean, and whether there is such an object.

Shallow and deep features of the photo meet shallow and deep features of the words: three groups of two CA2M layers at the
width C0, then three at C1 = 3 C0, and the first token of the language, [CLS], tells the box. The second head lets every
cell speak, weighed by how sure it is, and learns faster from few photos. Follows the paper on
self-paced multi-grained cross-modal interaction; the loss is `models.training.self_paced`'s part.

Everything that does not read the words is `vision`, so that one photo serves many expressions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.layers.bert import BERT_BASE_6, Bert, BertShape
from models.layers.boxes import cell_centres, mean_box
from models.layers.crossmodal import MASKED, AlternateAttention, JointAttention
from models.layers.grains import CELL_PX, GrainedFeatures

TOKENS = 40  # [CLS] and [SEP] counted in
GROUPS = 3
_LAYERS_A_GROUP = 2
_FUSION_LAYERS = 3
#: The mean box of the training photos as logits: step 0 predicts the prior.
_PRIOR = (0.0, 0.0, -0.4, -0.2)
TEMPERATURE_RANGE = (0.1, 2.0)

Head = Literal["cls", "cell"]
Interaction = Literal["alternate", "joint"]


@dataclass(frozen=True, slots=True)
class ReferringShape:
    """Widths and counts. `width` is C0, `heads` those at C0 and at C1, `expansion` widens feed-forward parts.

    `head` and `interaction` are the rows of the comparison: the paper's `cls` and `alternate`, or `cell` and `joint`.
    """

    backbone: str
    size_px: int
    width: int
    heads: tuple[int, int]
    expansion: int
    text: BertShape
    head: Head = "cls"
    interaction: Interaction = "alternate"
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.text.layers % GROUPS:
            raise ValueError(f"{self.text.layers} layers of language do not divide into {GROUPS} groups")

    @property
    def fused_width(self) -> int:
        """C1."""
        return GROUPS * self.width

    @property
    def side(self) -> int:
        """Cells along a side."""
        return self.size_px // CELL_PX


#: The paper's sizes; what trains on a CPU stands in `models.training.recipes.grounding`.
FULL = ReferringShape("resnet50", 512, 256, (8, 12), 4, BERT_BASE_6)


class Grounded(NamedTuple):
    """`box` f32 [B, 4] = cx, cy, w, h in 0..1 of the square; `conf` f32 [B, 2] = logits of presence and box quality.

    The rest is for training: `earlier` f32 [B, 2, 4], the boxes of the first two fusion layers; `summary` f32 [B, C1],
    [CLS] after the last; `cells` f32 [B, N, C1] after the last; `grouped` the cells and words [B, N or L, C1] before
    fusion; `scores` f32 [B, N], how sure each cell is, None for the head `cls`.
    """

    box: Tensor
    conf: Tensor
    earlier: Tensor
    summary: Tensor
    cells: Tensor
    grouped: tuple[Tensor, Tensor]
    scores: Tensor | None


class Group(nn.Module):
    """One grain: projections of cells and of one level of language to C0, and its layers."""

    def __init__(self, shape: ReferringShape) -> None:
        super().__init__()
        self.cells = nn.Linear(shape.fused_width, shape.width)
        self.words = nn.Linear(shape.text.width, shape.width)
        self.layers = nn.ModuleList(_layer(shape, shape.width, shape.heads[0]) for _ in range(_LAYERS_A_GROUP))

    def forward(self, cells: Tensor, words: Tensor, cell_mask: Tensor, word_mask: Tensor) -> tuple[Tensor, Tensor]:
        """f32 [B, N, C1] and f32 [B, L, d] -> f32 [B, N, C0] and f32 [B, L, C0]."""
        cells, words = self.cells(cells), self.words(words)
        for layer in self.layers:
            cells, words = layer(cells, words, cell_mask, word_mask)
        return cells, words


class BoxHead(nn.Module):
    """The paper's head: three layers on [CLS], a sigmoid."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        self.last = nn.Linear(width, 4)

    @torch.no_grad()
    def start_at_prior(self) -> None:
        """Let the untrained head give the mean box."""
        nn.init.normal_(self.last.weight, std=0.01)
        self.last.bias.copy_(torch.tensor(_PRIOR))

    def forward(self, summary: Tensor) -> Tensor:
        """f32 [..., C1] -> f32 [..., 4]."""
        return self.last(self.second(self.first(summary).relu()).relu()).float().sigmoid()


class CellHead(nn.Module):
    """Each cell scores itself and tells the distances from its centre to the four sides; the box is their mean.

    The learnt temperature divides the scores once, so the losses that read them see what the mean sees.
    """

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)
        self.reach = nn.Linear(width, 4)
        self.temperature = nn.Parameter(torch.tensor(0.5))
        self.register_buffer("centres", cell_centres(side), persistent=False)

    def forward(self, cells: Tensor, cell_mask: Tensor) -> tuple[Tensor, Tensor]:
        """f32 [B, N, C1] -> box f32 [B, 4] and the cells' logits f32 [B, N], bars masked."""
        scores = self.score(cells).squeeze(2).float() / self.temperature + (1.0 - cell_mask) * MASKED
        reach = F.softplus(self.reach(cells).float())
        return mean_box(scores.softmax(1), reach, self.get_buffer("centres")), scores

    @torch.no_grad()
    def project(self) -> None:
        """Bring the temperature back into its range; called after a step, since a clamp would end its gradient."""
        self.temperature.clamp_(*TEMPERATURE_RANGE)


class Referring(nn.Module):
    """The grounding model, `vision` first and `fuse` for each expression."""

    def __init__(self, shape: ReferringShape) -> None:
        super().__init__()
        self.shape = shape
        self.vision = GrainedFeatures(shape.backbone, shape.size_px, shape.width)
        self.language = Bert(shape.text)
        self.groups = nn.ModuleList(Group(shape) for _ in range(GROUPS))
        self.fusion = nn.ModuleList(_layer(shape, shape.fused_width, shape.heads[1]) for _ in range(_FUSION_LAYERS))
        self.box = BoxHead(shape.fused_width)
        self.conf = nn.Linear(shape.fused_width, 2)
        self.cell_head = CellHead(shape.fused_width, shape.side) if shape.head == "cell" else None
        for part in (self.groups, self.fusion, self.box, self.conf, self.cell_head):
            if part is not None:
                part.apply(_start)
        self.box.start_at_prior()

    def fuse(self, features: Tensor, tokens: Tensor, token_mask: Tensor, cell_mask: Tensor) -> Grounded:
        """Features f32 [B, N, C1], word pieces int64 [B, L] and the masks f32 [B, L] and [B, N] -> all outputs."""
        levels = self.language(tokens, token_mask)
        step = len(levels) // GROUPS
        pairs = [
            group(features, words, cell_mask, token_mask)
            for group, words in zip(self.groups, levels[step - 1 :: step], strict=True)
        ]
        cells = torch.cat([pair[0] for pair in pairs], dim=2)
        words = torch.cat([pair[1] for pair in pairs], dim=2)
        grouped = cells, words
        summaries = []
        for number, layer in enumerate(self.fusion, start=1):
            is_last = number == len(self.fusion)  # of it only [CLS] is read
            cells, words = layer(cells, words, cell_mask, token_mask, summary_only=is_last)
            summaries.append(words[:, 0])
        box, scores = self._box(summaries[-1], cells, cell_mask)
        earlier = self.box(torch.stack(summaries[:-1], dim=1))
        return Grounded(box, self.conf(summaries[-1]).float(), earlier, summaries[-1], cells, grouped, scores)

    def forward(self, image: Tensor, tokens: Tensor, token_mask: Tensor, cell_mask: Tensor) -> Grounded:
        """RGB f32 [B, 3, S, S] in 0..255 and one expression a photo -> all outputs."""
        return self.fuse(self.vision(image), tokens, token_mask, cell_mask)

    def _box(self, summary: Tensor, cells: Tensor, cell_mask: Tensor) -> tuple[Tensor, Tensor | None]:
        if self.cell_head is None:
            return self.box(summary), None
        return self.cell_head(cells, cell_mask)


def _layer(shape: ReferringShape, width: int, heads: int) -> nn.Module:
    kind = AlternateAttention if shape.interaction == "alternate" else JointAttention
    return kind(width, heads, shape.expansion, shape.dropout)


def _start(layer: nn.Module) -> None:
    if isinstance(layer, nn.Linear):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
