"""Questions as batches: word ids, what is looked at and what is taught, in a new order each epoch.

Owns the way from questions to tensors, the same for learning, validating and measuring. A question without a right
answer in the list teaches nothing, and counts as answered wrongly where answers are counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.text.questions import QuestionVocabulary
from models.training.answering.sights import Places, Sights
from models.training.questions import Question, answer_targets


@dataclass(frozen=True, slots=True)
class QuestionBatch:
    """Questions of one step.

    `seen` are pictures f32 [P, 3, S, S] or cells f32 [P, N, C], each once; `which` int64 [B] tells a question's. Word ids
    int64 [B, T] and their mask f32 0/1 [B, T] go as far as the longest question; `targets` f32 [B, A] add up to 1 or 0.
    """

    seen: Tensor
    are_pictures: bool
    which: Tensor
    tokens: Tensor
    mask: Tensor
    targets: Tensor

    def to(self, device: torch.device) -> QuestionBatch:
        """The same on a device."""
        moved = (tensor.to(device) for tensor in (self.which, self.tokens, self.mask, self.targets))
        return QuestionBatch(self.seen.to(device), self.are_pictures, *moved)


class Lessons:
    """The questions of a material with their words, their places and what is looked at."""

    def __init__(
        self,
        questions: Sequence[Question],
        vocabulary: QuestionVocabulary,
        answers: tuple[str, ...],
        places: Places,
        sights: Sights,
    ) -> None:
        self.questions = questions
        self.vocabulary = vocabulary
        self.answers = answers
        self._places = places
        self._sights = sights
        texts = {text: number for number, text in enumerate(dict.fromkeys(one.text for one in questions))}
        encoded = [vocabulary.encode(text) for text in texts]
        self._text_of = np.array([texts[one.text] for one in questions])
        self._tokens = np.stack([one.tokens for one in encoded])
        self._mask = np.stack([one.mask for one in encoded])

    def rows(self, split: str) -> Places:
        """The questions of a part, by number."""
        return np.array([row for row, one in enumerate(self.questions) if one.split == split], np.int64)

    def taught(self, kind: str = "") -> Places:
        """The training questions with an answer in the list, of the kinds that begin with `kind`."""
        known = set(self.answers)
        asked = ((row, self.questions[row]) for row in self.rows("train"))
        rows = [row for row, one in asked if one.kind.startswith(kind) and not known.isdisjoint(one.answers)]
        return np.array(rows, np.int64)

    def epoch(
        self, rows: Places, batch: int, steps: int, seed: int, portion: int | None = None
    ) -> Iterator[QuestionBatch]:
        """The first batches of the rows in a new order.

        The questions about a picture that has to be encoded follow one another, all or so many as `portion` says, so that it is
        encoded once for them.
        """
        rng = np.random.default_rng(seed)
        rows = rng.permutation(rows)
        if self._sights.are_pictures:
            turn = rng.permutation(self._places.max() + 1)
            rows = rows[np.argsort(turn[self._places[rows]], kind="stable")]
            if portion is not None:
                rows = _in_portions(rows, self._places[rows], portion, rng)
        for step in range(steps):
            yield self.batch(rows[step * batch : (step + 1) * batch])

    def batch(self, rows: Places) -> QuestionBatch:
        """Some questions as tensors."""
        seen, which = np.unique(self._places[rows], return_inverse=True)
        texts = self._text_of[rows]
        length = max(1, int(self._mask[texts].sum(1).max()))
        return QuestionBatch(
            self._sights[seen],
            self._sights.are_pictures,
            torch.from_numpy(which),
            torch.from_numpy(self._tokens[texts, :length]),
            torch.from_numpy(self._mask[texts, :length]),
            torch.from_numpy(answer_targets([self.questions[row] for row in rows], self.answers)),
        )


def _in_portions(rows: Places, pictures: Places, size: int, rng: np.random.Generator) -> Places:
    """Rows that go picture by picture, cut into portions of one picture, which come in a random order."""
    begins = np.flatnonzero(np.diff(pictures, prepend=-1))
    nth = np.arange(len(rows)) - np.repeat(begins, np.diff(begins, append=len(rows)))
    portion = np.cumsum(nth % size == 0) - 1
    turn = rng.permutation(len(rows))
    return rows[np.argsort(turn[portion], kind="stable")]
