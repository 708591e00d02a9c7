"""A training run from what a person asked for: data set, recipe and start chosen, checked and put on record.

Owns the defaults and the agreement of the parts: which recipe a data set has, what a bundle to start from brings. The
recipes train; `models/cli.py` reads the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from torch import Tensor

from models.plain import PlainClassifier
from models.preprocess import Fit
from models.training.data import DataError, Dataset, read_dataset
from models.training.recipes.plain import RECIPES, PlainRecipe, train, with_epochs
from models.training.runs import RunRecord, write_record

#: The recipe that was made for a data set; all others get `own`.
_RECIPE_OF = {"cub_birds": "birds", "stanford_cars": "cars"}
_HEAD = "classifier."


@dataclass(frozen=True, slots=True)
class Start:
    """A bundle to start from: its name and version, what it was built as, and its weights."""

    identity: str
    backbone: str
    size_px: int
    fit: Fit
    class_ids: tuple[str, ...]
    state: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Commission:
    """What to train, on what, into which folder; None leaves a choice to the recipe."""

    system: Literal["plain"]
    dataset: str
    data: Path
    out: Path
    recipe: str | None = None
    weights: Path | None = None
    start: Start | None = None
    epochs: int | None = None
    limit: int | None = None
    seed: int = 0


def run_commission(commission: Commission) -> PlainClassifier:
    """Train, or continue in the same folder; returns the averaged model.

    Raises:
        DataError: the data or the parameters cannot be used, or the folder holds another run.
    """
    dataset = read_dataset(commission.dataset, commission.data)
    name = commission.recipe or _RECIPE_OF.get(commission.dataset, "own")
    recipe = _choose_recipe(name, commission)
    state = _state_for(commission.start, dataset) if commission.start else None
    record = RunRecord(
        system=commission.system,
        recipe=name,
        dataset=dataset.name,
        class_ids=dataset.class_ids,
        backbone=recipe.backbone,
        size_px=recipe.size_px,
        fit=recipe.fit,
        epochs=recipe.schedule.epochs,
        seed=recipe.seed,
        weights=_origin(commission),
        limit=commission.limit,
    )
    write_record(commission.out, record)
    return train(recipe, dataset, commission.out, commission.weights, state, commission.limit)


def _choose_recipe(name: str, commission: Commission) -> PlainRecipe:
    recipe = RECIPES.get(name)
    if recipe is None:
        raise DataError(f"there is no recipe {name!r}; choose {', '.join(RECIPES)}")
    if commission.epochs is not None:
        recipe = with_epochs(recipe, commission.epochs)
    start = commission.start
    if start is not None:
        recipe = replace(recipe, backbone=start.backbone, size_px=start.size_px, fit=start.fit)
    return replace(recipe, seed=commission.seed)


def _state_for(start: Start, dataset: Dataset) -> Mapping[str, Tensor]:
    """The bundle's weights; without its head where the classes are others."""
    if start.class_ids == dataset.class_ids:
        return start.state
    return {name: tensor for name, tensor in start.state.items() if not name.startswith(_HEAD)}


def _origin(commission: Commission) -> str | None:
    """What the run starts from, by name."""
    if commission.start is not None:
        return commission.start.identity
    return commission.weights.name if commission.weights else None
