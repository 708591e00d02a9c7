"""BERT as far as grounding reads it: embeddings and encoder layers, every layer's output kept, no pooler.

Owns the structure and the reader of published weights, by name. The paper takes the first six layers of an uncased
BERT-base; MiniLM-L6 has the same structure at half the width and fits by its numbers. A word table may be cut to fewer
pieces than were published: `vocabulary` rows are read then, those that `pieces` names. Paper: Devlin et al., NAACL 2019;
weights of all-MiniLM-L6-v2: Wang et al., NeurIPS 2020, Apache-2.0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.layers.crossmodal import CrossAttention

NORM_EPS = 1e-12
_LAYER = "encoder.layer."
#: Our layer -> the published one.
_LINEAR = {
    "attention.query": "attention.self.query",
    "attention.key": "attention.self.key",
    "attention.value": "attention.self.value",
    "attention.out": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "inner": "intermediate.dense",
    "outer": "output.dense",
    "norm": "output.LayerNorm",
}
_TABLES = {
    "words.weight": "embeddings.word_embeddings.weight",
    "positions.weight": "embeddings.position_embeddings.weight",
    "kinds.weight": "embeddings.token_type_embeddings.weight",
    "norm.weight": "embeddings.LayerNorm.weight",
    "norm.bias": "embeddings.LayerNorm.bias",
}


@dataclass(frozen=True, slots=True)
class BertShape:
    """Widths and counts; `vocabulary` counts word pieces, `positions` bounds the length of a text."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    inner: int
    positions: int = 512


BERT_BASE_6 = BertShape(vocabulary=30_522, width=768, layers=6, heads=12, inner=3072)
MINILM_L6 = BertShape(vocabulary=30_522, width=384, layers=6, heads=12, inner=1536)


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward part, post-norm, exact GELU. Without dropout: fine-tuning keeps it off."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.attention = CrossAttention(shape.width, shape.heads, dropout=0.0)
        self.attention_norm = nn.LayerNorm(shape.width, eps=NORM_EPS)
        self.inner = nn.Linear(shape.width, shape.inner)
        self.outer = nn.Linear(shape.inner, shape.width)
        self.norm = nn.LayerNorm(shape.width, eps=NORM_EPS)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """f32 [B, L, d] and mask f32 [B, L] -> f32 [B, L, d]."""
        x = self.attention_norm(x + self.attention(x, x, mask))
        return self.norm(x + self.outer(F.gelu(self.inner(x))))


class Bert(nn.Module):
    """Word pieces in, the output of every layer out."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.shape = shape
        self.words = nn.Embedding(shape.vocabulary, shape.width)
        self.positions = nn.Embedding(shape.positions, shape.width)
        self.kinds = nn.Embedding(2, shape.width)  # of a pair's first and second text; here all are of the first
        self.norm = nn.LayerNorm(shape.width, eps=NORM_EPS)
        self.layers = nn.ModuleList(EncoderLayer(shape) for _ in range(shape.layers))
        for table in (self.words, self.positions, self.kinds):
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, tokens: Tensor, mask: Tensor) -> list[Tensor]:
        """Ids int64 [B, L] and mask f32 [B, L] -> f32 [B, L, d] after each layer."""
        position = self.positions.weight[: tokens.shape[1]]
        x = self.norm(self.words(tokens) + position + self.kinds.weight[0])
        outputs = []
        for layer in self.layers:
            x = layer(x, mask)
            outputs.append(x)
        return outputs


def load_bert(bert: Bert, published: Mapping[str, Tensor], pieces: Sequence[int] | None = None) -> None:
    """Fill from published weights under BERT's names (`embeddings.*`, `encoder.layer.N.*`), perhaps more layers than ours.

    `pieces` are the rows of the published word table that ours keeps, in our order; None keeps all.

    Raises:
        ValueError: a weight is missing or has another shape; the message names it.
    """
    state: dict[str, Tensor] = {}
    for ours, tensor in bert.state_dict().items():
        theirs = _published_name(ours)
        if theirs not in published:
            raise ValueError(f"the published weights lack {theirs!r}")
        value = published[theirs]
        if ours == "words.weight" and pieces is not None:
            value = value[torch.tensor(pieces)]
        if value.shape != tensor.shape:
            raise ValueError(f"{theirs} has shape {list(value.shape)}; {list(tensor.shape)} is needed")
        state[ours] = value
    bert.load_state_dict(state)


def _published_name(ours: str) -> str:
    if ours in _TABLES:
        return _TABLES[ours]
    _, number, rest = ours.split(".", 2)
    layer, _, leaf = rest.rpartition(".")
    return f"{_LAYER}{number}.{_LINEAR[layer]}.{leaf}"
