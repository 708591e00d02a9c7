"""A training run of an answerer from what a person asked for to its last epoch.

Owns the defaults, the checks and the order: read, put on record, begin, learn epoch by epoch, validate after each, end with
the best. How a step is taken and continued is `models.training.loop`'s part, the numbers are the recipes'.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from models.hard_attention import HardAttention
from models.layers.aggregation import RelationSum
from models.layers.cell_encoders import PhotoCells
from models.preprocess import prepare_decoders
from models.progress import progress_bar
from models.systems import adopt
from models.text.questions import QuestionVocabulary, build_question_vocabulary
from models.text.vocabulary import VOCABULARY_NAME
from models.text.word_files import write_words
from models.training.answering.best import BestEpoch
from models.training.answering.lessons import Lessons, QuestionBatch
from models.training.answering.record import AnswerRecord, build_answerer, load_answerer
from models.training.answering.replies import AnswerLoss, reply
from models.training.answering.sights import Nothing, Pictures, Places, Sights, keep_cells, place_photos
from models.training.answering.sources import Asked, read_material
from models.training.beginning import load_photo_cells
from models.training.data import DataError
from models.training.loop import STATE_NAME, Run
from models.training.memory import keep_freed_memory
from models.training.questions import answer_list, is_right
from models.training.recipes.answering import RECIPES, AnswerRecipe, Design, Material, recipe_of, with_keep
from models.training.records import write_record

VALIDATION_LIMIT = 2000  # questions after each epoch, evenly drawn; the whole part is measured afterwards
#: What every question becomes for the control by the photo alone.
SAME_QUESTION = "what is this?"


@dataclass(frozen=True, slots=True)
class Request:
    """What to train, on what, into which folder; None leaves a choice to the recipe.

    `cells` is the folder of stored cells, `weights` the published ones of the backbone that makes them, `init` a run
    whose weights are taken over where they fit.
    """

    material: Material
    out: Path
    design: Design = Design()  # noqa: RUF009  # frozen
    data: Path | None = None
    cells: Path | None = None
    weights: Path | None = None
    init: Path | None = None
    epochs: int | None = None
    limit: int | None = None
    seed: int = 0


def train_answerer(request: Request) -> HardAttention:
    """Train, or continue in the same folder; returns the averaged model of the epoch that validated best.

    Raises:
        DataError: the data or the request cannot be used, or the folder holds another run.
    """
    _check(request)
    keep_freed_memory()
    prepare_decoders()
    material = read_material(request.material, request.data, request.limit)
    is_continued = request.init is not None
    recipe = recipe_of(request.material, request.design, request.epochs, is_continued=is_continued)
    questions = [question for asked in material for question in asked.questions]
    answers = answer_list(questions, recipe.answer_minimum)
    taught = (one.text for one in questions if one.split == "train")
    vocabulary = build_question_vocabulary(taught, recipe.word_minimum, recipe.length)
    record = _record(request, recipe.schedule.epochs, vocabulary.size, answers)
    write_record(request.out, record)
    write_words(request.out / VOCABULARY_NAME, vocabulary)
    model = _begin(request, record)
    lessons = gather_lessons(material, record, vocabulary, model, request.cells)
    return _learn(model, record, lessons, request.out)


def gather_lessons(
    material: Sequence[Asked],
    record: AnswerRecord,
    vocabulary: QuestionVocabulary,
    model: HardAttention,
    cells: Path | None,
) -> Lessons:
    """The questions of a material with what a run's model looks at; `cells` is the folder of stored ones.

    Raises:
        DataError: a photo cannot be decoded, or no folder is named.
    """
    place_of = place_photos(material)
    questions = [question for asked in material for question in asked.questions]
    if record.design.is_wordless:
        questions = [replace(one, text=SAME_QUESTION) for one in questions]
    places = np.array([place_of[one.photo] for one in questions], np.int64)
    sights = _sights(material, record, model, cells)
    return Lessons(questions, vocabulary, record.answers, places, sights)


def _sights(material: Sequence[Asked], record: AnswerRecord, model: HardAttention, cells: Path | None) -> Sights:
    if record.design.is_blind:
        return Nothing(model.shape.cells, model.shape.channels)
    drawn = material[0].drawn
    if drawn is not None:
        return Pictures(drawn)
    if cells is None or not isinstance(model.encoder, PhotoCells):
        raise DataError(f"{record.material} needs --cells: a folder in which the cells of its photos are kept")
    return keep_cells(material, model.encoder, record.recipe.size_px, cells)


def _record(request: Request, epochs: int, words: int, answers: tuple[str, ...]) -> AnswerRecord:
    return AnswerRecord(
        material=request.material,
        design=request.design,
        answers=answers,
        words=words,
        epochs=epochs,
        seed=request.seed,
        weights=_origin(request),
        limit=request.limit,
        is_continued=request.init is not None,
    )


def _check(request: Request) -> None:
    """Refuse what does not go together."""
    backbone = RECIPES[request.material].backbone
    sees_photos = backbone is not None and not request.design.is_blind
    is_new = not (request.out / STATE_NAME).exists()
    if sees_photos and is_new and request.weights is None and request.init is None:
        raise DataError(f"{request.material} needs --weights: the published ones of {backbone}")
    if backbone is None and request.weights is not None:
        raise DataError(f"{request.material} learns its cells from nothing; leave --weights out")


def _origin(request: Request) -> str | None:
    """What the run starts from, by name."""
    names = [f"run {request.init.name}"] if request.init else []
    names += [request.weights.name] if request.weights else []
    return ", ".join(names) or None


def _begin(request: Request, record: AnswerRecord) -> HardAttention:
    """The model with its first weights; those of a run that goes on are read later."""
    torch.manual_seed(request.seed)
    model = build_answerer(record)
    raise_voice(model, record.recipe)
    if request.weights is not None and isinstance(model.encoder, PhotoCells):
        load_photo_cells(model.encoder, request.weights)
    if request.init is not None:
        adopt(model, load_answerer(request.init).model.state_dict())
    if (request.out / STATE_NAME).exists():
        model.load_state_dict(load_answerer(request.out).model.state_dict())  # for the cells; `resume` reads the rest
    return model


@torch.no_grad()
def raise_voice(model: HardAttention, recipe: AnswerRecipe) -> None:
    """Let the question, and what a pair is told of its cells, begin as loud as the recipe says."""
    model.questions.embedding.weight.mul_(recipe.word_gain)
    if model.fusion.question is not None:
        model.fusion.question.weight.mul_(recipe.question_gain)
    if isinstance(model.aggregator, RelationSum):
        model.aggregator.first.weight.mul_(recipe.pair_gain)
        model.aggregator.second.weight.mul_(recipe.pair_gain)
        model.aggregator.question.weight.mul_(recipe.pair_gain**0.5)


def _learn(model: HardAttention, record: AnswerRecord, lessons: Lessons, folder: Path) -> HardAttention:
    recipe, design = record.recipe, record.design
    kinds = set(map(recipe.taught, range(recipe.schedule.epochs)))
    rows = {kind: lessons.taught(kind) for kind in kinds}
    fewest = min(map(len, rows.values()))
    batch = min(recipe.schedule.batch, fewest)
    if not batch:
        raise DataError(f"{record.material} has no question to train on")
    steps = min(fewest, recipe.epoch_questions or fewest) // batch
    run = Run(model, recipe.schedule, folder, steps, record.seed)
    run.resume()
    averaged = run.averaged
    if not isinstance(averaged, HardAttention):
        raise TypeError("a run averages the model that it trains")
    loss, best = AnswerLoss(recipe.smoothing, recipe.quiet), BestEpoch(folder)
    if run.epoch:
        _examine(
            averaged, recipe.keep(run.epoch - 1, design), run.epoch, lessons, best
        )  # if it was stopped before that
    with progress_bar() as bar:
        task = bar.add_task("training", total=steps * recipe.schedule.epochs, completed=run.epoch * steps)

        def counted(batches: Iterable[QuestionBatch]) -> Iterator[QuestionBatch]:
            for one in batches:
                yield one
                bar.advance(task)

        while run.epoch < recipe.schedule.epochs:
            keep = recipe.keep(run.epoch, design)
            model.shape = with_keep(model.shape, keep)
            asked = rows[recipe.taught(run.epoch)]
            run.train_epoch(
                counted(lessons.epoch(asked, batch, steps, record.seed * 1000 + run.epoch, recipe.portion)), loss
            )
            run.log(epoch=run.epoch, keep=keep, **_examine(averaged, keep, run.epoch, lessons, best))
    best.restore(averaged)
    return averaged


def _examine(model: HardAttention, keep: int, epoch: int, lessons: Lessons, best: BestEpoch) -> dict[str, object]:
    """How well an epoch validates, and the best so far, among those with as many cells as the run ends with.

    The model is left with that number of cells.
    """
    final = model.shape
    model.shape = with_keep(final, keep)
    found = _validate(model, lessons)
    model.shape = final
    if found is None:
        return {}
    if keep == final.keep:
        best.offer(model, epoch, found.accuracy["all"])
    return {"validation": found.accuracy, "kept": found.kept, "best": best.epoch}


class Validation(NamedTuple):
    """Accuracy by kind, `all` among them, and the mean share of the cells that were read."""

    accuracy: dict[str, float]
    kept: float


def _validate(model: HardAttention, lessons: Lessons) -> Validation | None:
    """Measured on some held-out questions; None where there are none."""
    rows = lessons.rows("validation")
    rows = rows[:: max(1, len(rows) // VALIDATION_LIMIT)]
    if not len(rows):
        return None
    found = reply(model, lessons, rows)
    return Validation(by_kind(lessons, rows, found.picks), round(float(found.kept.mean()), 4))


def by_kind(lessons: Lessons, rows: Places, picks: Places) -> dict[str, float]:
    """The share of questions that are answered rightly, by kind and over all."""
    hits: dict[str, list[bool]] = {}
    for row, pick in zip(rows, picks, strict=True):
        one = lessons.questions[row]
        for kind in (one.kind, "all"):
            hits.setdefault(kind, []).append(is_right(one, lessons.answers[pick]))
    return {kind: round(float(np.mean(values)), 4) for kind, values in sorted(hits.items())}
