"""The text of each photo as a model reads it: from its own ticks, or from what a person wrote beside it.

Owns where a photo's words come from and the vocabulary of a run. Whatever the source, a function is given one photo and
answers from that photo alone; nothing that is known of a class is ever asked. `ticks` and `wording` make the phrases.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from models.text import Vocabulary, build_vocabulary, read_phrases
from models.training.data import DataError, Dataset
from models.training.ticks import Attributes, draw_phrases, photo_phrases, read_attributes, read_states
from models.training.wording import Noise, bend, training_phrases

DRAWS_A_PHOTO = 3  # for the vocabulary: each draw words the photo otherwise
WORD_COUNT_MIN = 4  # of all draws: a word of one photo only is left unknown, so that unknown words are met in training


class PhotoTexts(Protocol):
    """Where the phrases of a photo come from."""

    def said(self, photo: str) -> list[str]:
        """A photo's phrases, always the same."""

    def text(self, photo: str) -> str:
        """A photo's text as a person would send it; `models.text.read_phrases` makes what was `said` of it."""

    def bent(self, photo: str, rng: Random, noise: Noise) -> list[str]:
        """A photo's phrases as training shows them: worded anew each time."""


@dataclass(frozen=True, slots=True)
class TickedTexts:
    """Texts made from the ticks of each photo, `states` by photo."""

    states: Mapping[str, str]
    attributes: Attributes

    def said(self, photo: str) -> list[str]:
        """All that is ticked, as phrases."""
        return photo_phrases(self.states.get(photo, self._nothing), self.attributes, Random(photo))

    def text(self, photo: str) -> str:
        """All that is ticked, a phrase a sentence."""
        phrases = draw_phrases(self.states.get(photo, self._nothing), self.attributes, Random(photo))
        return ". ".join(phrase.written for phrase in phrases)

    def bent(self, photo: str, rng: Random, noise: Noise) -> list[str]:
        """Phrases or sentences, with words dropped and changed."""
        return training_phrases(self.states.get(photo, self._nothing), self.attributes, rng, noise)

    @property
    def _nothing(self) -> str:
        return "?" * self.attributes.count


@dataclass(frozen=True, slots=True)
class WrittenTexts:
    """Texts that people wrote, by photo; a photo may have none."""

    texts: Mapping[str, str]

    def said(self, photo: str) -> list[str]:
        """The phrases of the text."""
        return read_phrases(self.texts.get(photo, ""))

    def text(self, photo: str) -> str:
        """The text as it was written."""
        return self.texts.get(photo, "")

    def bent(self, photo: str, rng: Random, noise: Noise) -> list[str]:
        """The phrases of the text, with words dropped and changed."""
        return bend(self.said(photo), rng, noise)


def read_texts(dataset: Dataset, root: Path) -> PhotoTexts:
    """The texts of a data set's photos.

    Raises:
        DataError: there are none; a user's own photos need a CSV index with a column `text`.
    """
    if dataset.name == "cub_birds":
        return TickedTexts(read_states(root / "image_attributes.csv.gz"), read_attributes(root / "attributes.csv"))
    texts = {row.photo: row.text for row in dataset.rows if row.text}
    if not texts:
        raise DataError(f"{root} has no texts; a CSV index with a column 'text' gives them")
    return WrittenTexts(texts)


def vocabulary_of(texts: PhotoTexts, photos: Iterable[str], lengths: tuple[int, int]) -> Vocabulary:
    """The vocabulary of training photos, for so many phrases a text and words a phrase."""
    noise = replace(Noise(), strange=0.0)
    drawn = (
        phrase
        for photo in sorted(set(photos))
        for draw in range(DRAWS_A_PHOTO)
        for phrase in texts.bent(photo, Random(f"{photo}/{draw}"), noise)
    )
    try:
        return build_vocabulary(drawn, WORD_COUNT_MIN, count=lengths[0], length=lengths[1])
    except ValueError as error:
        raise DataError(f"the texts have too few words for a vocabulary: {error}") from error


@dataclass(frozen=True, slots=True)
class TextReader:
    """Photos to word ids int64 [B, P, T], known phrases only, as serving gives them to the model."""

    texts: PhotoTexts
    vocabulary: Vocabulary
    noise: Noise = field(default_factory=Noise)

    def bent(self, photos: Sequence[str], rng: Random) -> Tensor:
        """Texts as training shows them."""
        return self._ids([self.texts.bent(photo, rng, self.noise) for photo in photos])

    def said(self, photos: Sequence[str]) -> Tensor:
        """Texts as they are, always the same."""
        return self._ids([self.texts.said(photo) for photo in photos])

    def _ids(self, texts: Sequence[Sequence[str]]) -> Tensor:
        encoded = [self.vocabulary.encode(self.vocabulary.known(phrases)) for phrases in texts]
        return torch.from_numpy(np.stack(encoded))
