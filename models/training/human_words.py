"""The expressions that people wrote for boxes in photos, and how close generated ones come to them.

They are read for their words and lengths; no photo comes with them. RefCOCO, RefCOCO+ and RefCOCOg: Yu et al. 2016, Mao et
al. 2016; ReferItGame: Kazemzadeh et al. 2014.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from models.text import tokenise
from models.training.data import read_csv

_DECILES = 10


@dataclass(frozen=True, slots=True)
class Likeness:
    """How generated expressions compare with people's, both as words.

    `word_cover` is the share of people's words, each counted as often as it is used, that the generator uses at all;
    `whole_cover` the share of people's expressions of which it uses every word. Lengths are deciles, 10 % to 90 %.
    """

    word_cover: float
    whole_cover: float
    lengths: tuple[float, ...]
    human_lengths: tuple[float, ...]
    missing: tuple[tuple[str, int], ...]


def read_human_expressions(
    path: Path, sets: Iterable[str] = ("refcoco", "refcoco+", "refcocog", "refclef")
) -> list[str]:
    """The expressions of `expressions.csv.gz`, of the sets that are named, in the order of the file.

    Raises:
        DataError: the file is missing or lacks a column.
    """
    wanted = frozenset(sets)
    return [line["expression"] for line in read_csv(path, ("set", "expression")) if line["set"] in wanted]


def likeness(generated: Iterable[str], human: Iterable[str], missing: int = 20) -> Likeness:
    """Compare; `missing` is how many of the words that the generator lacks are told, the commonest first.

    Raises:
        ValueError: either side has fewer than two expressions.
    """
    ours, theirs = [tokenise(text) for text in generated], [tokenise(text) for text in human]
    if min(len(ours), len(theirs)) < 2:
        raise ValueError(f"{len(ours)} generated and {len(theirs)} human expressions; at least 2 of each are compared")
    known = {word for words in ours for word in words}
    used = Counter(word for words in theirs for word in words)
    lacking = Counter({word: count for word, count in used.items() if word not in known})
    return Likeness(
        word_cover=1.0 - lacking.total() / max(1, used.total()),
        whole_cover=sum(known.issuperset(words) for words in theirs) / len(theirs),
        lengths=tuple(quantiles(map(len, ours), n=_DECILES)),
        human_lengths=tuple(quantiles(map(len, theirs), n=_DECILES)),
        missing=tuple(lacking.most_common(missing)),
    )
