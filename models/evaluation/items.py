"""What is put to a model: photos by part of a data set, each with its true class, read when its turn comes.

Owns the choice of parts and of the groups that are reported apart. How a photo is answered is the sources' part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from models.training.data import DataError, Dataset, Row, limited

#: CUB has all its whole test photos for the first 50 classes, and two each for the others: an uneven mix.
_CUB_COMPLETE_CLASSES = 50


@dataclass(frozen=True, slots=True)
class Item:
    """One encoded photo: `read` gives its bytes, `text` is what is told beside it. Views of one photo share `photo`."""

    read: Callable[[], bytes]
    class_id: str
    photo: str
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Photos that are judged together, under a name that a reader understands."""

    name: str
    items: tuple[Item, ...]


def parts_of(dataset: Dataset, split: str, framing: str | None = None, limit: int | None = None) -> list[Part]:
    """The parts of a split, one per framing; `limit` takes every n-th photo of each, for a trial."""
    framings = sorted({row.framing for row in dataset.part(split, framing)})
    parts = []
    for name in framings:
        rows = limited(dataset.part(split, name), limit)
        parts.append(Part(f"{split} {name}", tuple(item_of(row) for row in rows)))
    return parts


def item_of(row: Row) -> Item:
    """A stored photo as an item."""
    return Item(row.path.read_bytes, row.class_id, row.photo)


def groups_of(dataset: str, part: Part) -> list[tuple[str, list[bool]]]:
    """Groups of a part that are reported beside it: (name, which items belong)."""
    groups = [group_of(dataset, part.name, item.class_id) for item in part.items]
    names = sorted({group for group in groups if group})
    if len(names) < 2:
        return []
    return [(f"{part.name}, {name}", [group == name for group in groups]) for name in names]


def group_of(dataset: str, part: str, class_id: str) -> str:
    """The group that a photo of a class is reported in beside its part; empty where there are none."""
    if dataset != "cub_birds" or not part.partition(", ")[0].endswith("test whole"):
        return ""
    is_complete = class_number(class_id) <= _CUB_COMPLETE_CLASSES
    return f"classes 1-{_CUB_COMPLETE_CLASSES}" if is_complete else "the other classes"


def class_number(class_id: str) -> int:
    """The number that a CUB class folder starts with, `017.Cardinal` -> 17."""
    return int(class_id.partition(".")[0])


def labels_of(items: Sequence[Item], class_ids: Sequence[str]) -> list[int]:
    """The index of each item's class among `class_ids`; raises DataError for a class that the model does not know."""
    index = {class_id: number for number, class_id in enumerate(class_ids)}
    unknown = sorted({item.class_id for item in items} - index.keys())
    if unknown:
        raise DataError(f"the model does not know {len(unknown)} class(es) of the data, the first is {unknown[0]!r}")
    return [index[item.class_id] for item in items]
