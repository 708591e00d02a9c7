"""What a text says to a bundle: the phrases that it knows, and whether they fit what the photo shows.

A text that a bundle has no use for is no error: whoever asked is answered as without it and told why.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models import calibration
from models.text import read_phrases
from models.text.synonyms import fold
from service.answers import Phrases
from service.engine.bundle import Bundle

Ids = npt.NDArray[np.int64]

#: Unknown phrases that are named in a sentence.
NAMED_LIMIT = 3
NAMED_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Heard:
    """A text as one bundle hears it; `ids` are the word ids int64 [P, T] of the known phrases."""

    phrases: Phrases
    ids: Ids

    @property
    def is_known(self) -> bool:
        """Whether the bundle can answer by it."""
        return bool(self.phrases.known)


class Hearing:
    """Reads texts for one bundle that has a vocabulary."""

    def __init__(self, bundle: Bundle) -> None:
        if bundle.vocabulary is None:
            raise ValueError(f"{bundle.manifest.identity} reads no text")
        self._identity = bundle.manifest.identity
        self._vocabulary = bundle.vocabulary
        self._table = bundle.phrase_table
        self._conflict_below = bundle.manifest.calibration.text_conflict_below
        self._class_ids = [label.class_id for label in bundle.labels]

    def hear(self, text: str) -> Heard:
        """Take a text apart; a phrase beyond what the bundle reads at most is neither known nor unknown."""
        said = read_phrases(text)
        known = self._vocabulary.known(said)
        unknown = [phrase for phrase in said if not self._vocabulary.known([phrase])]
        return Heard(Phrases(list(known), unknown), self._vocabulary.encode(known))

    def reason(self, heard: Heard) -> str:
        """Say why a text without a known phrase is not used."""
        if not heard.phrases.unknown:
            return "The text holds no phrase that describes something, such as 'a red crown'."
        named = ", ".join(repr(phrase[:NAMED_CHARACTERS]) for phrase in heard.phrases.unknown[:NAMED_LIMIT])
        more = len(heard.phrases.unknown) - NAMED_LIMIT
        others = f" and {more} more" if more > 0 else ""
        return f"{self._identity} knows none of the phrases: {named}{others}."

    def is_checked(self, image_only: Bundle) -> bool:
        """Whether this bundle can hold a text against what an image-only bundle of the same classes sees."""
        same = [label.class_id for label in image_only.labels] == self._class_ids
        return same and self._table is not None and self._conflict_below is not None

    def is_conflict(self, heard: Heard, probabilities: calibration.Floats) -> bool:
        """Whether the known phrases are unlikely under the image-only bundle's probabilities [C]."""
        if self._table is None or self._conflict_below is None:
            return False
        words = [fold(phrase.split(), self._vocabulary.synonyms) for phrase in heard.phrases.known]
        rows = self._table.ids(words)
        log_probabilities = np.log(np.maximum(probabilities, np.finfo(np.float64).tiny))
        score = calibration.conflict_score(log_probabilities, self._table, rows)
        return score < self._conflict_below
