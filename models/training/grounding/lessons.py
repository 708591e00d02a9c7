"""Batches of expressions about the pictures of a pool: features, word pieces, truth.

Owns which expressions an epoch asks, from a seed, and the way from what is said to tensors, the same for learning and
validating. A share of what is asked means nothing in its picture, and a share of either sort is dressed in people's words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from random import Random

import msgspec
import numpy as np
import torch
from torch import Tensor

from models.text.expressions import CLS, SEP, EncodedExpression, PieceVocabulary
from models.training.dressing import Wardrobe
from models.training.grounding.pool import Pool, Said
from models.training.nouns import CLASSES

#: The box of what is not there; nothing is learnt from it.
_NO_BOX = (0.5, 0.5, 1.0, 1.0)
_NO_CLASS = -1


@dataclass(frozen=True, slots=True)
class Asked:
    """One expression about a picture of the pool."""

    picture: int
    said: Said


@dataclass(frozen=True, slots=True)
class GroundBatch:
    """`features` f32 [B, N, C1] without the position, `cell_mask` f32 [B, N], `tokens` int64 and `token_mask` f32 [B, L].

    `truth` f32 [B, 4] is the box (cx, cy, w, h), `present` f32 0/1 [B] whether there is one, `named` int64 [B] the target's
    class, below 0 where there is none.
    """

    features: Tensor
    cell_mask: Tensor
    tokens: Tensor
    token_mask: Tensor
    truth: Tensor
    present: Tensor
    named: Tensor

    def to(self, device: torch.device) -> GroundBatch:
        """The same on a device."""
        return GroundBatch(*(getattr(self, field.name).to(device) for field in fields(self)))


class Reader:
    """Expressions as word pieces, each text once; without text all are [CLS][SEP], the control that reads nothing."""

    def __init__(self, words: PieceVocabulary, *, reads_text: bool) -> None:
        self.words = words
        self._reads_text = reads_text
        self._known: dict[str, EncodedExpression] = {}

    def __call__(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Tokens int64 [B, L] and mask f32 [B, L], as long as the longest."""
        if not self._reads_text:
            return torch.tensor([[CLS, SEP]] * len(texts)), torch.ones(len(texts), 2)
        found = []
        for text in texts:
            if text not in self._known:
                self._known[text] = self.words.encode(text)
            found.append(self._known[text])
        tokens = torch.from_numpy(np.stack([one.tokens for one in found]))
        mask = torch.from_numpy(np.stack([one.mask for one in found]))
        longest = int(mask.sum(1).max())
        return tokens[:, :longest], mask[:, :longest]


@dataclass(frozen=True, slots=True)
class Dressing:
    """Which share of an epoch's expressions is dressed, and in what."""

    wardrobe: Wardrobe
    share: float

    def __call__(self, said: Said, rng: Random) -> Said:
        """The expression, perhaps dressed."""
        if rng.random() >= self.share:
            return said
        return msgspec.structs.replace(said, text=self.wardrobe.dress(said.text, rng))


class Lessons:
    """The expressions of a pool; those of an epoch are dressed where there is a `dressing`."""

    def __init__(self, pool: Pool, reader: Reader, absent_share: float, dressing: Dressing | None = None) -> None:
        self._pool = pool
        self._reader = reader
        self._absent_share = absent_share
        self._dressing = dressing
        self._true = [[said for said in told if said.box is not None] for told in pool.said]
        self._absent = [[said for said in told if said.box is None] for told in pool.said]

    def epoch(self, steps: int, batch: int, seed: int) -> Iterator[GroundBatch]:
        """So many batches of drawn expressions, each prepared while the step before it is taken."""
        rng = np.random.default_rng(seed)
        words = Random(seed)
        drawn = [[self._draw(rng, words) for _ in range(batch)] for _ in range(steps)]
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="lessons") as pool:
            ready = pool.submit(self.batch, drawn[0])
            for step in range(steps):
                following = pool.submit(self.batch, drawn[step + 1]) if step + 1 < steps else None
                yield ready.result()
                if following is not None:
                    ready = following

    def batch(self, asked: Sequence[Asked]) -> GroundBatch:
        """The tensors of some expressions."""
        places = [one.picture for one in asked]
        said = [one.said for one in asked]
        tokens, token_mask = self._reader([one.text for one in said])
        return GroundBatch(
            torch.from_numpy(np.stack([self._pool.features[place] for place in places]).astype(np.float32)),
            torch.from_numpy(self._pool.masks[places].astype(np.float32)),
            tokens,
            token_mask,
            torch.tensor([one.box or _NO_BOX for one in said]),
            torch.tensor([float(one.box is not None) for one in said]),
            torch.tensor([CLASSES.index(one.name) if one.name else _NO_CLASS for one in said]),
        )

    def all(self) -> list[Asked]:
        """Every expression of the pool."""
        return [Asked(place, said) for place, told in enumerate(self._pool.said) for said in told]

    def _draw(self, rng: np.random.Generator, words: Random) -> Asked:
        """An expression about a random picture that has one of the wanted sort."""
        told = self._absent if rng.random() < self._absent_share else self._true
        place = int(rng.integers(len(told)))
        while not told[place]:
            place = int(rng.integers(len(told)))
        said = told[place][int(rng.integers(len(told[place])))]
        return Asked(place, said if self._dressing is None else self._dressing(said, words))
