"""What a graph says it looked at, as one value per pixel of its input and as one point.

Owns how each kind of explanation is ranked, so that all systems are judged by one measure: cells of a map are
interpolated, regions rank above everything outside, and what lies outside ranks by its distance from the nearest region.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Heat = npt.NDArray[np.float32]
Outputs = Mapping[str, npt.NDArray[np.generic]]
Point = tuple[float, float]

_TIE_BREAK = 1e-3


@dataclass(frozen=True, slots=True)
class Region:
    """A box in 0..1 of the input, with how much it counts."""

    x: float
    y: float
    width: float
    height: float
    weight: float

    @property
    def centre(self) -> Point:
        """Its middle as (x, y)."""
        return self.x + self.width / 2, self.y + self.height / 2


def heat_of(outputs: Outputs, size_px: int) -> Heat | None:
    """The importance of each pixel f32 [size_px, size_px] by the first row of a graph's outputs.

    None where the graph explains nothing.
    """
    cells = _cells(outputs)
    if cells is not None:
        return _of_map(cells, size_px)
    regions = regions_of(outputs, size_px)
    return _of_regions(regions, size_px) if regions else None


def point_of(outputs: Outputs, size_px: int) -> Point | None:
    """Where the explanation points, (x, y) in 0..1 of the input: the middle of the strongest cell or region."""
    cells = _cells(outputs)
    if cells is not None:
        rows, columns = cells.shape
        row, column = divmod(int(cells.argmax()), columns)
        return (column + 0.5) / columns, (row + 0.5) / rows
    regions = regions_of(outputs, size_px)
    return max(regions, key=lambda region: region.weight).centre if regions else None


def regions_of(outputs: Outputs, size_px: int) -> list[Region]:
    """The boxes among a graph's outputs: PMA's blocks with their weights, or the region that RAMS-Trans enlarges."""
    if "region" in outputs:
        x, y, width, height = (float(value) for value in outputs["region"][0])
        return [Region(x, y, width, height, 1.0)]
    if "stage_block" not in outputs:
        return []
    # A block is 2 x 2 cells of the feature map at stride 16.
    across = size_px // 32
    blocks, weights = outputs["stage_block"][0], outputs["stage_weight"][0]
    return [
        Region(int(block) % across / across, int(block) // across / across, 1 / across, 1 / across, float(weight))
        for block, weight in zip(blocks, weights, strict=True)
    ]


def centre_heat(size_px: int) -> Heat:
    """The control that knows only that photographers centre their subject."""
    offsets = (np.arange(size_px, dtype=np.float32) + 0.5) / size_px - 0.5
    return -np.hypot(offsets[:, None], offsets[None])


def random_heat(size_px: int, rng: np.random.Generator, cells: int = 7) -> Heat:
    """The control that knows nothing: noise of the fineness of a feature map, interpolated like one."""
    return _of_map(rng.random((cells, cells), np.float32), size_px)


def _cells(outputs: Outputs) -> Heat | None:
    """The map among a graph's outputs: class evidence, or the attention that enlarges what tells classes apart."""
    if "activation" in outputs:
        return np.asarray(outputs["activation"][0], np.float32)
    return np.asarray(outputs["attention"][0][0], np.float32) if "attention" in outputs else None


def _of_map(cells: Heat, size_px: int) -> Heat:
    """Cells interpolated; equal pixels, such as all without evidence, rank by how much evidence is around them."""
    heat = np.asarray(cv2.resize(cells, (size_px, size_px), interpolation=cv2.INTER_LINEAR), np.float32)
    around = cv2.GaussianBlur(heat, (0, 0), size_px / 4)
    return np.asarray(heat + _TIE_BREAK * around, np.float32)


def _of_regions(regions: Sequence[Region], size_px: int) -> Heat:
    """Weights inside (the larger where boxes overlap), above zero; minus the distance to the nearest box outside."""
    place = (np.arange(size_px, dtype=np.float32) + 0.5) / size_px
    inside = np.zeros((size_px, size_px), np.float32)
    nearest = np.full((size_px, size_px), np.inf, np.float32)
    for region in regions:
        across = np.maximum(np.maximum(region.x - place, place - region.x - region.width), 0)
        down = np.maximum(np.maximum(region.y - place, place - region.y - region.height), 0)
        distance = np.hypot(down[:, None], across[None])
        nearest = np.minimum(nearest, distance)
        inside = np.maximum(inside, np.where(distance == 0, region.weight, 0))
    return np.where(nearest == 0, inside, -nearest)
