"""A training run from its first weights to its last, the same way for every system.

Owns the order: begin, learn epoch by epoch, validate after each, end. Which numbers, photos and losses is the recipe's,
the material's and the system's part; how a step is taken and continued is `loop`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from models.layers.sampler import SparseSampler
from models.preprocess import prepare_decoders
from models.progress import counted, progress_bar
from models.s3n import S3N
from models.systems import Build, build
from models.training.beginning import begin_with_state, begin_with_weights
from models.training.blend import best_blend
from models.training.data import DataError
from models.training.loop import STATE_NAME, Run
from models.training.losses import Teacher, loss_of
from models.training.material import KeptMaps, Lessons, Material, Photos
from models.training.probe import embed, fit_probe
from models.training.recipes.base import Recipe
from models.training.views import evaluation_batches

START_NAME = "start.pt"
CALIBRATION_PHOTOS = 384  # fix the rebuilt batch norms to well under a per cent


@dataclass(frozen=True, slots=True)
class Course:
    """One run: what is built, from which lessons, and what it starts from.

    `state` are the weights of an earlier stage, of which the head may be left out. `maps` is the folder of kept feature
    maps where the backbone is frozen throughout.
    """

    build: Build
    lessons: Lessons
    weights: Path | None = None
    state: Mapping[str, Tensor] | None = None
    teacher: Teacher | None = None
    maps: Path | None = None

    @property
    def recipe(self) -> Recipe:
        """The recipe of the lessons."""
        return self.lessons.recipe


def train(course: Course, folder: Path) -> nn.Module:
    """Train, or continue, in `folder`; returns the averaged model in evaluation mode."""
    prepare_decoders()
    recipe, lessons = course.recipe, course.lessons
    torch.manual_seed(recipe.seed)
    if not lessons.rows:
        raise DataError(f"{lessons.dataset.name} has no photos to train on")
    model = build(course.build)
    is_new = not (folder / STATE_NAME).exists()
    if is_new or course.maps is not None:  # maps are those of the start's backbone
        _begin(model, course)
    material = _material(course, model)
    run = Run(model, recipe.schedule, folder, lessons.steps, recipe.seed)
    if is_new:
        run.log(stage="start", validation=material.accuracy(run.averaged))
        run.save()
    run.resume()
    loss = material.loss(loss_of(recipe.system, recipe.smoothing, course.teacher, recipe.tau, recipe.phases))
    with progress_bar() as bar:
        steps = recipe.schedule.epochs * lessons.steps
        task = bar.add_task("training", total=steps, completed=run.epoch * lessons.steps)
        while run.epoch < recipe.schedule.epochs:
            if recipe.blend and not run.has_moved:
                torch.save(run.averaged.state_dict(), folder / START_NAME)
            _fit_size(model, recipe.schedule.sizes_px[run.epoch])
            run.train_epoch(counted(material.epoch(run.epoch), lambda: bar.advance(task)), loss)
            run.log(epoch=run.epoch, validation=material.accuracy(run.averaged))
    if recipe.blend and run.blend is None and run.epoch:
        _blend(run, material, recipe.blended)
    return run.averaged


def _material(course: Course, model: nn.Module) -> Material:
    """New views of the photos, or what the frozen backbone made of a few."""
    if course.maps is None:
        return Photos(course.lessons)
    return KeptMaps(course.lessons, cast("nn.Module", model.backbone), course.maps)


def _begin(model: nn.Module, course: Course) -> None:
    """First weights of backbone and head, as far as the course has any."""
    recipe, lessons = course.recipe, course.lessons
    paths = [row.path for row in lessons.rows]

    def photos(step: int = 1) -> Iterator[Tensor]:
        return evaluation_batches(lessons.store, paths[::step], recipe.size_px, recipe.fit)

    has_head = False
    if course.state is not None:
        has_head = begin_with_state(model, course.state)
    elif course.weights is not None:
        begin_with_weights(model, course.weights, lambda: photos(max(1, len(paths) // CALIBRATION_PHOTOS)))
    if recipe.probe and not has_head:
        labels = torch.tensor(lessons.dataset.labels(lessons.rows))
        fit_probe(cast("nn.Linear", model.classifier), embed(model, photos()), labels, recipe.seed)


def _fit_size(model: nn.Module, size_px: int) -> None:
    """Let a model that resamples its input do so at the size of the epoch's photos."""
    if isinstance(model, S3N):
        model.sampler = SparseSampler(size_px).to(model.beta.device)


def _blend(run: Run, material: Material, beginnings: tuple[str, ...]) -> None:
    """End with the average of both ends of fine-tuning that validates best over all framings.

    The first is that of the epoch before which the backbone began to learn: what is new has learnt to use it by then.
    """
    start = torch.load(run.folder / START_NAME, map_location=run.device, weights_only=True)
    end = {name: weight.clone() for name, weight in run.averaged.state_dict().items()}

    def score(state: Mapping[str, Tensor]) -> float:
        run.averaged.load_state_dict(state)
        return float(np.mean(list(material.accuracy(run.averaged).values())))

    share, state = best_blend(start, end, score, beginnings)
    run.end_with(state, share)
    run.log(validation=material.accuracy(run.averaged))
