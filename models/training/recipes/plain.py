"""Recipe of the plain classifier: a linear probe on frozen features, then fine-tuning of the whole net.

All numbers that a run depends on stand here with a reason. The probe is a good start for the head in minutes, so that
the first steps of fine-tuning do not damage the pretrained features. Learning rate, schedule and averaging follow what
won on two processor cores; a run takes one to two hours there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import cast

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from models.backbones import SPECS, MobileNet, load_efficientnet_lite, load_inat_mobilenet
from models.plain import PlainClassifier
from models.preprocess import Fit, prepare_decoders
from models.progress import progress_bar
from models.training.blend import best_blend
from models.training.data import DataError, Dataset, Row, limited
from models.training.loop import STATE_NAME, Run, Schedule, soft_cross_entropy
from models.training.views import Augmentation, Example, PhotoStore, evaluation_batches, training_batches

LABEL_SMOOTHING = 0.1  # the labels themselves are a few per cent wrong
CALIBRATION_BATCHES = 12  # 384 photos fix the rebuilt batch norms to well under a per cent
PROBE_EPOCHS = 60  # the linear layer has converged; seconds on cached features
PROBE_STEPS_MIN = 500  # ... and of few photos, too
START_NAME = "start.pt"


@dataclass(frozen=True, slots=True)
class Framing:
    """How photos of one framing are learnt from: how often an epoch shows each, and the bounds of their views."""

    repeats: int
    augmentation: Augmentation


@dataclass(frozen=True, slots=True)
class PlainRecipe:
    """What one plain classifier is trained with; a framing that is not in `framings` is shown once an epoch."""

    backbone: str
    size_px: int
    fit: Fit
    augmentation: Augmentation
    schedule: Schedule
    probe: bool
    seed: int = 0
    framings: Mapping[str, Framing] = field(default_factory=dict)


BIRDS = PlainRecipe(
    backbone="mobilenet_v2",
    size_px=224,  # trained at 192, evaluated larger: objects look alike in size after random crops (Touvron 2019)
    fit="squash",  # a bird's box is rarely square, and a crop of it would lose head or tail
    augmentation=Augmentation(area_min=0.4, aspect=1.4, colour=0.2),
    schedule=Schedule(
        sizes_px=(160, 160, 160, 192, 192, 192, 192, 192, 192, 192, 192, 192),  # cheap epochs first
        batch=32,
        lr=3e-4,  # forgets some of what iNaturalist taught; the blend at the end brings it back
        head_lr_factor=2.0,  # the head comes from the probe and needs less than a fresh one
        weight_decay=0.02,
        warmup_steps=150,
        ema_decay=0.998,
        clip_norm=5.0,
        mixup_share=0.2,  # a little: 27 photos a class are learnt by heart otherwise
        bf16=True,
    ),
    probe=True,
)
# From the birds' own bundle: what is left to win is small birds in whole photos.
BIRDS_SECOND = replace(
    BIRDS,
    schedule=replace(
        BIRDS.schedule,
        sizes_px=(192,) * 4,  # 506 steps each
        lr=8e-5,  # the classes are known; a larger step would forget again what the blend brought back
        warmup_steps=100,
        mixup_share=0.0,  # short runs near an optimum do not overfit, and blends blur the small birds
    ),
    framings={
        # Between photo and bird at random, so that a bird is seen at all sizes and never lost; twice a crop's share,
        # since a view close to the bird also serves the crops.
        "whole": Framing(2, Augmentation(area_min=0.5, aspect=1.4, colour=0.2, approach=1.0)),
    },
)
CARS = PlainRecipe(
    backbone="efficientnet_lite0",
    size_px=224,
    fit="squash",
    augmentation=Augmentation(area_min=0.55, aspect=1.33, colour=0.3),  # paint says nothing about the model
    schedule=Schedule(
        sizes_px=(160, 160, 160, 160, 160, 160, 192, 192, 192, 192, 192, 192, 192, 192),
        batch=32,
        lr=7e-4,  # ImageNet features know little of car models: they must move further than the birds'
        head_lr_factor=6.0,
        weight_decay=0.02,
        warmup_steps=150,
        ema_decay=0.998,
        clip_norm=5.0,
        mixup_share=0.0,  # not tried: blends need more epochs than two cores have
        bf16=True,
    ),
    probe=False,
)
OWN = PlainRecipe(
    backbone="efficientnet_lite0",
    size_px=224,
    fit="squash",
    augmentation=Augmentation(area_min=0.5, aspect=1.33, colour=0.2),
    schedule=Schedule(
        sizes_px=(160, 160, 160, 160, 160, 160, 192, 192, 192, 192),
        batch=32,
        lr=5e-4,  # between the two above: how far the classes are from ImageNet's is not known
        head_lr_factor=4.0,
        weight_decay=0.02,
        warmup_steps=150,
        ema_decay=0.998,
        clip_norm=5.0,
        mixup_share=0.2,
        bf16=True,
    ),
    probe=True,  # of a few hundred photos much is won by the head alone
)
RECIPES = {"birds": BIRDS, "birds_second": BIRDS_SECOND, "cars": CARS, "own": OWN}


def with_epochs(recipe: PlainRecipe, epochs: int) -> PlainRecipe:
    """The same recipe with another number of epochs; the image sizes keep their proportions."""
    sizes = recipe.schedule.sizes_px
    chosen = tuple(sizes[min(len(sizes) - 1, index * len(sizes) // epochs)] for index in range(epochs))
    return replace(recipe, schedule=replace(recipe.schedule, sizes_px=chosen))


def train(
    recipe: PlainRecipe,
    dataset: Dataset,
    folder: Path,
    weights: Path | None = None,
    state: Mapping[str, Tensor] | None = None,
    limit: int | None = None,
) -> PlainClassifier:
    """Train, or continue, in `folder`; returns the averaged model in evaluation mode.

    A new run starts from the published `weights` of the backbone or from the `state` of a bundle, of which the head may
    be left out. `limit` uses only that many photos of each part, for a trial of the whole way.
    """
    prepare_decoders()
    torch.manual_seed(recipe.seed)
    rows = limited(dataset.part("train"), limit)
    held_out = limited(dataset.part("validation"), limit)
    if not rows:
        raise DataError(f"{dataset.name} has no photos to train on")
    examples = examples_of(recipe, dataset, rows)
    batch = min(recipe.schedule.batch, len(examples))
    store = PhotoStore(recipe.size_px)
    model = PlainClassifier(MobileNet(SPECS[recipe.backbone]), len(dataset.class_ids))
    is_new = not (folder / STATE_NAME).exists()
    if is_new:
        _start(model, recipe, dataset, rows, store, weights, state)
    steps = len(examples) // batch
    run = Run(model, recipe.schedule, folder, steps, recipe.seed)
    if is_new:
        torch.save(model.state_dict(), folder / START_NAME)
        run.log(stage="start", validation=accuracy(run.averaged, recipe, dataset, held_out, store))
    run.resume()
    loss = soft_cross_entropy(LABEL_SMOOTHING)
    with progress_bar() as bar:
        task = bar.add_task("training", total=recipe.schedule.epochs * steps, completed=run.epoch * steps)
        while run.epoch < recipe.schedule.epochs:
            size_px = recipe.schedule.sizes_px[run.epoch]
            seed = recipe.seed * 1000 + run.epoch
            batches = training_batches(store, examples, batch, size_px, seed)
            run.train_epoch(_counted(batches, lambda: bar.advance(task)), loss)
            run.log(epoch=run.epoch, validation=accuracy(run.averaged, recipe, dataset, held_out, store))
    if recipe.probe and run.blend is None:
        _blend(run, recipe, dataset, held_out, store)
    return cast("PlainClassifier", run.averaged)


def examples_of(recipe: PlainRecipe, dataset: Dataset, rows: Sequence[Row]) -> list[Example]:
    """One epoch's photos: each row as often, and in the bounds, as its framing says."""
    once = Framing(1, recipe.augmentation)
    examples: list[Example] = []
    for row, label in zip(rows, dataset.labels(rows), strict=True):
        framing = recipe.framings.get(row.framing, once)
        examples += [Example(row.path, label, framing.augmentation, row.subject)] * framing.repeats
    return examples


def _blend(run: Run, recipe: PlainRecipe, dataset: Dataset, held_out: Sequence[Row], store: PhotoStore) -> None:
    """End with the average of the probed start and the fine-tuned end that validates best over all framings."""
    start = torch.load(run.folder / START_NAME, map_location="cpu", weights_only=True)
    end = {name: weight.clone() for name, weight in run.averaged.state_dict().items()}

    def score(state: Mapping[str, Tensor]) -> float:
        run.averaged.load_state_dict(state)
        return float(np.mean(list(accuracy(run.averaged, recipe, dataset, held_out, store).values())))

    share, state = best_blend(start, end, score)
    run.end_with(state, share)
    run.log(validation=accuracy(run.averaged, recipe, dataset, held_out, store))


def _counted(batches: Iterable[tuple[Tensor, Tensor]], advance: Callable[[], None]) -> Iterator[tuple[Tensor, Tensor]]:
    """Pass batches through and tell when each was used."""
    for item in batches:
        yield item
        advance()


def _start(
    model: PlainClassifier,
    recipe: PlainRecipe,
    dataset: Dataset,
    rows: Sequence[Row],
    store: PhotoStore,
    weights: Path | None,
    state: Mapping[str, Tensor] | None,
) -> None:
    """Pretrained weights into the backbone, and a bundle's weights or a probe into the head."""
    if state is not None:
        model.load_state_dict(state, strict=False)
    elif weights is not None:
        sample = [row.path for row in rows[:: max(1, len(rows) // (CALIBRATION_BATCHES * 32))]]
        _load_published(model.backbone, weights, evaluation_batches(store, sample, recipe.size_px, recipe.fit))
    has_head = state is not None and "classifier.weight" in state
    if recipe.probe and not has_head:
        features = embed(model, recipe, [row.path for row in rows], store)
        fit_probe(model.classifier, features, torch.tensor(dataset.labels(rows)), recipe.seed)


def _load_published(backbone: MobileNet, weights: Path, photos: Iterable[Tensor]) -> None:
    """Fill the backbone from its published file; `photos` rebuild the norms where that has none."""
    try:
        if backbone.spec.name == "mobilenet_v2":
            load_inat_mobilenet(backbone, weights, photos)
        else:
            load_efficientnet_lite(backbone, weights)
    except (EOFError, KeyError, RuntimeError, UnpicklingError, SafetensorError) as error:
        raise DataError(f"{weights} does not hold the published weights of {backbone.spec.name}") from error


@torch.inference_mode()
def embed(model: PlainClassifier, recipe: PlainRecipe, paths: Sequence[Path], store: PhotoStore) -> Tensor:
    """Features f32 [n, D] of photos as serving would see them."""
    model.eval()
    batches = evaluation_batches(store, paths, recipe.size_px, recipe.fit)
    return torch.cat([model.backbone(batch).mean((2, 3)) for batch in batches]).clone()


def fit_probe(layer: nn.Linear, features: Tensor, labels: Tensor, seed: int) -> None:
    """Fit a linear layer to fixed features f32 [n, D] and labels int64 [n] by AdamW on smoothed cross entropy."""
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(layer.parameters(), lr=3e-3, weight_decay=0.05)
    steps = max(PROBE_STEPS_MIN, PROBE_EPOCHS * (len(labels) // 256))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        chosen = torch.randint(0, len(labels), (256,), generator=generator)
        value = nn.functional.cross_entropy(layer(features[chosen]), labels[chosen], label_smoothing=LABEL_SMOOTHING)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        schedule.step()


@torch.inference_mode()
def accuracy(
    model: nn.Module, recipe: PlainRecipe, dataset: Dataset, rows: Sequence[Row], store: PhotoStore
) -> dict[str, float]:
    """Top-1 accuracy by framing, on photos as serving would see them; empty without photos."""
    hits: dict[str, list[bool]] = {}
    labels = dataset.labels(rows)
    batches = evaluation_batches(store, [row.path for row in rows], recipe.size_px, recipe.fit)
    picks = [int(pick) for batch in batches for pick in model(batch).argmax(1)]
    for row, label, pick in zip(rows, labels, picks, strict=True):
        hits.setdefault(row.framing, []).append(label == pick)
    return {framing: round(float(np.mean(values)), 4) for framing, values in sorted(hits.items())}
