"""Two modalities that read each other: cells of a photo and words of a text, layer by layer.

Owns cross-attention with masks, the alternate attention module CA2M, and the plain encoder over both sequences that it is
compared with; both kinds of layer take and give the same. Equations follow the order of the paper on self-paced
multi-grained cross-modal interaction for referring expressions: the vision looks first, and the language looks at the
vision that has already read. Masks are f32 0/1 and become a finite penalty: minus infinity would give NaN where all is
masked.
"""

from __future__ import annotations

from torch import Tensor, cat, nn
from torch.nn import functional as F

MASKED = -1e4  # exp of it is exactly zero in half and single precision, and it is finite in both


class CrossAttention(nn.Module):
    """MHCA(X, Y): queries from X, keys and values from Y, scaled by a head's own width."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} does not divide into {heads} heads")
        self.heads = heads
        self.dropout = dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, queries: Tensor, keys: Tensor, key_mask: Tensor) -> Tensor:
        """X f32 [B, n, C], Y f32 [B, m, C] and Y's mask f32 [B, m] -> f32 [B, n, C]."""
        query, key, value = self._split(self.query(queries)), self._split(self.key(keys)), self._split(self.value(keys))
        penalty = ((1.0 - key_mask) * MASKED).unsqueeze(1).unsqueeze(1)
        weights = (query @ key.transpose(2, 3) * query.shape[3] ** -0.5 + penalty).softmax(3)
        mixed = F.dropout(weights, self.dropout, self.training) @ value
        _, tokens, width = queries.shape
        return self.out(mixed.transpose(1, 2).reshape(-1, tokens, width))

    def _split(self, x: Tensor) -> Tensor:
        _, tokens, width = x.shape
        return x.reshape(-1, tokens, self.heads, width // self.heads).transpose(1, 2)


class FeedForward(nn.Module):
    """FFN(x) = W2 relu(W1 x + b1) + b2."""

    def __init__(self, width: int, expansion: int) -> None:
        super().__init__()
        self.inner = nn.Linear(width, expansion * width)
        self.outer = nn.Linear(expansion * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """f32 [B, n, C] -> f32 [B, n, C]."""
        return self.outer(self.inner(x).relu())


class Reading(nn.Module):
    """A post-norm half layer: one sequence reads another, then passes its feed-forward part."""

    def __init__(self, width: int, heads: int, expansion: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.attention = CrossAttention(width, heads, dropout)
        self.attention_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width, expansion)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, other: Tensor, other_mask: Tensor) -> Tensor:
        """X f32 [B, n, C] reads Y f32 [B, m, C] -> f32 [B, n, C]."""
        x = self.attention_norm(x + self.attention(x, other, other_mask))
        return self.norm(x + F.dropout(self.feed_forward(x), self.dropout, self.training))


class AlternateAttention(nn.Module):
    """CA2M: the cells read the words, then the words read the cells as they are now. No weights are shared.

    Words meet words, and cells meet cells, through the other modality only.
    """

    def __init__(self, width: int, heads: int, expansion: int, dropout: float) -> None:
        super().__init__()
        self.vision = Reading(width, heads, expansion, dropout)
        self.language = Reading(width, heads, expansion, dropout)

    def forward(
        self, cells: Tensor, words: Tensor, cell_mask: Tensor, word_mask: Tensor, *, summary_only: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Cells f32 [B, N, C] and words f32 [B, L, C], masks f32 [B, N] and [B, L] -> both, having read.

        `summary_only` gives the first word alone, f32 [B, 1, C]: what it reads does not depend on the others' queries.
        """
        cells = self.vision(cells, words, word_mask)
        return cells, self.language(words[:, :1] if summary_only else words, cells, cell_mask)


class JointAttention(nn.Module):
    """In the place of CA2M: one encoder layer in which cells and words, as one sequence, read everything."""

    def __init__(self, width: int, heads: int, expansion: int, dropout: float) -> None:
        super().__init__()
        self.joint = Reading(width, heads, expansion, dropout)

    def forward(
        self, cells: Tensor, words: Tensor, cell_mask: Tensor, word_mask: Tensor, *, summary_only: bool = False
    ) -> tuple[Tensor, Tensor]:
        """As `AlternateAttention`."""
        count = cells.shape[1]
        both = cat([cells, words], dim=1)
        both = self.joint(both, both, cat([cell_mask, word_mask], dim=1))
        return both[:, :count], both[:, count : count + 1] if summary_only else both[:, count:]
