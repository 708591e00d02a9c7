"""A grounding run from what a person asked for to its last epoch.

Owns the order: read, make the visual branch and the pools, put on record, begin, learn epoch by epoch, validate after
each. How a step is taken and continued is `models.training.loop`'s part, the numbers are the recipe's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from models.layers.grains import GrainedFeatures
from models.preprocess import prepare_decoders
from models.progress import counted, progress_bar
from models.referring import Referring
from models.text.vocabulary import VOCABULARY_NAME
from models.text.word_files import write_words
from models.training.data import DataError
from models.training.dressing import read_wardrobe
from models.training.grounding.beginning import Language, begin, load_stages, read_language
from models.training.grounding.birds import list_birds
from models.training.grounding.learner import Learner, loss_of_learner
from models.training.grounding.lessons import Dressing, Lessons, Reader
from models.training.grounding.pictures import PICTURES_LIMIT, Picture, list_pictures, part_scenes
from models.training.grounding.pool import Pictured, Pool, Sight, keep_pool
from models.training.grounding.pretext import learn_to_detect
from models.training.grounding.record import Beginning, GroundRecord, build_learner, take_over
from models.training.grounding.validation import validate
from models.training.human_words import read_human_expressions
from models.training.loop import STATE_NAME, Run
from models.training.memory import keep_freed_memory
from models.training.recipes.grounding import STEPS_AN_EPOCH, TEXT_PIECES, GroundRecipe
from models.training.records import write_record
from models.training.views import PhotoStore
from models.training.voc import read_voc

#: Said about each validation photo: enough for a few hundred of each sort.
_VALIDATION_SAID = (2, 1)


@dataclass(frozen=True, slots=True)
class Request:
    """What to train, on what, into which folder.

    `weights` are the published ones of the backbone, `words` the folder of the language's (`model.safetensors` and
    `tokenizer.json`), `pool` the folder of kept features, `human` a table of people's expressions, in whose words some of the
    generated ones are dressed. `birds` is a folder of CUB-200-2011 whose whole photos join the pool. `init` is a model of the
    same shape whose weights to start from.
    """

    data: Path
    out: Path
    recipe: GroundRecipe
    weights: Path
    words: Path
    pool: Path
    human: Path | None = None
    limit: int | None = None
    init: Beginning | None = None
    birds: Path | None = None


@dataclass(frozen=True, slots=True)
class Material:
    """The pools to learn from and to validate on, and the visual branch that saw them."""

    vision: GrainedFeatures
    train: Pool
    validation: Pool


def train_grounding(request: Request) -> Referring:
    """Train, or continue in the same folder; returns the averaged model.

    Raises:
        DataError: data, weights or words cannot be used, or the folder holds another run.
    """
    keep_freed_memory()
    prepare_decoders()
    recipe = request.recipe
    torch.manual_seed(recipe.seed)
    material = gather(request)
    human = [] if request.human is None else read_human_expressions(request.human)
    language = _language(request, material, human)
    start = None if request.init is None else request.init.name
    birds = None if request.birds is None else request.birds.name
    told = None if request.human is None else request.human.name
    names = request.weights.name, request.words.name
    record = GroundRecord(recipe, language.words.size, *names, request.limit, start, birds, told)
    write_record(request.out, record)
    write_words(request.out / VOCABULARY_NAME, language.words)
    torch.manual_seed(recipe.seed)
    learner = build_learner(record)
    if not (request.out / STATE_NAME).exists():
        begin(learner.model, material.vision, request.words, language.rows, recipe.position_scale)
        if request.init is not None:
            take_over(learner, request.init)
    dressing = Dressing(read_wardrobe(human), recipe.dressed_share) if human else None
    return _run(learner, material, language, request.out, dressing)


def gather(request: Request) -> Material:
    """Photos, the visual branch and the pools; what was kept of an earlier run is read.

    Raises:
        DataError: there are no photos to train on.
    """
    recipe = request.recipe
    parts = part_scenes(read_voc(request.data), recipe.photo_share)
    train, validation = parts.train[: request.limit], parts.validation[: request.limit]
    if not train or not validation:
        raise DataError(f"{request.data} has {len(train)} photos to train on and {len(validation)} to validate on")
    vision = GrainedFeatures(recipe.backbone, recipe.size_px, recipe.width)
    load_stages(vision.backbone, request.weights)
    store = PhotoStore(recipe.size_px)
    taken = len(train) / len(parts.train)
    mosaics = round(recipe.mosaics * recipe.photo_share * taken)
    birds = [] if request.birds is None else list_birds(request.birds, round(recipe.bird_pictures * taken), recipe.seed)
    pictures: list[Pictured] = [*list_pictures(train, mosaics, recipe.seed, PICTURES_LIMIT - len(birds)), *birds]
    with progress_bar() as bar:
        total = recipe.pretext.epochs * len(train) + len(pictures) + len(validation)
        task = bar.add_task("features", total=total)

        def advance(count: int) -> None:
            bar.advance(task, count)

        def pool(listed: Sequence[Pictured], seed: int, said: tuple[int, int]) -> Pool:
            return keep_pool(Sight(vision, store, recipe.size_px), listed, request.pool, seed, said, advance)

        learn_to_detect(Sight(vision, store, recipe.size_px), train, recipe.pretext, request.pool, recipe.seed, advance)
        return Material(
            vision,
            pool(pictures, recipe.seed, (recipe.true_said, recipe.absent_said)),
            pool([Picture((scene,)) for scene in validation], recipe.seed + 1, _VALIDATION_SAID),
        )


def _language(request: Request, material: Material, human: Sequence[str]) -> Language:
    """The words that are said in training, and those that people use where their expressions are given."""
    texts = [*(said.text for told in material.train.said for said in told), *human]
    return read_language(request.words, texts, TEXT_PIECES)


def _run(
    learner: Learner, material: Material, language: Language, folder: Path, dressing: Dressing | None
) -> Referring:
    recipe = learner.recipe
    reader = Reader(language.words, reads_text=recipe.reads_text)
    lessons = Lessons(material.train, reader, recipe.absent_share, dressing)
    held_out = Lessons(material.validation, reader, recipe.absent_share)
    steps = min(STEPS_AN_EPOCH, max(1, len(lessons.all()) // recipe.batch))
    run = Run(learner, recipe.schedule, folder, steps, recipe.seed)
    run.resume()
    with progress_bar() as bar:
        task = bar.add_task("training", total=recipe.epochs * steps, completed=run.epoch * steps)
        while run.epoch < recipe.epochs:
            batches = lessons.epoch(steps, recipe.batch, recipe.seed * 1000 + run.epoch)
            run.train_epoch(counted(batches, lambda: bar.advance(task)), loss_of_learner)
            run.log(epoch=run.epoch, validation=validate(_learner_of(run.averaged), held_out))
    averaged = _learner_of(run.averaged)
    averaged.project()
    return averaged.model


def _learner_of(module: nn.Module) -> Learner:
    if not isinstance(module, Learner):
        raise TypeError(f"{type(module).__name__} is no learner of grounding")
    return module
