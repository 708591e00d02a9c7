"""The record of an answerer's run, kept beside its state: enough to continue it and to build its model again.

Owns `run.json` of such runs; the words lie beside it in `vocabulary.json`. The state itself belongs to
`models.training.loop`, the numbers to the recipes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from models.backbones import SPECS, MobileNet
from models.hard_attention import HardAttention
from models.layers.cell_encoders import PhotoCells, SceneCells
from models.text.questions import QuestionVocabulary
from models.text.vocabulary import VOCABULARY_NAME
from models.text.word_files import read_words
from models.training.answering.best import BestEpoch
from models.training.recipes.answering import AnswerRecipe, Design, Material, recipe_of
from models.training.records import read_record_as, read_state


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """What a run is: two runs with equal records do the same.

    `words` counts the ids of the vocabulary, `weights` names what the run started from, `limit` is the number of photos
    of a part where not all were used, `is_continued` whether it began with what another run had learnt.
    """

    material: Material
    design: Design
    answers: tuple[str, ...]
    words: int
    epochs: int
    seed: int
    weights: str | None = None
    limit: int | None = None
    is_continued: bool = False
    system: Literal["hard_attention"] = "hard_attention"

    @property
    def recipe(self) -> AnswerRecipe:
        """The numbers of the run."""
        return recipe_of(self.material, self.design, self.epochs, is_continued=self.is_continued)


class Trained(NamedTuple):
    """A run's record, its averaged model in evaluation mode, its words, how many epochs it has taken and after which of them
    the model was taken.
    """

    record: AnswerRecord
    model: HardAttention
    vocabulary: QuestionVocabulary
    epochs: int
    best: int


def build_answerer(record: AnswerRecord) -> HardAttention:
    """The model of a record, untrained; the cells of photos are those of a frozen backbone."""
    recipe = record.recipe
    encoder: PhotoCells | SceneCells = SceneCells()
    if recipe.backbone is not None:
        encoder = PhotoCells(MobileNet(SPECS[recipe.backbone])).requires_grad_(requires_grad=False)
    return HardAttention(recipe.shape(record.words, len(record.answers), record.design), encoder)


def load_answerer(folder: Path) -> Trained:
    """The run's record, model and words; the model is that of the epoch that validated best, or of the last one.

    Raises:
        DataError: there is no such run, or it has not finished an epoch.
    """
    record = read_record_as(folder, AnswerRecord)
    state = read_state(folder)
    model = build_answerer(record)
    model.load_state_dict(state["averaged"])
    epochs, best = int(state["epoch"]), BestEpoch(folder)
    best.restore(model)
    vocabulary = read_words(folder / VOCABULARY_NAME, QuestionVocabulary)
    return Trained(record, model.eval(), vocabulary, epochs, best.epoch or epochs)
