"""The words a model knows, and a text as the ids it reads; `vocabulary.json` of a bundle that takes a text.

Ids: 0 is padding, 1 is any unknown word, the vocabulary's own words follow from 2. Words are folded by the bundle's
synonyms before they are looked up. A phrase is known if the vocabulary names its head noun; a noun that training never
saw without a modifier ("bird") says nothing alone, so there it must have one. A text without a known phrase is none to
the model: whoever asked is answered as if there had been no text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from models.text.phrases import read_phrases
from models.text.synonyms import SYNONYMS, fold
from models.text.word_files import read_words, write_words

VOCABULARY_NAME = "vocabulary.json"
PAD = 0
UNKNOWN = 1
FIRST_WORD = 2

Word = Annotated[str, StringConstraints(pattern=r"^[^\s]{1,64}$")]
Words = Annotated[str, StringConstraints(pattern=r"^[^\s]{1,64}( [^\s]{1,64})?$")]


class Vocabulary(BaseModel):
    """What `vocabulary.json` holds: at most `phrases` phrases a text (P) and `length` words a phrase (T).

    `heads` are the nouns that make a phrase known, `alone` those of them that need no modifier; `synonyms` maps a word,
    or two with a space between, to the word that stands for it, or to "" if it says nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    phrases: int = Field(default=12, ge=3, le=64)
    length: int = Field(default=6, ge=2, le=32)
    words: tuple[Word, ...] = Field(min_length=1, max_length=20_000)
    heads: tuple[Word, ...] = Field(min_length=1, max_length=5_000)
    alone: tuple[Word, ...] = Field(default=(), max_length=5_000)
    synonyms: dict[Words, Word | Literal[""]] = Field(default={}, max_length=5_000)

    @model_validator(mode="after")
    def _consistent(self) -> Vocabulary:
        faults = []
        if len(set(self.words)) != len(self.words):
            faults.append("words are not unique")
        for name, part, whole, of in (
            ("heads", self.heads, self.words, "words"),
            ("alone", self.alone, self.heads, "heads"),
        ):
            strange = sorted(set(part) - set(whole))
            if strange:
                faults.append(f"{name} {', '.join(strange[:5])} are not among the {of}")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def size(self) -> int:
        """How many ids there are, padding and unknown included: the rows of the embedding."""
        return FIRST_WORD + len(self.words)

    def encode(self, phrases: Iterable[str]) -> npt.NDArray[np.int64]:
        """Word ids int64 [P, T] of the first P phrases after repeats are removed, the last T words of each.

        Zeros follow. A text without phrases is all zeros.
        """
        ids = np.full((self.phrases, self.length), PAD, np.int64)
        for row, words in zip(ids, self._distinct(phrases), strict=False):
            last = words[-self.length :]
            row[: len(last)] = [self._ids.get(word, UNKNOWN) for word in last]
        return ids

    def known(self, phrases: Iterable[str]) -> tuple[str, ...]:
        """The first P known phrases, repeats removed: row i of `encode(known(...))` is phrase i."""
        kept = [phrase for words, phrase in self._distinct(phrases).items() if self._is_known(words)]
        return tuple(kept[: self.phrases])

    def known_phrases(self, text: str) -> tuple[str, ...]:
        """The known phrases of a text, in the text's order; none means that the model has no use for the text.

        Raises:
            TextTooLong: see `models.text.tokens`.
        """
        return self.known(read_phrases(text))

    def _distinct(self, phrases: Iterable[str]) -> dict[tuple[str, ...], str]:
        """Folded words of each phrase and the phrase, the first of equals; phrases without a word are left out."""
        distinct: dict[tuple[str, ...], str] = {}
        for phrase in phrases:
            words = fold(phrase.split(), self.synonyms)
            if words:
                distinct.setdefault(words, phrase)
        return distinct

    def _is_known(self, words: Sequence[str]) -> bool:
        return words[-1] in self._known_heads and (len(words) > 1 or words[-1] in self._known_alone)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words, FIRST_WORD)}

    @cached_property
    def _known_heads(self) -> frozenset[str]:
        return frozenset(self.heads)

    @cached_property
    def _known_alone(self) -> frozenset[str]:
        return frozenset(self.alone)


def build_vocabulary(
    phrases: Iterable[str], minimum: int, synonyms: dict[str, str] | None = None, count: int = 12, length: int = 6
) -> Vocabulary:
    """The vocabulary of training phrases: words that occur `minimum` times or more, the most frequent first.

    Of the synonyms, those are kept that lead to one of its words or to none. `synonyms` defaults to the project's table.
    """
    table = SYNONYMS if synonyms is None else synonyms
    words: Counter[str] = Counter()
    heads: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    for phrase in phrases:
        folded = fold(phrase.split(), table)
        words.update(folded)
        heads.update(folded[-1:])
        alone.update(folded if len(folded) == 1 else ())
    kept = [word for word, _ in sorted(_frequent(words, minimum), key=lambda item: (-item[1], item[0]))]
    return Vocabulary(
        phrases=count,
        length=length,
        words=tuple(kept),
        heads=tuple(sorted(word for word, _ in _frequent(heads, minimum))),
        alone=tuple(sorted(word for word, _ in _frequent(alone, minimum))),
        synonyms={word: one for word, one in table.items() if not one or words[one] >= minimum},
    )


def _frequent(counts: Counter[str], minimum: int) -> list[tuple[str, int]]:
    return [(word, count) for word, count in counts.items() if count >= minimum]


def read_vocabulary(path: Path) -> Vocabulary:
    """Read and check a vocabulary's file.

    Raises:
        BundleError: with every fault that the schema finds.
    """
    return read_words(path, Vocabulary)


def write_vocabulary(path: Path, vocabulary: Vocabulary) -> None:
    """Write the file that `read_vocabulary` reads; the same vocabulary gives the same bytes."""
    write_words(path, vocabulary)
