"""An expression as the word pieces that a grounding model reads; the same in training, evaluation and serving. Torch-free.

The pieces are BERT's: words in lower case without accents, signs and CJK characters apart, each word the longest pieces
that the vocabulary has, from the left; a word that cannot be put together is unknown as a whole. A vocabulary may hold
fewer pieces than were published, so ids are its own: 0 is padding, 1 an unknown word, 2 and 3 are [CLS] and [SEP], its
pieces follow from 4. Any string is an expression; whoever serves it is told which words were unknown and what was cut.

Sources: Devlin et al., NAACL 2019; Schuster and Nakajima, ICASSP 2012 (word pieces).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.text.tokens import TEXT_CHARACTERS_LIMIT, TextTooLong
from models.text.vocabulary import PAD, UNKNOWN, Word

CLS, SEP = 2, 3
FIRST_PIECE = 4
EXPRESSION_PIECES = 40  # the length of `tokens` in a fuse graph, [CLS] and [SEP] counted in
#: What the ids below `FIRST_PIECE` are called in a published vocabulary.
SPECIAL_PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
INNER = "##"  # marks a piece that goes on with a word
WORD_CHARACTERS_LIMIT = 100
_ASCII_SIGNS = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_CJK = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2CEAF), (0x2F800, 0x2FA1F))


class EncodedExpression(NamedTuple):
    """Piece ids int64 [L] and their mask f32 0/1 [L]; how many words were read, which of them are unknown, what was read.

    `read` are the words that had room, with spaces between; None where all had.
    """

    tokens: npt.NDArray[np.int64]
    mask: npt.NDArray[np.float32]
    words: int
    unknown: tuple[str, ...]
    read: str | None

    @property
    def is_known(self) -> bool:
        """Whether any word of it is known."""
        return len(self.unknown) < self.words


class PieceVocabulary(BaseModel):
    """The word pieces that a grounding model knows, and the length L of what it reads, [CLS] and [SEP] counted in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    kind: Literal["expression"] = "expression"
    length: int = Field(default=EXPRESSION_PIECES, ge=3, le=64)
    pieces: tuple[Word, ...] = Field(min_length=1, max_length=40_000)

    @model_validator(mode="after")
    def _consistent(self) -> PieceVocabulary:
        if len(set(self.pieces)) != len(self.pieces):
            raise ValueError("pieces are not unique")
        if reserved := set(self.pieces) & set(SPECIAL_PIECES):
            raise ValueError(f"{', '.join(sorted(reserved))} have ids of their own and are not among the pieces")
        return self

    @property
    def size(self) -> int:
        """How many ids there are, the special ones included: the rows of the word table."""
        return FIRST_PIECE + len(self.pieces)

    def encode(self, expression: str) -> EncodedExpression:
        """[CLS], the pieces of as many whole words as have room, [SEP].

        Raises:
            TextTooLong: see `models.text.tokens`.
        """
        ids, read, unknown = [CLS], list[str](), list[str]()
        words = piece_words(expression)
        for word in words:
            pieces = self.split(word)
            if len(ids) + len(pieces) >= self.length:
                break
            ids += pieces
            read.append(word)
            if pieces == [UNKNOWN]:
                unknown.append(word)
        ids.append(SEP)
        tokens = np.full(self.length, PAD, np.int64)
        tokens[: len(ids)] = ids
        mask = (np.arange(self.length) < len(ids)).astype(np.float32)
        whole = len(read) == len(words)
        return EncodedExpression(tokens, mask, len(read), tuple(unknown), None if whole else " ".join(read))

    def split(self, word: str) -> list[int]:
        """The ids of one word's pieces, each the longest that there is; an unknown word is one id."""
        if len(word) > WORD_CHARACTERS_LIMIT:
            return [UNKNOWN]
        ids, start = list[int](), 0
        while start < len(word):
            mark = INNER if start else ""
            ends = range(len(word), start, -1)
            end = next((end for end in ends if mark + word[start:end] in self._ids), None)
            if end is None:
                return [UNKNOWN]
            ids.append(self._ids[mark + word[start:end]])
            start = end
        return ids

    def rows(self, published: Sequence[str]) -> list[int]:
        """Where a published vocabulary, one piece a row, has each of this one's ids.

        Raises:
            ValueError: it does not have them all.
        """
        place = {piece: row for row, piece in enumerate(published)}
        wanted = (*SPECIAL_PIECES, *self.pieces)
        if missing := [piece for piece in wanted if piece not in place]:
            raise ValueError(f"the published vocabulary lacks {', '.join(missing[:5])}")
        return [place[piece] for piece in wanted]

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {piece: number for number, piece in enumerate(self.pieces, FIRST_PIECE)}


def cut_vocabulary(
    expressions: Iterable[str], published: Sequence[str], length: int = EXPRESSION_PIECES
) -> PieceVocabulary:
    """The pieces of a published vocabulary that some expressions use, in its order.

    Raises:
        ValueError: they use none.
    """
    whole = PieceVocabulary(pieces=tuple(piece for piece in published if piece not in SPECIAL_PIECES))
    words = {word for expression in expressions for word in piece_words(expression)}
    used = {number for word in words for number in whole.split(word)}
    kept = (piece for number, piece in enumerate(whole.pieces, FIRST_PIECE) if number in used)
    return PieceVocabulary(length=length, pieces=tuple(kept))


def piece_words(expression: str) -> list[str]:
    """The words of an expression before they are taken apart: lower case, no accents, each sign a word of its own.

    Raises:
        TextTooLong: see `models.text.tokens`.
    """
    if len(expression) > TEXT_CHARACTERS_LIMIT:
        raise TextTooLong(len(expression))
    plain = "".join(" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in expression)
    bare = (sign for sign in unicodedata.normalize("NFD", plain.lower()) if unicodedata.category(sign) != "Mn")
    return "".join(f" {sign} " if _stands_alone(sign) else sign for sign in bare).split()


def _stands_alone(sign: str) -> bool:
    if sign in _ASCII_SIGNS or unicodedata.category(sign)[0] == "P":
        return True
    return any(low <= ord(sign) <= high for low, high in _CJK)
