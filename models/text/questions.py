"""A question as the word ids that an answerer reads; the same in training, evaluation and serving. Torch-free.

Ids: 0 is padding, 1 is any unknown word, the vocabulary's own words follow from 2. Signs are passed over, so that
"What is this?" and "what is this" are one question. A question of other words than the vocabulary's is still a question
to the model: whoever serves it is told how many words were known, and whether it was cut.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.text.tokens import tokenise
from models.text.vocabulary import FIRST_WORD, PAD, UNKNOWN, Word

QUESTION_WORDS = 30  # the length of `tokens` in an answer graph


class EncodedQuestion(NamedTuple):
    """Word ids int64 [T] and their mask f32 0/1 [T], how many of the words were known, and whether more were cut off."""

    tokens: npt.NDArray[np.int64]
    mask: npt.NDArray[np.float32]
    known: int
    is_cut: bool


class QuestionVocabulary(BaseModel):
    """The words that an answerer knows and the number of words that it reads, T."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    kind: Literal["question"] = "question"
    length: int = Field(default=QUESTION_WORDS, ge=2, le=64)
    words: tuple[Word, ...] = Field(min_length=1, max_length=20_000)

    @model_validator(mode="after")
    def _consistent(self) -> QuestionVocabulary:
        if len(set(self.words)) != len(self.words):
            raise ValueError("words are not unique")
        return self

    @property
    def size(self) -> int:
        """How many ids there are, padding and unknown included: the rows of the embedding."""
        return FIRST_WORD + len(self.words)

    def encode(self, question: str) -> EncodedQuestion:
        """The first T words of a question; one without any word is all zeros.

        Raises:
            TextTooLong: see `models.text.tokens`.
        """
        words = question_words(question)
        read = words[: self.length]
        tokens = np.full(self.length, PAD, np.int64)
        tokens[: len(read)] = [self._ids.get(word, UNKNOWN) for word in read]
        mask = (np.arange(self.length) < len(read)).astype(np.float32)
        known = sum(word in self._ids for word in read)
        return EncodedQuestion(tokens, mask, known, is_cut=len(words) > self.length)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words, FIRST_WORD)}


def question_words(question: str) -> list[str]:
    """The words of a question in lower case, without signs; "man's" is two of them, `man` and `'s`.

    Raises:
        TextTooLong: see `models.text.tokens`.
    """
    return [token for token in tokenise(question) if any(sign.isalnum() for sign in token)]


def build_question_vocabulary(
    questions: Iterable[str], minimum: int = 1, length: int = QUESTION_WORDS
) -> QuestionVocabulary:
    """The vocabulary of training questions: words that occur `minimum` times or more, the most frequent first.

    Raises:
        ValueError: no word is frequent enough.
    """
    counts = Counter(word for question in questions for word in question_words(question))
    kept = sorted((word for word, count in counts.items() if count >= minimum), key=lambda word: (-counts[word], word))
    return QuestionVocabulary(length=length, words=tuple(kept))
