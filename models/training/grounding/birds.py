"""Pictures of birds for the pool: whole photos of CUB-200-2011, alone and two side by side, so that words must choose.

Owns the reader of the whole photos with their boxes and ticks, the seeded list of pictures and how they are made. What is
said about a bird is `bird_expressions`' part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import cv2
import numpy as np

from models.preprocess import Pixels
from models.training.bird_expressions import absent_bird_expression, bird_expression
from models.training.claims import Kind, Layout
from models.training.data import Box, DataError, read_dataset
from models.training.expressions import Expression
from models.training.grounding.pictures import Drawn
from models.training.ticks import Attributes, read_attributes, read_states
from models.training.views import PhotoStore
from models.training.voc import Thing

_NAME = "bird"
_ALONE = ("bird", "the bird")  # said where no tick is


@dataclass(frozen=True, slots=True)
class BirdPhoto:
    """A whole photo: its split, the box of its bird in 0..1 and the states of its attributes."""

    path: Path
    photo: str
    split: str
    box: Box
    states: str


@dataclass(frozen=True, slots=True)
class BirdPicture:
    """One or two photos of birds, from left to right, and the names behind their states."""

    birds: tuple[BirdPhoto, ...]
    attributes: Attributes

    @property
    def facts(self) -> object:
        """What tells it from other pictures."""
        return "birds", [bird.photo for bird in self.birds]

    def draw(self, store: PhotoStore) -> Drawn:
        """Make the picture."""
        pixels, *others = (store[bird.path] for bird in self.birds)
        boxes = [bird.box for bird in self.birds]
        for other in others:
            pixels, boxes = side_by_side(pixels, other, boxes)
        return Drawn(pixels, Layout(tuple(Thing(_NAME, box, is_difficult=False) for box in boxes)))

    def say(self, layout: Layout, rng: Random, counts: tuple[int, int]) -> list[Expression]:
        """At most so many different expressions that mean one of the birds, and that mean none of them."""
        said = [*self._true(rng, counts[0]), *self._absent(rng, counts[1])]
        return list({one.text: one for one in said}.values())

    def _true(self, rng: Random, count: int) -> Iterator[Expression]:
        for _ in range(count):
            target = rng.randrange(len(self.birds))
            beside = self.birds[1 - target].states if len(self.birds) == 2 else None
            text = bird_expression(self.birds[target].states, self.attributes, rng, beside)
            if text is not None:
                kind: Kind = "class" if text in _ALONE else "colour"
                yield Expression(text, kind, target, len(self.birds) - 1)

    def _absent(self, rng: Random, count: int) -> Iterator[Expression]:
        states = [bird.states for bird in self.birds]
        for _ in range(count):
            text = absent_bird_expression(states, self.attributes, rng)
            if text is not None:
                yield Expression(text, "colour", None, len(self.birds))


def read_whole_birds(root: Path) -> list[BirdPhoto]:
    """The whole photos of a folder of CUB-200-2011, the validation part set aside, in the order of its index.

    Raises:
        DataError: a photo has no box or no states, or a table is not as it should be.
    """
    states = read_states(root / "image_attributes.csv.gz")
    found = []
    for row in read_dataset("cub_birds", root).rows:
        if row.framing != "whole":
            continue
        if row.subject is None or row.photo not in states:
            raise DataError(f"{row.path}: photo {row.photo} has no {'box' if row.subject is None else 'states'}")
        found.append(BirdPhoto(row.path, row.photo, row.split, row.subject, states[row.photo]))
    return found


def list_birds(root: Path, count: int, seed: int) -> list[BirdPicture]:
    """So many pictures of the training photos of a folder of CUB-200-2011: half of them alone, half two side by side.

    Raises:
        DataError: as `read_whole_birds`, or there are fewer than two photos to train on.
    """
    attributes = read_attributes(root / "attributes.csv")
    birds = [bird for bird in read_whole_birds(root) if bird.split == "train"]
    if len(birds) < 2:
        raise DataError(f"{root} has {len(birds)} whole photos of birds to train on; two make a picture")
    rng = Random(seed)
    return [BirdPicture(tuple(rng.sample(birds, 1 + place % 2)), attributes) for place in range(count)]


def side_by_side(left: Pixels, right: Pixels, boxes: Sequence[Box]) -> tuple[Pixels, list[Box]]:
    """Two upright photos, uint8 RGB, as one scene of the height of the lower, and their two boxes in 0..1 of it."""
    height = min(left.shape[0], right.shape[0])
    scaled = [_to_height(pixels, height) for pixels in (left, right)]
    share = scaled[0].shape[1] / (scaled[0].shape[1] + scaled[1].shape[1])
    (l1, t1, r1, b1), (l2, t2, r2, b2) = boxes
    moved = [(l1 * share, t1, r1 * share, b1), (share + l2 * (1 - share), t2, share + r2 * (1 - share), b2)]
    return np.concatenate(scaled, axis=1), moved


def _to_height(pixels: Pixels, height: int) -> Pixels:
    width = max(1, round(pixels.shape[1] * height / pixels.shape[0]))
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
