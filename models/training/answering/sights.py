"""What an answerer looks at: drawn pictures that it encodes itself, stored cells of photos, or nothing.

Owns the cells' file, which is that of `models.training.features`: one per source, backbone and size, so that seeds,
rows and materials share it. A photo is a place, a number from 0 on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.layers.cell_encoders import PhotoCells
from models.preprocess import Fit, Pixels
from models.training.answering.sources import Asked
from models.training.features import Maps, evaluation_maps
from models.training.views import PhotoStore, to_tensor

#: A photo is squeezed into the square: all of it is asked about, and no cell is empty.
FIT: Fit = "squash"
Places = npt.NDArray[np.int64]


class Sights(Protocol):
    """Where cells come from; `are_pictures` tells whether the model's encoder has still to make them."""

    are_pictures: bool

    def __getitem__(self, places: Places) -> Tensor:
        """Pictures f32 [n, 3, S, S] in 0..255, or cells f32 [n, N, C]."""


class Pictures:
    """Drawn pictures, uint8 [P, S, S, 3]."""

    are_pictures = True

    def __init__(self, pixels: Pixels) -> None:
        self._pixels = pixels

    def __getitem__(self, places: Places) -> Tensor:
        """The pictures at these places."""
        return to_tensor(list(self._pixels[places]))


class KeptCells:
    """Stored cells of the photos of several sources, one file after the other."""

    are_pictures = False

    def __init__(self, maps: Sequence[Maps]) -> None:
        self._maps = maps
        self._starts = np.cumsum([0, *(len(one) for one in maps)])

    def __getitem__(self, places: Places) -> Tensor:
        """The cells at these places, row by row."""
        files = np.searchsorted(self._starts, places, side="right") - 1
        maps = np.stack(
            [self._maps[file][place - self._starts[file], 0] for file, place in zip(files, places, strict=True)]
        )
        return torch.from_numpy(maps).float().flatten(2).transpose(1, 2)


class Nothing:
    """The control that sees no photo: every cell of every photo is zero."""

    are_pictures = False

    def __init__(self, cells: int, channels: int) -> None:
        self._cells = torch.zeros(1, cells, channels)

    def __getitem__(self, places: Places) -> Tensor:
        """Empty cells."""
        return self._cells.expand(len(places), -1, -1)


def place_photos(material: Sequence[Asked]) -> Mapping[str, int]:
    """A place for each photo: source by source, in the order in which the questions first name them."""
    return {
        photo: place for place, photo in enumerate(dict.fromkeys(q.photo for one in material for q in one.questions))
    }


def keep_cells(material: Sequence[Asked], encoder: PhotoCells, size_px: int, folder: Path) -> KeptCells:
    """The cells of all photos, computed where the folder does not hold them yet.

    Raises:
        DataError: a photo cannot be decoded.
    """
    files = []
    for one in material:
        paths = list({question.photo: question.path for question in one.questions}.values())
        files.append(evaluation_maps(encoder, paths, PhotoStore(size_px), size_px, FIT, folder))
    return KeptCells(files)
