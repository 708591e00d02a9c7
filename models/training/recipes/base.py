"""What a recipe is: every number that a training run depends on, and how many epochs it is asked to take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from models.preprocess import Fit
from models.rams_trans import RegionRule
from models.systems import Setting, System
from models.training.loop import Schedule
from models.training.losses import Phases
from models.training.views import Augmentation


@dataclass(frozen=True, slots=True)
class Framing:
    """How photos of one framing are learnt from: how often an epoch shows each, and the bounds of their views."""

    repeats: int
    augmentation: Augmentation


@dataclass(frozen=True, slots=True)
class Recipe:
    """What one classifier is trained with.

    A framing that is not in `framings` is shown once an epoch. `probe` fits the classifier to frozen features first,
    `blend` ends with an average of start and end, of the weights whose names have one of the beginnings in `blended`;
    `smoothing` is that of the labels, `tau` that of a teacher's answers. `phases` tells how S3N's and RAMS-Trans's losses change in
    the course of a run, `region` how RAMS-Trans finds what it enlarges.
    """

    backbone: str
    size_px: int
    fit: Fit
    augmentation: Augmentation
    schedule: Schedule
    probe: bool
    seed: int = 0
    framings: Mapping[str, Framing] = field(default_factory=dict)
    system: System = "plain"
    setting: Setting = "reduced"
    blend: bool = False
    blended: tuple[str, ...] = ("",)
    smoothing: float = 0.1  # the labels themselves are a few per cent wrong
    tau: float = 1.0  # as the paper has it
    phases: Phases = Phases()  # noqa: RUF009  # frozen
    region: RegionRule = RegionRule()  # noqa: RUF009  # frozen


def with_epochs(recipe: Recipe, epochs: int) -> Recipe:
    """The same recipe with another number of epochs; image sizes and frozen shares keep their proportions."""
    schedule = recipe.schedule
    places = [min(schedule.epochs - 1, index * schedule.epochs // epochs) for index in range(epochs)]
    return replace(
        recipe,
        schedule=replace(
            schedule,
            sizes_px=tuple(schedule.sizes_px[place] for place in places),
            frozen=tuple(schedule.frozen[place] for place in places) if schedule.frozen else (),
        ),
    )
