"""The table of a grounding model: shares of hits with intervals, by what was asked, beside the floors.

A hit covers its target by more than half (Acc@0.5). Owns the rows and how they are shown; intervals are 95 % bootstraps that
resample photos.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.calibration import Floats
from models.calibration.unknowns import auroc_interval
from models.evaluation.figures import table
from models.evaluation.grounding.answers import Answered
from models.evaluation.grounding.items import Item
from models.evaluation.metrics import bootstrap, paired

HIT_IOU = 0.5
#: Below the first a target is small, from the second on large, as a share of its photo.
AREAS = (0.03, 0.15)
#: Up to the first an expression is short, above the second long, in words.
LENGTHS = (2, 4)
_HEADER = ("part", "n", "Acc@0.5", "95 % interval", "Acc@0.25", "Acc@0.75", "mean IoU")

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Row:
    """One line: which items, and how well each was covered."""

    name: str
    photos: list[str]
    iou: Floats

    @property
    def accuracy(self) -> float:
        """Acc@0.5."""
        return float((self.iou > HIT_IOU).mean())


@dataclass(frozen=True, slots=True)
class Presence:
    """How well presence tells what is there from what is not: AUROC with its interval, and of how many."""

    auroc: float
    low: float
    high: float
    present: int
    absent: int


def rows_of(answered: Answered) -> list[Row]:
    """The test as a whole and in parts, shuffled words, and people's phrases; parts without items are left out."""
    items = answered.items
    return [row for name, chosen in _parts(items) if (row := _row(name, items, answered.iou, chosen)) is not None]


def floor_rows(name: str, items: Sequence[Item], iou: Floats) -> list[Row]:
    """A floor on the whole test and where rivals exist."""
    is_rival = np.array([item.rivals > 0 for item in items], bool)
    chosen = ((f"floor: {name}", np.ones(len(items), bool)), (f"floor: {name}, with rivals", is_rival))
    return [row for label, mask in chosen if (row := _row(label, items, iou, mask)) is not None]


def _parts(items: Sequence[Item]) -> Iterator[tuple[str, Bools]]:
    part = np.array([item.part for item in items])
    is_test = part == "test"
    area = np.array([item.area for item in items])
    rivals = np.array([item.rivals for item in items])
    words = np.array([len(item.text.split()) for item in items])
    yield "test", is_test
    for group in dict.fromkeys(item.group for item in items if item.part == "test"):
        yield f"test: {group}", is_test & np.array([item.group == group for item in items])
    yield "test: with rivals", is_test & (rivals > 0)
    yield "test: with rivals, target of 3 % or more", is_test & (rivals > 0) & (area >= AREAS[0])
    yield "test: 2 or more rivals", is_test & (rivals > 1)
    yield "test: target below 3 %", is_test & (area < AREAS[0])
    yield "test: target of 3 to 15 %", is_test & (area >= AREAS[0]) & (area < AREAS[1])
    yield "test: target of 15 % or more", is_test & (area >= AREAS[1])
    yield "test: 1 or 2 words", is_test & (words <= LENGTHS[0])
    yield "test: 3 or 4 words", is_test & (words > LENGTHS[0]) & (words <= LENGTHS[1])
    yield "test: 5 words or more", is_test & (words > LENGTHS[1])
    yield "shuffled words", part == "shuffled"
    yield "photo and words mirrored", part == "mirrored"
    yield "written by hand", part == "by hand"
    yield "people's phrases, noun known", part == "people"
    yield "people's phrases, other nouns", (part == "people, other nouns") | (part == "people, dressed nouns")
    yield "people's phrases, nouns that dressing says", part == "people, dressed nouns"


def _row(name: str, items: Sequence[Item], iou: Floats, chosen: Bools) -> Row | None:
    places = [int(place) for place in np.flatnonzero(chosen)]
    return Row(name, [items[place].photo for place in places], iou[places]) if places else None


def presence_of(answered: Answered) -> Presence | None:
    """Presence on the test's expressions and on those that mean nothing; None without either."""
    score = answered.conf[:, 0]
    present = np.array([item.part == "test" for item in answered.items], bool)
    absent = np.array([item.part == "absent" for item in answered.items], bool)
    if not present.any() or not absent.any():
        return None
    found = auroc_interval(score[present], score[absent], resamples=1000)
    return Presence(found.value, *found.interval, int(present.sum()), int(absent.sum()))


def to_markdown(rows: Iterable[Row], presence: Presence | None) -> str:
    """The table, and a line on presence."""
    text = table([_HEADER, *(_cells(row) for row in rows)])
    if presence is None:
        return text
    return (
        f"{text}\nPresence: AUROC {presence.auroc:.3f} ({presence.low:.3f} - {presence.high:.3f}), "
        f"{presence.present:,} expressions that mean something and {presence.absent:,} that mean nothing.\n"
    )


def compared(rows: Sequence[Row], others: Sequence[Row], name: str) -> str:
    """The difference from another model on the rows that both have, paired by item."""
    theirs = {row.name: row for row in others}
    lines: list[tuple[str, ...]] = [("part", f"against {name}", "95 % interval")]
    for row in rows:
        other = theirs.get(row.name)
        if other is not None and other.photos == row.photos:
            found = paired(row.iou > HIT_IOU, other.iou > HIT_IOU, row.photos)
            lines.append((row.name, f"{100 * found.mean:+.2f}", f"{100 * found.low:+.2f} to {100 * found.high:+.2f}"))
    return table(lines)


def _cells(row: Row) -> tuple[str, ...]:
    low, high = bootstrap(row.iou > HIT_IOU, row.photos)
    shares = (f"{100 * (row.iou > limit).mean():.1f}" for limit in (0.25, 0.75))
    interval = f"{100 * low:.1f} - {100 * high:.1f}"
    return row.name, f"{len(row.iou):,}", f"{100 * row.accuracy:.1f}", interval, *shares, f"{row.iou.mean():.3f}"
