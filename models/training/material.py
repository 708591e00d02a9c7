"""What a run learns from and is validated on, epoch by epoch: photos, or kept maps of them.

Owns the choice of examples and the measure that a run is steered by. Validation sees photos as serving would.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from models.training.data import Dataset, Row
from models.training.features import Maps, above_backbone, evaluation_maps, map_batches, passed_over, training_maps
from models.training.losses import Loss, logits_of
from models.training.recipes.base import Framing, Recipe
from models.training.texts import TextReader
from models.training.views import Batch, Example, PhotoStore, evaluation_batches, training_batches

_AT_ONCE = 32
_Pairs = Iterable[tuple[Tensor, Tensor | None]]


@dataclass(frozen=True, slots=True)
class Lessons:
    """The photos of a run: rows to learn from, rows to validate on, and a reader where texts are read."""

    recipe: Recipe
    dataset: Dataset
    rows: Sequence[Row]
    held_out: Sequence[Row]
    store: PhotoStore
    reader: TextReader | None = None

    @property
    def examples(self) -> list[Example]:
        """One epoch's photos: each row as often, and in the bounds, as its framing says."""
        once = Framing(1, self.recipe.augmentation)
        examples: list[Example] = []
        for row, label in zip(self.rows, self.dataset.labels(self.rows), strict=True):
            framing = self.recipe.framings.get(row.framing, once)
            examples += [Example(row.path, label, framing.augmentation, row.subject, row.photo)] * framing.repeats
        return examples

    @property
    def batch(self) -> int:
        """Photos a step: the recipe's number, or all that there are."""
        return min(self.recipe.schedule.batch, len(self.examples))

    @property
    def steps(self) -> int:
        """Steps an epoch."""
        return len(self.examples) // self.batch

    def seed(self, epoch: int) -> int:
        """Of an epoch's order and views."""
        return self.recipe.seed * 1000 + epoch

    def texts(self, start: int) -> Tensor | None:
        """The texts of the held-out rows from `start` on, as many as are validated at once."""
        if self.reader is None:
            return None
        return self.reader.said([row.photo for row in self.held_out[start : start + _AT_ONCE]])


class Material(Protocol):
    """Where batches come from, and how a model is validated."""

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of an epoch."""

    def accuracy(self, model: nn.Module) -> dict[str, float]:
        """Top-1 accuracy on the held-out rows by framing; empty without any."""

    def loss(self, loss: Loss) -> Loss:
        """The loss, fit for these batches."""


class Photos:
    """Photos, in new random views each time."""

    def __init__(self, lessons: Lessons) -> None:
        self._lessons = lessons
        self._examples = lessons.examples

    def epoch(self, number: int) -> Iterator[Batch]:
        """Random views at the epoch's size."""
        lessons = self._lessons
        size_px = lessons.recipe.schedule.sizes_px[number]
        seed = lessons.seed(number)
        return training_batches(lessons.store, self._examples, lessons.batch, size_px, seed, lessons.reader)

    def accuracy(self, model: nn.Module) -> dict[str, float]:
        """Of the whole model."""
        lessons, recipe = self._lessons, self._lessons.recipe
        paths = [row.path for row in lessons.held_out]
        images = evaluation_batches(lessons.store, paths, recipe.size_px, recipe.fit, _AT_ONCE)
        pairs = ((batch, lessons.texts(number * _AT_ONCE)) for number, batch in enumerate(images))
        return _accuracy(model, pairs, lessons, nullcontext())

    def loss(self, loss: Loss) -> Loss:
        """The loss as it is."""
        return loss


class KeptMaps:
    """The maps that a frozen backbone gives for a few views of each photo, kept in `folder`."""

    def __init__(self, lessons: Lessons, backbone: nn.Module, folder: Path) -> None:
        self._lessons = lessons
        self._examples = lessons.examples
        recipe, store = lessons.recipe, lessons.store
        paths = [row.path for row in lessons.held_out]
        self._maps = training_maps(backbone, self._examples, store, recipe.schedule.sizes_px[0], folder)
        self._held_out: Maps | None = None
        if paths:
            self._held_out = evaluation_maps(backbone, paths, store, recipe.size_px, recipe.fit, folder)

    def epoch(self, number: int) -> Iterator[Batch]:
        """Maps of one of the views of each photo."""
        lessons = self._lessons
        return map_batches(self._maps, self._examples, lessons.batch, lessons.seed(number), lessons.reader)

    def accuracy(self, model: nn.Module) -> dict[str, float]:
        """Of what stands on top of the backbone."""
        if self._held_out is None:
            return {}
        maps, lessons = self._held_out[:, 0], self._lessons
        pairs = (
            (torch.from_numpy(maps[start : start + _AT_ONCE].astype(np.float32)), lessons.texts(start))
            for start in range(0, len(maps), _AT_ONCE)
        )
        return _accuracy(model, pairs, lessons, passed_over(model))

    def loss(self, loss: Loss) -> Loss:
        """The loss of what stands on top of the backbone."""
        return above_backbone(loss)


@torch.inference_mode()
def _accuracy(
    model: nn.Module, pairs: _Pairs, lessons: Lessons, context: AbstractContextManager[None]
) -> dict[str, float]:
    device = next(model.parameters()).device
    picks: list[int] = []
    with context:
        for images, phrases in pairs:
            texts = None if phrases is None else phrases.to(device)
            picks += logits_of(model, images.to(device), texts).argmax(1).tolist()
    hits: dict[str, list[bool]] = {}
    for row, label, pick in zip(lessons.held_out, lessons.dataset.labels(lessons.held_out), picks, strict=True):
        hits.setdefault(row.framing, []).append(label == pick)
    return {framing: round(float(np.mean(values)), 4) for framing, values in sorted(hits.items())}
