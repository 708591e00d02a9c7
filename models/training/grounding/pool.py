"""The pool of pictures with what is said about each, and the features of its cells: made once, kept on disk.

Features are those of the frozen visual branch without the position, in half precision. What is said is drawn from a seed
with the picture, so that a pool is the same each time; a run, its ablations and its seeds share one. Owns the files and the
boxes' way into the square.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Protocol, cast

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from models.canvas import to_canvas, visible_cells
from models.layers.grains import CELL_PX, GrainedFeatures
from models.preprocess import fit_pixels
from models.training.claims import Kind, Layout
from models.training.data import Box
from models.training.expressions import Expression
from models.training.grounding.pictures import Drawn
from models.training.views import PhotoStore, to_tensor

_AT_ONCE = 32

Half = npt.NDArray[np.float16]


class Said(msgspec.Struct, frozen=True):
    """An expression about a picture; `box` (cx, cy, w, h in 0..1 of the square) is None where it means nothing.

    `area` is the target's share of the picture, `name` its class, `rivals` how many others the noun could mean.
    """

    text: str
    kind: Kind
    rivals: int
    box: tuple[float, float, float, float] | None = None
    area: float = 0.0
    name: str = ""


class Pictured(Protocol):
    """A picture that a pool can keep."""

    @property
    def facts(self) -> object:
        """What tells it from other pictures, the same in each process."""

    def draw(self, store: PhotoStore) -> Drawn:
        """Make it, always the same."""

    def say(self, layout: Layout, rng: Random, counts: tuple[int, int]) -> list[Expression]:
        """At most so many expressions that mean one thing of it, and that mean nothing in it."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What sees: the visual branch, the decoded photos and the side of its square."""

    vision: GrainedFeatures
    store: PhotoStore
    size_px: int


@dataclass(frozen=True, slots=True)
class Pool:
    """Pictures as a model sees them: features f16 [n, N, C1], cell masks u8 [n, N], and what is said about each."""

    features: Half
    masks: npt.NDArray[np.uint8]
    said: list[list[Said]]


def keep_pool(
    sight: Sight,
    pictures: Sequence[Pictured],
    folder: Path,
    seed: int,
    say: tuple[int, int],
    advance: Callable[[int], None],
) -> Pool:
    """The pool in `folder`, made if it is not there; `say` counts true and absent expressions, `advance` pictures."""
    facts = [sight.size_px, seed, say, [one.facts for one in pictures]]
    path = folder / f"pool-{_digest(sight.vision, facts)}"
    features, told = path.with_suffix(".npy"), path.with_suffix(".json")
    if not told.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        masks, said = _fill(sight, pictures, partial, seed, say, advance)
        partial.replace(features)
        kept = {"masks": [row.tobytes().hex() for row in np.packbits(masks, axis=1)], "said": said}
        partial.write_bytes(msgspec.json.encode(kept))
        partial.replace(told)
    return _read(features, told, sight.vision.cells)


class _Told(msgspec.Struct, frozen=True):
    masks: list[str]
    said: list[list[Said]]


def _read(features: Path, told: Path, cells: int) -> Pool:
    found = msgspec.json.decode(told.read_bytes(), type=_Told)
    bits = np.stack([np.frombuffer(bytes.fromhex(row), np.uint8) for row in found.masks])
    masks = np.unpackbits(bits, axis=1)[:, :cells]
    return Pool(cast("Half", np.load(features, mmap_mode="r")), masks, found.said)


@torch.inference_mode()
def _fill(
    sight: Sight,
    pictures: Sequence[Pictured],
    path: Path,
    seed: int,
    say: tuple[int, int],
    advance: Callable[[int], None],
) -> tuple[npt.NDArray[np.uint8], list[list[Said]]]:
    vision, size_px = sight.vision.eval(), sight.size_px
    kept = np.lib.format.open_memmap(path, "w+", np.float16, (len(pictures), vision.cells, vision.width))
    masks = np.zeros((len(pictures), vision.cells), np.uint8)
    said: list[list[Said]] = []
    for start in range(0, len(pictures), _AT_ONCE):
        listed = pictures[start : start + _AT_ONCE]
        drawn = [picture.draw(sight.store) for picture in listed]
        images = to_tensor([fit_pixels(one.pixels, size_px, "letterbox") for one in drawn])
        maps = vision.backbone(images.contiguous(memory_format=torch.channels_last))
        kept[start : start + len(drawn)] = vision.project(maps).half().numpy()
        for place, (picture, one) in enumerate(zip(listed, drawn, strict=True), start):
            height, width = one.pixels.shape[:2]
            masks[place] = visible_cells(width, height, size_px, CELL_PX)
            expressions = picture.say(one.layout, Random(f"{seed}/{place}"), say)
            said.append([told_of(expression, one, size_px) for expression in expressions])
        advance(len(drawn))
    kept.flush()
    return masks, said


def told_of(expression: Expression, drawn: Drawn, size_px: int) -> Said:
    """An expression with its target's box in the square."""
    if expression.target is None:
        return Said(expression.text, expression.kind, expression.rivals)
    thing = drawn.layout.things[expression.target]
    height, width = drawn.pixels.shape[:2]
    box = canvas_box(thing.box, width, height, size_px)
    return Said(expression.text, expression.kind, expression.rivals, box, thing.area, thing.name)


def canvas_box(box: Box, width: int, height: int, size_px: int) -> Box:
    """A box in 0..1 of a picture -> (cx, cy, w, h) in 0..1 of the square."""
    left, top, right, bottom = box
    pixels = (left * width, top * height, right * width, bottom * height)
    left, top, right, bottom = to_canvas(pixels, width, height, size_px)
    return (left + right) / 2, (top + bottom) / 2, right - left, bottom - top


def _digest(vision: GrainedFeatures, facts: object) -> str:
    digest = hashlib.sha256(repr(facts).encode())
    for name, weight in vision.state_dict().items():
        if name != "position":
            digest.update(name.encode() + weight.cpu().numpy().tobytes())
    return digest.hexdigest()[:16]
