"""Whether an exported file's explanations show what its answers rest on, and whether they point at the subject.

Each photo is judged with its own text, the same phrases throughout, where the system reads texts. Owns how the file is
asked; the measures are `models.evaluation.faithfulness`'s and `models.evaluation.pointing`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from export.runtime import Ask, Ids, Inputs, Outputs
from export.scores import Preparation
from export.subject import Photos
from models.evaluation.faithfulness import Areas, Faithfulness, areas_of, summarise
from models.evaluation.heat import Point, point_of
from models.evaluation.items import Part
from models.evaluation.places import Place, read_places
from models.evaluation.pointing import Pointing, play
from models.preprocess import Pixels
from models.progress import progress_bar

_SEED = 0  # of the random control


@dataclass(frozen=True, slots=True)
class Explained:
    """What was found on one part; `pointing` where people marked the subjects of its photos."""

    part: str
    faithfulness: Faithfulness
    pointing: Pointing | None


def judge_explanations(
    ask: Ask, preparation: Preparation, part: Part, temperature: float, places: dict[str, Place]
) -> Explained:
    """Follow the answers while the photos are blurred and restored, and see where the explanations point.

    Raises:
        ValueError: the file explains nothing, or the part has no photos.
    """
    rng = np.random.default_rng(_SEED)
    areas: list[Areas] = []
    points: list[tuple[Place, Point]] = []
    with progress_bar() as bar:
        task = bar.add_task("blurring", total=len(part.items))
        for item in part.items:
            inputs = preparation.inputs([item])
            run, image = partial(_tell, ask, inputs.phrases), inputs.images[0]
            areas.append(areas_of(run, item.photo, image, temperature, rng))
            point = point_of(run(image[None]), preparation.size_px)
            if point is not None and item.photo in places:
                points.append((places[item.photo], point))
            bar.advance(task)
    return Explained(part.name, summarise(areas), play(points) if points else None)


def places_in(photos: Photos, preparation: Preparation) -> dict[str, Place]:
    """Where people marked the subjects of whole photos; nothing where nobody did, or where the fit moves them."""
    if photos.dataset.name != "cub_birds" or preparation.fit != "squash":
        return {}
    return read_places(photos.root)


def _tell(ask: Ask, phrases: Ids | None, images: Pixels) -> Outputs:
    """What is answered to versions of one photo [B], each with the phrases [1, P, T] of that photo."""
    return ask(Inputs(images, None if phrases is None else np.repeat(phrases, len(images), axis=0)))
