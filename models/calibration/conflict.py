"""Whether a text fits what its photo shows: how far the classes that each of them suggests are the same.

A phrase is taken apart into traits, a noun with one modifier each: "short grey bill" is `bill short` and `bill grey`. The
table holds how much each trait speaks for each class, fitted by logistic regression on what is said of training photos;
it lies in a bundle as `phrases.npz`, its columns in the order of the bundle's classes. What the photo suggests is the
image-only model's word.

Owns the table, its file and the score. Numpy only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from models.calibration.probabilities import Floats, Numbers

PHRASE_TABLE_NAME = "phrases.npz"
PHRASE_TABLE_BYTES_LIMIT = 8 << 20
_JOINING = frozenset({"and", "or"})


def traits_of(words: Sequence[str]) -> tuple[str, ...]:
    """The traits of one phrase, given its folded words with the noun last; a noun without a modifier is one itself."""
    *modifiers, noun = words
    kept = dict.fromkeys(word for word in modifiers if word not in _JOINING)
    return tuple(f"{noun} {word}" for word in kept) or (noun,)


@dataclass(frozen=True)
class PhraseTable:
    """Row v of `evidence` f64 [V, C] is added to `start` f64 [C] where a text has `traits[v]`: the logits of its classes."""

    traits: tuple[str, ...]
    evidence: Floats
    start: Floats

    def ids(self, phrases: Iterable[Sequence[str]]) -> list[int]:
        """The rows of the known traits of phrases, each a sequence of folded words; each row once."""
        found = (self._rows.get(trait) for words in phrases for trait in traits_of(words))
        return list(dict.fromkeys(row for row in found if row is not None))

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {trait: row for row, trait in enumerate(self.traits)}

    def write(self, path: Path) -> None:
        """Write the file that `read_phrase_table` reads; numbers are kept in half precision."""
        np.savez_compressed(
            path,
            traits=np.array(self.traits, np.str_),
            evidence=self.evidence.astype(np.float16),
            start=self.start.astype(np.float16),
        )


def conflict_score(log_probabilities: Numbers, table: PhraseTable, rows: Sequence[int]) -> float:
    """How much likelier photo and text mean one class than if either were of any photo, in nats.

    log sum_c P(c | photo) P(c | text) C, with `log_probabilities` [C] of the image-only model and the text's traits as
    rows of the table. Low scores mean that text and photo disagree; without a trait there is nothing to disagree: infinity.
    """
    if not len(rows):
        return math.inf
    image = np.asarray(log_probabilities, np.float64)
    text = table.start + table.evidence[list(rows)].sum(0)
    return _log_sum(text + image) - _log_sum(image) - _log_sum(text) + math.log(len(text))


def read_phrase_table(path: Path, classes: int) -> PhraseTable:
    """Read a bundle's table of traits for so many classes.

    Raises:
        ValueError: the file is no such table; the message says why.
        OSError: it cannot be opened.
    """
    if path.stat().st_size > PHRASE_TABLE_BYTES_LIMIT:
        raise ValueError(f"{path.name} is larger than {PHRASE_TABLE_BYTES_LIMIT:,} bytes")
    try:
        with np.load(path, allow_pickle=False) as file:
            traits = file["traits"]
            evidence, start = np.asarray(file["evidence"], np.float64), np.asarray(file["start"], np.float64)
    except (ValueError, KeyError, BadZipFile, EOFError) as error:
        raise ValueError(f"{path.name} cannot be read as a table of phrases") from error
    if traits.ndim != 1 or traits.dtype.kind != "U" or evidence.shape != (len(traits), classes):
        raise ValueError(f"{path.name} has a table of shape {evidence.shape}, not ({len(traits)}, {classes})")
    if start.shape != (classes,):
        raise ValueError(f"{path.name} starts from {start.shape}, not ({classes},)")
    if not (np.isfinite(evidence).all() and np.isfinite(start).all()):
        raise ValueError(f"{path.name} holds values that are not finite")
    return PhraseTable(tuple(traits.tolist()), evidence, start)


def _log_sum(values: Floats) -> float:
    most = float(values.max())
    return most + math.log(float(np.exp(values - most).sum()))
