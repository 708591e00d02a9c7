"""The pictures that grounding learns from: photos, their mirror images, and mosaics in which words have to choose.

Few photos have things that words must tell apart, so two or four of them are joined to one picture, cut to the shape of
their tiles; the photos of a mosaic show the same class where there are enough of it. Owns which photos train and which
validate, the seeded list of pictures, and how a picture and the boxes of its things are made. How what is said about them
is worded is `expressions`' part; pictures of birds are `birds`'.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import NamedTuple

import cv2
import numpy as np

from models.preprocess import Pixels
from models.training.claims import Layout
from models.training.colours import coloured_layout
from models.training.data import Box
from models.training.expressions import Expression, draw_absent, draw_expressions
from models.training.views import PhotoStore
from models.training.voc import Scene, Thing

VALIDATION_PHOTOS = 400
PICTURES_LIMIT = 20_000
#: Tiles across and down.
_GRIDS = ((2, 1), (1, 2), (2, 2))
_SPLIT = (0.38, 0.62)  # where a mosaic is parted, of its width or height
_LONGER_PX, _SHORTER_PX = 288, (216, 288)
#: What is left of a thing at the edge of a tile: below the first it is no longer seen, below the second hard to see.
_GONE, _CUT = 0.12, 0.6


class Parts(NamedTuple):
    """The scenes that train, and those that validate."""

    train: list[Scene]
    validation: list[Scene]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture as it is seen: upright RGB and what can be said about it."""

    pixels: Pixels
    layout: Layout


class Picture(NamedTuple):
    """One picture of the pool: the scenes in it, the seed of how they are joined, and whether left is right."""

    scenes: tuple[Scene, ...]
    seed: int = 0
    is_mirrored: bool = False

    @property
    def facts(self) -> object:
        """What tells it from other pictures."""
        return [scene.path.stem for scene in self.scenes], self.seed, self.is_mirrored

    def draw(self, store: PhotoStore) -> Drawn:
        """Make the picture."""
        tiles = [(store[scene.path], scene.things) for scene in self.scenes]
        layouts = [(pixels, coloured_layout(things, pixels)) for pixels, things in tiles]
        pixels, layout = layouts[0] if len(layouts) == 1 else _join(layouts, Random(self.seed))
        if self.is_mirrored:
            return Drawn(np.ascontiguousarray(pixels[:, ::-1]), layout.mirror())
        return Drawn(pixels, layout)

    def say(self, layout: Layout, rng: Random, counts: tuple[int, int]) -> list[Expression]:
        """At most so many expressions that mean one thing of it, and that mean nothing in it."""
        return [*draw_expressions(layout, rng, counts[0]), *draw_absent(layout, rng, counts[1])]


def part_scenes(scenes: Iterable[Scene], share: float = 1.0) -> Parts:
    """The training photos, of which 400 are held out by a hash of their names; `share` of the rest, always the same ones."""
    photos = sorted((scene for scene in scenes if scene.split == "train"), key=lambda scene: _digest(scene.path.stem))
    kept = photos[VALIDATION_PHOTOS:]
    return Parts(kept[: max(1, round(share * len(kept)))], photos[:VALIDATION_PHOTOS])


def list_pictures(scenes: Sequence[Scene], mosaics: int, seed: int, limit: int = PICTURES_LIMIT) -> list[Picture]:
    """Each photo and its mirror image, then so many mosaics.

    Raises:
        ValueError: that would be more than `limit`.
    """
    if 2 * len(scenes) + mosaics > limit:
        raise ValueError(f"{2 * len(scenes) + mosaics:,} pictures; at most {limit:,} are kept")
    plain = [Picture((scene,), is_mirrored=is_mirrored) for scene in scenes for is_mirrored in (False, True)]
    rng = Random(seed)
    of_class: dict[str, list[Scene]] = {}
    for scene in scenes:
        for name in dict.fromkeys(thing.name for thing in scene.things if not thing.is_difficult):
            of_class.setdefault(name, []).append(scene)
    names = sorted(of_class)
    return plain + [_mosaic(of_class[rng.choice(names)], scenes, rng) for _ in range(mosaics if names else 0)]


def _mosaic(alike: Sequence[Scene], all_scenes: Sequence[Scene], rng: Random) -> Picture:
    """Half of a mosaic's photos, and at least two where there are, show one class."""
    count = rng.choice((2, 2, 4))
    same = rng.sample(alike, min(len(alike), 2 if count == 2 else rng.randint(2, 3)))
    others = rng.choices(all_scenes, k=count - len(same))
    scenes = same + others
    rng.shuffle(scenes)
    return Picture(tuple(scenes), rng.getrandbits(32), rng.random() < 0.5)


def _join(parts: Sequence[tuple[Pixels, Layout]], rng: Random) -> tuple[Pixels, Layout]:
    """Cut each photo to its tile's shape and put the tiles together."""
    across, down = rng.choice([grid for grid in _GRIDS if grid[0] * grid[1] == len(parts)])
    sides = [_LONGER_PX, rng.randint(*_SHORTER_PX)]
    rng.shuffle(sides)
    width, height = sides
    picture = np.empty((height, width, 3), np.uint8)
    things: list[Thing] = []
    colours: list[str | None] = []
    for (pixels, layout), tile in zip(parts, _tiles(width, height, across, down, rng), strict=True):
        left, top, right, bottom = tile
        window = _window(pixels, (right - left) / (bottom - top), rng)
        picture[top:bottom, left:right] = _cut(pixels, window, right - left, bottom - top)
        for thing, colour in zip(layout.things, layout.colours, strict=True):
            moved = _moved(thing, window, (left / width, top / height, right / width, bottom / height))
            if moved is not None:
                things.append(moved)
                colours.append(colour)
    return picture, Layout(tuple(things), tuple(colours))


def _tiles(width: int, height: int, across: int, down: int, rng: Random) -> Iterator[tuple[int, int, int, int]]:
    columns = [0, *([round(width * rng.uniform(*_SPLIT))] if across == 2 else []), width]
    rows = [0, *([round(height * rng.uniform(*_SPLIT))] if down == 2 else []), height]
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            yield left, top, right, bottom


def _window(pixels: Pixels, shape: float, rng: Random) -> Box:
    """The largest part of a photo that has the tile's shape (width by height), in 0..1; where, is drawn."""
    rows, columns = pixels.shape[:2]
    across, down = min(1.0, shape * rows / columns), min(1.0, columns / (shape * rows))
    left, top = rng.uniform(0.0, 1.0 - across), rng.uniform(0.0, 1.0 - down)
    return left, top, left + across, top + down


def _cut(pixels: Pixels, window: Box, width: int, height: int) -> Pixels:
    rows, columns = pixels.shape[:2]
    left, top, right, bottom = window
    first, last = int(top * rows), max(int(top * rows) + 1, round(bottom * rows))
    start, end = int(left * columns), max(int(left * columns) + 1, round(right * columns))
    return np.asarray(
        cv2.resize(pixels[first:last, start:end], (width, height), interpolation=cv2.INTER_AREA), np.uint8
    )


def _moved(thing: Thing, window: Box, tile: Box) -> Thing | None:
    """A thing's place in the mosaic; None where hardly anything of it is left, difficult where much is cut off."""
    left, top, right, bottom = thing.box
    seen = max(left, window[0]), max(top, window[1]), min(right, window[2]), min(bottom, window[3])
    if seen[2] <= seen[0] or seen[3] <= seen[1]:
        return None
    share = (seen[2] - seen[0]) * (seen[3] - seen[1]) / max(thing.area, 1e-9)
    if share < _GONE:
        return None
    across = (tile[2] - tile[0]) / (window[2] - window[0])
    down = (tile[3] - tile[1]) / (window[3] - window[1])
    box = (
        tile[0] + (seen[0] - window[0]) * across,
        tile[1] + (seen[1] - window[1]) * down,
        tile[0] + (seen[2] - window[0]) * across,
        tile[1] + (seen[3] - window[1]) * down,
    )
    return Thing(thing.name, box, thing.is_difficult or share < _CUT)


def _digest(photo: str) -> bytes:
    return hashlib.sha256(photo.encode()).digest()
