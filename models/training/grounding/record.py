"""The record of a grounding run, kept beside its state: enough to continue the run and to build its model again.

Owns `run.json` of such runs; the word pieces lie beside it in `vocabulary.json`. The state itself belongs to
`models.training.loop`, the numbers to the recipe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from torch import Tensor

from models.referring import Referring
from models.text.expressions import PieceVocabulary
from models.text.vocabulary import VOCABULARY_NAME
from models.text.word_files import read_words
from models.training.data import DataError
from models.training.grounding.learner import Learner
from models.training.recipes.grounding import GroundRecipe
from models.training.records import read_record_as, read_state

_FROZEN = ("model.language.", "model.vision.backbone.", "model.vision.projections.")
_WORD_TABLE = "model.language.words.weight"  # as long as the words that a run knows
_COUNT = "num_batches_tracked"  # of a frozen norm: no weight
#: What a bundle has no use for: the loss's own parameter and the heads that only help. Of the head `cls` the boxes serve.
ONLY_LEARNING = ("pacing.", "named.", "referent.", "model.box.")


@dataclass(frozen=True, slots=True)
class GroundRecord:
    """What a run is: two runs with equal records do the same.

    `weights` and `words` name the files that the visual branch and the language began with, `pieces` counts the ids of the
    vocabulary, `limit` the photos where not all were used, `init` the run or bundle whose weights it began with, `birds` the
    collection of birds in its pool, `human` the file of people's expressions whose words dress a share of what is said.
    """

    recipe: GroundRecipe
    pieces: int
    weights: str
    words: str
    limit: int | None = None
    init: str | None = None
    birds: str | None = None
    human: str | None = None
    system: Literal["referring"] = "referring"


class Beginning(NamedTuple):
    """What a run begins with in place of published weights: its name, and weights by the names of a learner.

    Where names begin with one of `lacks`, weights may be missing; the run then has new ones.
    """

    name: str
    state: Mapping[str, Tensor]
    lacks: tuple[str, ...] = ()


class Trained(NamedTuple):
    """A run's record, its averaged model in evaluation mode, its words, and how many epochs it has taken."""

    record: GroundRecord
    model: Referring
    words: PieceVocabulary
    epochs: int


def build_learner(record: GroundRecord) -> Learner:
    """The untrained learner of a run."""
    return Learner(Referring(record.recipe.shape(record.pieces)), record.recipe)


def beginning_of_run(folder: Path) -> Beginning:
    """The averaged weights of a run.

    Raises:
        DataError: there is no such run, or it has not finished its first epoch.
    """
    return Beginning(folder.name, read_state(folder)["averaged"])


def take_over(learner: Learner, start: Beginning) -> None:
    """Begin with the weights of another; what is frozen stays what it is, which the features of the pool were seen with.

    Raises:
        DataError: its shape is another.
    """
    own, state = learner.state_dict(), start.state
    needed = {name for name in own if not name.startswith(start.lacks) and not name.endswith(_COUNT)}
    is_alike = needed <= state.keys() <= own.keys() and all(
        weight.shape == own[name].shape for name, weight in state.items() if name != _WORD_TABLE
    )
    if not is_alike:
        raise DataError(f"{start.name} holds a model of another shape")
    learner.load_state_dict(own | {name: weight for name, weight in state.items() if not name.startswith(_FROZEN)})


def load_grounding(folder: Path) -> Trained:
    """A run's model as it is evaluated and exported.

    Raises:
        DataError: there is no such run, or it has not finished its first epoch.
    """
    record = read_record_as(folder, GroundRecord)
    state = read_state(folder)
    learner = build_learner(record)
    learner.load_state_dict(state["averaged"])
    learner.project()
    words = read_words(folder / VOCABULARY_NAME, PieceVocabulary)
    return Trained(record, learner.model.eval(), words, int(state["epoch"]))
