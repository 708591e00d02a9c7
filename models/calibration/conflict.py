"""Whether a text fits what its photo shows: how much likelier its phrases are under the classes that the photo suggests.

A phrase is taken apart into traits, a noun with one modifier each: "short grey bill" is `bill short` and `bill grey`. The
table holds log P(trait | class), counted in training photos and smoothed after Laplace; it lies in a bundle as
`phrases.npz`, its columns in the order of the bundle's classes. The image-only model tells the classes.

Owns the table, its file and the score. Numpy only.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from models.calibration.probabilities import Floats, Numbers

PHRASE_TABLE_NAME = "phrases.npz"
PHRASE_TABLE_BYTES_LIMIT = 8 << 20
#: Chosen on validation photos: of thirty photos a class, few speak of a trait that all of them have.
SMOOTHING = 4.0
_JOINING = frozenset({"and", "or"})


def traits_of(words: Sequence[str]) -> tuple[str, ...]:
    """The traits of one phrase, given its folded words with the noun last; a noun without a modifier is one itself."""
    *modifiers, noun = words
    kept = dict.fromkeys(word for word in modifiers if word not in _JOINING)
    return tuple(f"{noun} {word}" for word in kept) or (noun,)


@dataclass(frozen=True)
class PhraseTable:
    """`log_probability` f64 [V, C]: row v tells how likely photos of each class are described with `traits[v]`."""

    traits: tuple[str, ...]
    log_probability: Floats

    def ids(self, phrases: Iterable[Sequence[str]]) -> list[int]:
        """The rows of the known traits of phrases, each a sequence of folded words; each row once."""
        found = (self._rows.get(trait) for words in phrases for trait in traits_of(words))
        return list(dict.fromkeys(row for row in found if row is not None))

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {trait: row for row, trait in enumerate(self.traits)}

    def write(self, path: Path) -> None:
        """Write the file that `read_phrase_table` reads; probabilities are kept in half precision."""
        np.savez_compressed(
            path,
            traits=np.array(self.traits, np.str_),
            log_probability=self.log_probability.astype(np.float16),
        )


def conflict_score(log_probabilities: Numbers, phrase_table: Floats, phrase_ids: Sequence[int]) -> float:
    """How much likelier the traits are under the photo's classes than under any class, in nats.

    `log_probabilities` [C] are the image-only model's, `phrase_table` [V, C] is a table's `log_probability`, `phrase_ids`
    name its rows. Low scores mean that text and photo disagree; without a trait there is nothing to disagree: infinity.
    """
    if not len(phrase_ids):
        return math.inf
    image = np.asarray(log_probabilities, np.float64)
    text = phrase_table[list(phrase_ids)].sum(0)
    fitting = _log_sum(text + image) - _log_sum(image)
    anyhow = _log_sum(text) - math.log(len(text))
    return fitting - anyhow


def fit_phrase_table(
    described: Sequence[Collection[str]], labels: Numbers, classes: int, minimum: int = 5, smoothing: float = SMOOTHING
) -> PhraseTable:
    """Count traits in training photos: `described` [N] holds each photo's traits, `labels` [N] its class.

    A trait of fewer than `minimum` photos is left out. P(trait | class) = (photos with it + s) / (photos + 2 s).
    """
    truth = np.asarray(labels, np.int64)
    counts: dict[str, Floats] = {}
    for traits, label in zip(described, truth.tolist(), strict=True):
        for trait in set(traits):
            counts.setdefault(trait, np.zeros(classes))[label] += 1
    kept = sorted(trait for trait, row in counts.items() if row.sum() >= minimum)
    photos = np.bincount(truth, minlength=classes).astype(np.float64)
    table = np.array([counts[trait] for trait in kept]).reshape(len(kept), classes)
    return PhraseTable(tuple(kept), np.log((table + smoothing) / (photos + 2 * smoothing)))


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
            traits, table = file["traits"], np.asarray(file["log_probability"], np.float64)
    except (ValueError, KeyError, BadZipFile, EOFError) as error:
        raise ValueError(f"{path.name} cannot be read as a table of phrases") from error
    if traits.ndim != 1 or traits.dtype.kind != "U" or table.shape != (len(traits), classes):
        raise ValueError(f"{path.name} has a table of shape {table.shape}, not ({len(traits)}, {classes})")
    if not (np.isfinite(table).all() and (table <= 0).all()):
        raise ValueError(f"{path.name} holds values that are no log probabilities")
    return PhraseTable(tuple(traits.tolist()), table)


def _log_sum(values: Floats) -> float:
    most = float(values.max())
    return most + math.log(float(np.exp(values - most).sum()))
