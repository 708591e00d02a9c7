"""A training run from what a person asked for: data set, recipe and start chosen, checked and put on record.

Owns the defaults and the agreement of the parts: which recipe a data set or a system has, what a bundle to start from
brings, whose words a student's teacher reads. The recipes are numbers, `course` trains, `cli` reads the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor, nn

from models.pma import Part
from models.preprocess import Fit
from models.rams_trans import RegionRule
from models.systems import Setting, System, text_lengths
from models.text import VOCABULARY_NAME, write_vocabulary
from models.training.course import Course, train
from models.training.data import DataError, Dataset, hold_out_classes, limited, read_dataset
from models.training.material import Lessons
from models.training.memory import keep_freed_memory
from models.training.recipes import larger, plain, router, systems
from models.training.recipes.base import Recipe, with_epochs
from models.training.records import write_record
from models.training.runs import RunRecord, load_model
from models.training.teachers import TeacherModel
from models.training.texts import TextReader, read_texts, vocabulary_of
from models.training.views import PhotoStore

#: The recipe that was made for a data set; all others get `own`.
_RECIPE_OF = {"cub_birds": "birds", "stanford_cars": "cars"}
_HEADS = ("classifier.", "raw.", "fused.", "discriminative.", "complementary.")
#: Systems whose backbone sees the photo once, as it is: its maps can be kept.
_KEEPS_MAPS = ("plain", "pma_visual", "pma")


@dataclass(frozen=True, slots=True)
class Start:
    """A bundle or run to start from: its name, what it was built as, and its weights; a bundle's region rule is not known."""

    identity: str
    system: System
    backbone: str
    size_px: int
    fit: Fit
    class_ids: tuple[str, ...]
    state: Mapping[str, Tensor]
    region: RegionRule = RegionRule()  # noqa: RUF009  # frozen


@dataclass(frozen=True, slots=True)
class Commission:
    """What to train, on what, into which folder; None leaves a choice to the recipe.

    `maps` is a folder for kept feature maps: the backbone stays as it is. `held_out` classes are set aside. `tau` softens a
    teacher's answers.
    """

    system: System
    dataset: str
    data: Path
    out: Path
    recipe: str | None = None
    weights: Path | None = None
    start: Start | None = None
    epochs: int | None = None
    limit: int | None = None
    seed: int = 0
    setting: Setting = "reduced"
    teacher: TeacherModel | None = None
    maps: Path | None = None
    held_out: int = 0
    tau: float | None = None
    stages: int = 3
    without: tuple[Part, ...] = ()


def run_commission(commission: Commission) -> nn.Module:
    """Train, or continue in the same folder; returns the averaged model.

    Raises:
        DataError: the data or the parameters cannot be used, or the folder holds another run.
    """
    _check(commission)
    keep_freed_memory()
    dataset = read_dataset(commission.dataset, commission.data)
    if commission.held_out:
        dataset = hold_out_classes(dataset, commission.held_out)
    name, recipe = _choose_recipe(commission)
    lessons = _lessons(commission, recipe, dataset)
    record = _record(commission, name, lessons)
    try:
        build = record.build
    except ValueError as error:
        raise DataError(str(error)) from error
    write_record(commission.out, record)
    if record.words is not None and lessons.reader is not None:
        write_vocabulary(commission.out / VOCABULARY_NAME, lessons.reader.vocabulary)
    state = _state_for(commission.start, dataset) if commission.start else None
    teach = commission.teacher.logits if commission.teacher else None
    return train(Course(build, lessons, commission.weights, state, teach, commission.maps), commission.out)


def start_of_run(folder: Path) -> Start:
    """The averaged model of a run as a start."""
    record, model, _ = load_model(folder)
    identity = f"{record.system} run {folder.name}"
    return Start(
        identity,
        record.system,
        record.backbone,
        record.size_px,
        record.fit,
        record.class_ids,
        model.state_dict(),
        record.region,
    )


def _check(commission: Commission) -> None:
    """Refuse what does not go together, before the folder is that of a run."""
    if commission.weights is not None and not commission.weights.is_file():
        raise DataError(f"--weights {commission.weights}: there is no such file")
    if (commission.system == "pma_student") != (commission.teacher is not None):
        raise DataError("a student is trained by `distill`, from a teacher, and nothing else is")
    if commission.maps is not None and commission.system not in _KEEPS_MAPS:
        raise DataError(
            f"{commission.system} shows its backbone new views: maps can be kept for {', '.join(_KEEPS_MAPS)}"
        )
    if (commission.stages != 3 or commission.without) and not commission.system.startswith("pma"):
        raise DataError(f"{commission.system} has none of PMA's parts to leave out")


def _choose_recipe(commission: Commission) -> tuple[str, Recipe]:
    """The recipe's name, and the recipe as this commission changes it."""
    recipes = plain.RECIPES | router.RECIPES | systems.RECIPES | larger.RECIPES
    known = {name: recipe for name, recipe in recipes.items() if _suits(recipe, commission)}
    suffix = "_full" if commission.setting == "full" else ""
    default = _RECIPE_OF.get(commission.dataset, "own") if not suffix else "baseline"
    name = commission.recipe or (default if commission.system == "plain" else commission.system) + suffix
    if name not in known:
        asked = f"{commission.system} in the {commission.setting} setting"
        raise DataError(f"there is no recipe {name!r} of {asked}; choose {', '.join(known)}")
    recipe = known[name]
    if commission.epochs is not None:
        recipe = with_epochs(recipe, commission.epochs)
    start = commission.start
    if start is not None:
        recipe = replace(recipe, backbone=start.backbone, fit=start.fit)
        if commission.recipe is None and recipe.system == "plain" and recipe.setting == "reduced":
            recipe = replace(recipe, size_px=start.size_px)
    if commission.maps is not None:
        frozen = replace(recipe.schedule, frozen=(1.0,) * recipe.schedule.epochs, bf16=False)
        recipe = replace(recipe, schedule=frozen, blend=False)
    if commission.tau is not None:
        recipe = replace(recipe, tau=commission.tau)
    return name, replace(recipe, seed=commission.seed)


def _suits(recipe: Recipe, commission: Commission) -> bool:
    return (recipe.system, recipe.setting) == (commission.system, commission.setting)


def _lessons(commission: Commission, recipe: Recipe, dataset: Dataset) -> Lessons:
    """The photos to learn from, and their reader where the system or its teacher reads texts."""
    rows = limited(dataset.part("train"), commission.limit)
    held_out = limited(dataset.part("validation"), commission.limit)
    teacher = commission.teacher
    reader = None
    if teacher is not None and teacher.class_ids != dataset.class_ids:
        raise DataError(f"{teacher.identity} knows other classes than {dataset.name} has")
    if teacher is not None and teacher.vocabulary is not None:
        reader = TextReader(read_texts(dataset, commission.data), teacher.vocabulary)
    elif recipe.system == "pma":
        texts = read_texts(dataset, commission.data)
        reader = TextReader(texts, vocabulary_of(texts, (row.photo for row in rows), text_lengths(recipe.setting)))
    return Lessons(recipe, dataset, rows, held_out, PhotoStore(recipe.size_px), reader)


def _record(commission: Commission, name: str, lessons: Lessons) -> RunRecord:
    recipe, reader = lessons.recipe, lessons.reader
    return RunRecord(
        system=commission.system,
        recipe=name,
        dataset=lessons.dataset.name,
        class_ids=lessons.dataset.class_ids,
        backbone=recipe.backbone,
        size_px=recipe.size_px,
        fit=recipe.fit,
        epochs=recipe.schedule.epochs,
        seed=recipe.seed,
        weights=_origin(commission),
        limit=commission.limit,
        setting=recipe.setting,
        words=reader.vocabulary.size if reader is not None and recipe.system == "pma" else None,
        teacher=commission.teacher.identity if commission.teacher else None,
        held_out=commission.held_out,
        tau=recipe.tau,
        frozen=commission.maps is not None,
        stages=commission.stages,
        without=commission.without,
        region=recipe.region,
        phases=recipe.phases,
    )


def _state_for(start: Start, dataset: Dataset) -> Mapping[str, Tensor]:
    """The start's weights; without its heads where the classes are others."""
    if start.class_ids == dataset.class_ids:
        return start.state
    return {name: tensor for name, tensor in start.state.items() if not name.startswith(_HEADS)}


def _origin(commission: Commission) -> str | None:
    """What the run starts from, by name."""
    if commission.start is not None:
        return commission.start.identity
    return commission.weights.name if commission.weights else None
