"""HAN and AdaHAN: answers to questions about a photo that read only the cells whose fused vectors are longest.

Paper: Malinowski, Doersch, Santoro, Battaglia, "Learning Visual Question Answering by Bootstrapping Hard Attention",
ECCV 2018. Each cell of the photo is fused with the question; the Euclidean length of the fused vector is its relevance;
HAN keeps a fixed number of cells, AdaHAN those above the uniform share of a softmax over the lengths. What is kept
becomes one vector (`models.layers.aggregation`) and a classifier chooses among the answers. The kept cells are the
explanation that leaves with the answer: nothing else was read.

Two ways in: a photo, or cells that were computed before and stored, for training on a frozen encoder. Controls are
settings of the same network: all cells, soft weights in place of a choice, cells drawn at random, and those of the middle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.layers.aggregation import SOFT, Aggregation, SoftSum, StackedAttention, build_aggregator
from models.layers.cell_encoders import PhotoCells, SceneCells
from models.layers.question import QuestionEncoder
from models.layers.selection import above_uniform, relevance, strongest

#: Which cells are read: by relevance or all. `random` and `centre` keep as many as `han`, but any, or those nearest to the
#: middle: controls for training and measuring, never exported.
Selection = Literal["han", "adahan", "all", "random", "centre"]
CONTROLS: frozenset[Selection] = frozenset({"random", "centre"})

ANSWER_STD = 0.01  # the first answer is nearly the uniform one


@dataclass(frozen=True, slots=True)
class HardAttentionShape:
    """All that the network's structure follows from; the defaults are the paper's sizes.

    `words` counts the ids of the vocabulary, padding and unknown included; `channels` and `grid` are those of the
    cells. `keep` is how many cells HAN keeps. `fuse_layers` are the 1 x 1 layers after the fusion, 0 to 2. With `places`
    each cell knows where it lies, which a sum of cells does not tell. `divisor` divides the aggregated vector by a
    constant, never by the number of cells: how long it is tells how many there were.
    """

    words: int
    answers: int
    channels: int = 2048
    grid: int = 10
    embedding: int = 300
    question: int = 512
    width: int = 1024
    hidden: tuple[int, int] = (1024, 2048)
    fuse_layers: int = 2
    selection: Selection = "han"
    keep: int = 16
    aggregation: Aggregation = "sum"
    places: bool = False
    divisor: float = 1.0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.keep <= self.cells:
            raise ValueError(f"{self.keep} cells cannot be kept of {self.cells}")
        if self.fuse_layers not in (0, 1, 2):
            raise ValueError(f"there are 0, 1 or 2 layers after the fusion, not {self.fuse_layers}")
        if self.aggregation in SOFT and self.selection != "all":
            raise ValueError(f"soft weights drop no cell: they go with 'all', not with {self.selection!r}")

    @property
    def cells(self) -> int:
        """How many cells a photo has."""
        return self.grid**2

    @property
    def object_width(self) -> int:
        """What is joined of a cell: its fused vector, for relations with its place (Santoro et al., section 4.1)."""
        return self.width + (2 if self.has_tags else 0)

    @property
    def has_tags(self) -> bool:
        """Whether a cell's place is told beside its fused vector: how far two are apart must not depend on what is asked."""
        return self.places and self.aggregation == "relation"

    @property
    def has_fixed_count(self) -> bool:
        """Whether as many cells are kept of every photo, so that they can be gathered."""
        return self.selection == "han" or self.selection in CONTROLS


class AnswerOutput(NamedTuple):
    """Logits f32 [B, A]; which cells were read, f32 0/1 [B, N]; how relevant each cell is, f32 [B, N] above 0.

    Cells go row by row from the top left. With soft weights the relevance is the weight, and all cells were read.
    """

    logits: Tensor
    kept: Tensor
    relevance: Tensor


class CellFusion(nn.Module):
    """m = W2 relu(W1 relu(Wv v + Wq q + b) + b1) + b2 for each cell v.

    The projections are added, which is one layer on [v ; q] without a copy of the question for each cell. The last
    layer has no ReLU, so that a vector may point anywhere and not into the positive orthant alone. Stacked attention asks its
    question later: its cells come here without one.
    """

    places: Tensor

    def __init__(self, shape: HardAttentionShape) -> None:
        super().__init__()
        self.cell = nn.Linear(shape.channels, shape.width)
        is_asked = shape.aggregation != "stacked"
        self.question = nn.Linear(shape.question, shape.width, bias=False) if is_asked else None
        self.place = nn.Linear(2, shape.width, bias=False) if shape.places else None
        self.layers = nn.ModuleList([nn.Linear(shape.width, shape.width) for _ in range(shape.fuse_layers)])
        self.register_buffer("places", cell_places(shape.grid), persistent=False)

    def forward(self, cells: Tensor, question: Tensor) -> Tensor:
        """Cells [B, N, C] and questions [B, Q] -> fused cells [B, N, D]."""
        fused = self.cell(cells)
        if self.question is not None:
            fused = fused + self.question(question).unsqueeze(1)
        if self.place is not None:
            fused = fused + self.place(self.places)
        for layer in self.layers:
            fused = layer(F.relu(fused))
        return fused


def cell_places(grid: int) -> Tensor:
    """The centres of the cells as x, y in -1..1, row by row: f32 [grid * grid, 2]."""
    axis = (torch.arange(grid, dtype=torch.float32) + 0.5) * (2.0 / grid) - 1.0
    return torch.stack([axis.repeat(grid), axis.repeat_interleave(grid)], dim=1)


def nearness(grid: int) -> Tensor:
    """Scores that fall with a cell's distance from the middle of the photo, row by row, equal where that is: f32 [grid * grid]."""
    axis = (2.0 * torch.arange(grid) + 1.0 - grid).square()  # whole numbers: no rounding parts equals
    return -(axis.repeat(grid) + axis.repeat_interleave(grid))


class HardAttention(nn.Module):
    """The answerer: encoder of cells, encoder of questions, fusion, choice, aggregation, classifier.

    Without an `encoder` it answers on stored cells only.
    """

    def __init__(self, shape: HardAttentionShape, encoder: PhotoCells | SceneCells | None = None) -> None:
        super().__init__()
        if encoder is not None and encoder.channels != shape.channels:
            raise ValueError(f"the encoder gives {encoder.channels} channels; the cells have {shape.channels}")
        self.shape = shape
        self.encoder = encoder
        self.questions = QuestionEncoder(shape.words, shape.embedding, shape.question)
        self.fusion = CellFusion(shape)
        self.aggregator = build_aggregator(shape.aggregation, shape.object_width, shape.question)
        first, second = shape.hidden
        self.classifier = nn.Sequential(
            nn.Linear(self.aggregator.width, first),
            nn.ReLU(),
            nn.Dropout(shape.dropout),
            nn.Linear(first, second),
            nn.ReLU(),
            nn.Dropout(shape.dropout),
            nn.Linear(second, shape.answers),
        )
        last = self.classifier[-1]
        nn.init.normal_(last.weight, std=ANSWER_STD)  # type: ignore[arg-type]
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]

    def forward(self, image: Tensor, tokens: Tensor, token_mask: Tensor) -> AnswerOutput:
        """RGB f32 [B, 3, S, S] in 0..255, word ids int64 [B, T], their mask f32 0/1 [B, T] -> the answer.

        Raises:
            ValueError: there is no encoder.
        """
        return self.answer(self.look(image), tokens, token_mask)

    def look(self, image: Tensor) -> Tensor:
        """The cells of photos: RGB f32 [B, 3, S, S] in 0..255 -> [B, N, C], row by row."""
        if self.encoder is None:
            raise ValueError("this model has no encoder of photos: it answers on stored cells")
        return self.encoder(image).reshape(-1, self.shape.channels, self.shape.cells).transpose(1, 2)

    def answer(
        self, cells: Tensor, tokens: Tensor, token_mask: Tensor, generator: torch.Generator | None = None
    ) -> AnswerOutput:
        """As `forward`, from the cells [B, N, C]; `generator` draws the cells of the selection `random`."""
        question = self.questions(tokens, token_mask)
        fused = self.fusion(cells, question)
        scores = self._scores(fused, question)
        objects = self._objects(fused)
        if self.shape.has_fixed_count:
            picks = strongest(self._order(scores, generator), self.shape.keep)
            kept = picks.sum(1)
            read = torch.bmm(picks.to(objects.dtype), objects)
            vector = self.aggregator(read, torch.ones_like(picks[:, :, 0]), question)
        else:
            kept = above_uniform(scores) if self.shape.selection == "adahan" else torch.ones_like(scores)
            vector = self.aggregator(objects, kept, question)
        return AnswerOutput(self.classifier(vector / self.shape.divisor), kept, scores)

    def _objects(self, fused: Tensor) -> Tensor:
        """What may be joined of each cell, [B, N, `object_width`]."""
        if not self.shape.has_tags:
            return fused
        tags = torch.zeros_like(fused[:, :, :2]) + self.fusion.places  # not expanded: in a graph the batch stays free
        return torch.cat([fused, tags.to(fused.dtype)], dim=2)

    def _scores(self, fused: Tensor, question: Tensor) -> Tensor:
        if isinstance(self.aggregator, SoftSum):
            return self.aggregator.weights(fused)
        if isinstance(self.aggregator, StackedAttention):
            return self.aggregator.looks(fused, question)[1]
        return relevance(fused)

    def _order(self, scores: Tensor, generator: torch.Generator | None) -> Tensor:
        """What a fixed number of cells is chosen by: the relevance, or what has nothing to do with it."""
        if self.shape.selection == "random":
            return torch.rand(scores.shape, generator=generator).to(scores)
        if self.shape.selection == "centre":
            return nearness(self.shape.grid).to(scores).expand_as(scores)
        return scores
