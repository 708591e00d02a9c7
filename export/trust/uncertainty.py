"""How a bundle tells that it does not know a subject: which score does it best, and what the score compares with.

The model that is exported was taught all classes of its data, so none of their photos is strange to it. One that was
trained the same way without some of the classes stands in: the score that tells its own held-out photos from photos of
the missing classes is taken over. A run that set classes aside itself stands in for itself.

Owns on which photos this is tried, and the directions that the score `distance` needs. The scores and the choice among
them are `models.calibration`'s, the threshold is `export.fitting`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from export.trust.companions import Companion
from models.calibration import Floats, ScoreChoice, class_directions, distance_scores, fit_temperature
from models.evaluation.items import Item, Part, item_of, labels_of
from models.evaluation.unknowns import Seen, choose, see
from models.progress import progress_bar
from models.sections import UncertaintyScore
from models.training.data import DataError, Dataset, Row, limited

#: Unit rows f16 [C, D], as a bundle stores them.
Directions = npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class ScoreTrial:
    """Which score was chosen, on whom: so many photos of known classes, and of so many classes that it was not taught."""

    identity: str
    known: int
    unknown: int
    classes: int
    choice: ScoreChoice

    @property
    def score(self) -> UncertaintyScore:
        """The score by its name in a manifest."""
        return cast("UncertaintyScore", self.choice.score)


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """How a bundle tells unknown subjects; by the score `untried` where none was tried.

    For the score `distance`: what it compares with, and its values [n] of the held-out views.
    """

    trial: ScoreTrial | None = None
    directions: Directions | None = None
    likeness: Floats | None = None
    untried: UncertaintyScore = "max_softmax"

    @property
    def score(self) -> UncertaintyScore:
        """The score that is compared with the threshold."""
        return self.trial.score if self.trial else self.untried


def settle_uncertainty(
    own: Companion, stand_in: Companion | None, dataset: Dataset, held_out: Sequence[Part], limit: int | None
) -> Uncertainty:
    """Choose the score of the model `own` by its stand-in, and make what that score needs.

    Raises:
        DataError: the stand-in has no photos of known, or none of unknown classes.
    """
    if stand_in is None:
        return Uncertainty()
    trial = try_scores(stand_in, dataset, limit)
    if trial.score != "distance":
        return Uncertainty(trial)
    directions = directions_of(own, dataset, limit)
    features = _see(own, [item for part in held_out for item in part.items]).features
    return Uncertainty(trial, directions, distance_scores(features, np.asarray(directions, np.float64)))


def is_partial(dataset: Dataset) -> bool:
    """Whether a data set holds photos of classes that were set aside."""
    return any(row.class_id not in dataset.class_ids for row in dataset.rows)


def try_scores(stand_in: Companion, dataset: Dataset, limit: int | None) -> ScoreTrial:
    """Choose the score that tells a model's known photos from others, all of one framing: it shall not tell framings.

    Raises:
        DataError: there are no photos of known, or none of unknown classes.
    """
    held_out = [row for row in dataset.part("validation") if row.class_id in stand_in.class_ids]
    framing = min((row.framing for row in held_out), default=None)
    strange = [row for row in dataset.rows if row.class_id not in stand_in.class_ids and row.framing == framing]
    if not held_out or not strange:
        raise DataError(
            f"to choose a score {dataset.name} must hold photos of classes that {stand_in.identity} was taught and of "
            f"others; it has {len(held_out)} and {len(strange)}"
        )
    known = _items([row for row in held_out if row.framing == framing], limit)
    unknown = _items(strange, limit)
    directions = directions_of(stand_in, dataset, limit)
    inside, outside = (_see(stand_in, items) for items in (known, unknown))
    temperature = fit_temperature(inside.logits, labels_of(known, stand_in.class_ids))
    choice = choose(inside, outside, temperature, np.asarray(directions, np.float64))
    return ScoreTrial(stand_in.identity, len(known), len(unknown), len({item.class_id for item in unknown}), choice)


def directions_of(model: Companion, dataset: Dataset, limit: int | None) -> Directions:
    """The directions of a model's classes in the features of its training photos, rounded as they are stored."""
    items = _items([row for row in dataset.part("train") if row.class_id in model.class_ids], limit)
    labels = labels_of(items, model.class_ids)
    return class_directions(_see(model, items).features, labels, len(model.class_ids)).astype(np.float16)


def _items(rows: list[Row], limit: int | None) -> list[Item]:
    return [item_of(row) for row in limited(rows, limit)]


def _see(model: Companion, items: Sequence[Item]) -> Seen:
    """What a model makes of photos, as serving puts them to it."""
    preparation = model.preparation
    with progress_bar() as bar:
        task = bar.add_task("looking", total=len(items))
        return see(model.run, items, preparation.size_px, preparation.fit, lambda: bar.advance(task))
