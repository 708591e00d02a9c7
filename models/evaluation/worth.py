"""What the texts of photos could add to a model that saw the photos: the room there is for a system that reads both.

A linear reader learns classes from the traits that training texts name. A share of its log probability is then added to
that of an image-only model; the share is the one that is right most often on held-out photos, and 0 may win. What this
gains on other photos is what texts know and the photos did not show the model. A system that reads both may gain more
where the two have to be seen together, but hardly from words that are worth nothing to the sum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from models.calibration import Floats, Ints, Numbers, PhraseTable, softmax, traits_of
from models.evaluation.conflicts import fit_table
from models.evaluation.figures import Scored, table
from models.evaluation.metrics import Bools, Interval, paired
from models.text.synonyms import SYNONYMS, fold
from models.training.data import Dataset
from models.training.texts import PhotoTexts

#: Of the reader's log probability, beside one of the image-only model's.
SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
HEADER = ("part", "photos", "photo alone", "text alone", "both", "gained", "95 % interval", "at best")

Log = Callable[[Sequence[str]], Floats]


@dataclass(frozen=True, slots=True)
class Worth:
    """Top-1 on a part by the photo, by the text and by both; what both gain on the photo alone.

    `at_best` is the gain with the share that suits this very part, which nobody can know before: a bound from above.
    """

    part: str
    photos: int
    by_photo: float
    by_text: float
    by_both: float
    gained: Interval
    at_best: float


def fit_reader(dataset: Dataset, texts: PhotoTexts) -> Log:
    """Learn to tell the class from the texts of training photos; gives log probabilities [n, C] of named photos."""
    rows = {row.photo: row for row in dataset.part("train")}
    labels = dataset.labels(list(rows.values()))
    reader = fit_table([_traits(photo, texts) for photo in rows], labels, len(dataset.class_ids))
    return lambda named: _log([_read(reader, photo, texts) for photo in named])


def weigh(
    held_out: Sequence[Scored], asked: Sequence[Scored], temperature: float, read: Log
) -> tuple[float, list[Worth]]:
    """The share that is right most often on the held-out parts, and what it gains on each part that was asked about."""
    share = _best_share([(_log(one.logits, temperature), _told(one, read), one.labels) for one in held_out])
    return share, [_weigh(one, temperature, _told(one, read), share) for one in asked]


def to_markdown(share: float, rows: Sequence[Worth]) -> str:
    """The table of the parts, with the share below it."""
    return f"{table([HEADER, *map(_cells, rows)])}\nShare of the text, chosen on held-out photos: {share:g}\n"


def _words(photo: str, texts: PhotoTexts) -> list[tuple[str, ...]]:
    folded = (fold(phrase.split(), SYNONYMS) for phrase in texts.said(photo))
    return [words for words in folded if words]


def _traits(photo: str, texts: PhotoTexts) -> set[str]:
    return {trait for words in _words(photo, texts) for trait in traits_of(words)}


def _read(reader: PhraseTable, photo: str, texts: PhotoTexts) -> Floats:
    """Logits [C] of a photo's text by its traits."""
    return np.asarray(reader.start + reader.evidence[reader.ids(_words(photo, texts))].sum(0))


def _told(scored: Scored, read: Log) -> Floats:
    return read([item.photo for item in scored.part.items])


def _best_share(parts: Sequence[tuple[Floats, Floats, Ints]]) -> float:
    """The share with the most hits over all parts; the smaller of equals."""

    def hits(share: float) -> int:
        return sum(int(_hits(seen, told, share, labels).sum()) for seen, told, labels in parts)

    return max(SHARES, key=lambda share: (hits(share), -share))


def _hits(seen: Floats, told: Floats, share: float, labels: Ints) -> Bools:
    """Whether log probabilities [n, C] of photos, with a share of their texts', name the class."""
    return np.asarray((seen + share * told).argmax(1) == labels)


def _weigh(scored: Scored, temperature: float, told: Floats, share: float) -> Worth:
    seen, labels = _log(scored.logits, temperature), scored.labels
    alone, both = _hits(seen, told, 0.0, labels), _hits(seen, told, share, labels)
    best = _hits(seen, told, _best_share([(seen, told, labels)]), labels)
    return Worth(
        part=scored.part.name,
        photos=len(labels),
        by_photo=float(alone.mean()),
        by_text=float((told.argmax(1) == labels).mean()),
        by_both=float(both.mean()),
        gained=paired(both, alone, [item.photo for item in scored.part.items]),
        at_best=float(best.mean() - alone.mean()),
    )


def _log(logits: Numbers, temperature: float = 1.0) -> Floats:
    return np.log(np.maximum(softmax(logits, temperature), np.finfo(np.float64).tiny))


def _cells(row: Worth) -> tuple[str, ...]:
    shares = (f"{100 * share:.2f}" for share in (row.by_photo, row.by_text, row.by_both))
    ends = f"{100 * row.gained.low:+.2f} to {100 * row.gained.high:+.2f}"
    return row.part, f"{row.photos:,}", *shares, f"{100 * row.gained.mean:+.2f}", ends, f"{100 * row.at_best:+.2f}"
