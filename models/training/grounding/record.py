"""The record of a grounding run, kept beside its state: enough to continue the run and to build its model again.

Owns `run.json` of such runs; the word pieces lie beside it in `vocabulary.json`. The state itself belongs to
`models.training.loop`, the numbers to the recipe.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
import torch

from models.referring import Referring
from models.text.expressions import PieceVocabulary
from models.text.vocabulary import VOCABULARY_NAME
from models.text.word_files import read_words
from models.training.data import DataError
from models.training.grounding.learner import Learner
from models.training.loop import STATE_NAME
from models.training.recipes.grounding import GroundRecipe
from models.training.runs import RECORD_NAME


@dataclass(frozen=True, slots=True)
class GroundRecord:
    """What a run is: two runs with equal records do the same.

    `weights` and `words` name the files that the visual branch and the language began with, `pieces` counts the ids of the
    vocabulary, `limit` the photos where not all were used.
    """

    recipe: GroundRecipe
    pieces: int
    weights: str
    words: str
    limit: int | None = None
    system: Literal["referring"] = "referring"


class Trained(NamedTuple):
    """A run's record, its averaged model in evaluation mode, its words, and how many epochs it has taken."""

    record: GroundRecord
    model: Referring
    words: PieceVocabulary
    epochs: int


def build_learner(record: GroundRecord) -> Learner:
    """The untrained learner of a run."""
    return Learner(Referring(record.recipe.shape(record.pieces)), record.recipe)


def write_ground_record(folder: Path, record: GroundRecord) -> None:
    """Write the record of a new run, or check that the folder holds the same run.

    Raises:
        DataError: it holds another; the message names what differs.
    """
    path = folder / RECORD_NAME
    if path.exists():
        kept = read_ground_record(folder)
        pairs: list[tuple[object, object, str]] = []
        pairs += [(kept, record, field.name) for field in fields(record) if field.name != "recipe"]
        pairs += [(kept.recipe, record.recipe, field.name) for field in fields(record.recipe)]
        differing = [name for old, new, name in pairs if getattr(old, name) != getattr(new, name)]
        if differing:
            raise DataError(f"{folder} holds a run with other {', '.join(differing)}; name another folder")
        return
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")


def read_ground_record(folder: Path) -> GroundRecord:
    """Read the record of a run; raises DataError where there is none of grounding."""
    try:
        return msgspec.json.decode((folder / RECORD_NAME).read_bytes(), type=GroundRecord)
    except OSError as error:
        raise DataError(f"{folder} holds no training run ({RECORD_NAME} is missing)") from error
    except msgspec.DecodeError as error:
        raise DataError(f"{folder / RECORD_NAME} is not the record of a grounding run: {error}") from error


def load_grounding(folder: Path) -> Trained:
    """A run's model as it is evaluated and exported.

    Raises:
        DataError: there is no such run, or it has not finished its first epoch.
    """
    record = read_ground_record(folder)
    path = folder / STATE_NAME
    if not path.exists():
        raise DataError(f"{folder} has not finished its first epoch")
    state = torch.load(path, map_location="cpu", weights_only=True)
    learner = build_learner(record)
    learner.load_state_dict(state["averaged"])
    learner.project()
    words = read_words(folder / VOCABULARY_NAME, PieceVocabulary)
    return Trained(record, learner.model.eval(), words, int(state["epoch"]))
