"""Photos of everyday scenes with object boxes: PASCAL VOC 2007, read for what they show.

They tell what a photo shows that is neither bird nor car, and whether one of the two fills enough of it to be its subject.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.training.data import DataError, read_csv

#: From this share of the photo's area on, the largest object counts as the photo's subject.
SUBJECT_AREA = 0.1
_DOMAINS = {"bird": "birds", "car": "cars"}


@dataclass(frozen=True, slots=True)
class Thing:
    """An object of a photo: its class and its box in 0..1 of the photo (left, top, right, bottom)."""

    name: str
    box: tuple[float, float, float, float]
    is_difficult: bool

    @property
    def domain(self) -> str | None:
        """`birds`, `cars` or None."""
        return _DOMAINS.get(self.name)

    @property
    def area(self) -> float:
        """Its share of the photo."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)


@dataclass(frozen=True, slots=True)
class Scene:
    """A photo with all its objects."""

    path: Path
    split: str
    things: tuple[Thing, ...]

    @property
    def domain(self) -> str | None:
        """`birds` or `cars` where the largest object is one of enough area, `neither` without any, else None."""
        if all(thing.domain is None for thing in self.things):
            return "neither"
        largest = max(self.things, key=lambda thing: thing.area)
        return largest.domain if largest.area >= SUBJECT_AREA else None


def read_voc(root: Path) -> list[Scene]:
    """All photos of the set in the order of its table.

    Raises:
        DataError: the table is missing or a box is none.
    """
    found: dict[tuple[str, str], list[Thing]] = {}
    columns = ("photo", "split", "class", "x1", "y1", "x2", "y2", "difficult", "width", "height")
    for line in read_csv(root / "boxes.csv", columns):
        found.setdefault((line["photo"], line["split"]), []).append(_thing(line))
    return [Scene(root / "photos" / f"{photo}.webp", split, tuple(things)) for (photo, split), things in found.items()]


def of_domain(scenes: Iterable[Scene], split: str, domains: Sequence[str]) -> list[Scene]:
    """The photos of a split whose subject is of one of the domains (or `neither`)."""
    return [scene for scene in scenes if scene.split == split and scene.domain in domains]


def _thing(line: dict[str, str]) -> Thing:
    try:
        wide, high = float(line["width"]), float(line["height"])
        left, top, right, bottom = (float(line[side]) for side in ("x1", "y1", "x2", "y2"))
    except ValueError as error:
        raise DataError(f"photo {line['photo']}: a box cannot be read ({error})") from error
    box = (left / wide, top / high, right / wide, bottom / high)
    return Thing(line["class"], box, line["difficult"] == "1")
