"""Whether an explanation shows what the answer rests on: deletion and insertion curves beside two controls.

Deletion blurs the photo from the most important tenth of its pixels to the least and follows the probability of the class
that was answered; insertion begins with the blurred photo and gives the pixels back. The same is done with a random order
and with one from the middle outwards, which hits most subjects by itself. An explanation is faithful if deleting by it
hurts more than by either control, beyond chance, on the same photos.

Source: Petsiuk, Das, Saenko, "RISE", BMVC 2018; blurred instead of grey, since a grey patch is itself a strange object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from models.calibration import Floats, softmax
from models.evaluation.heat import Heat, Outputs, centre_heat, heat_of, random_heat
from models.evaluation.metrics import Interval, paired
from models.preprocess import Pixels

STEPS = 10
PHOTOS = 500
OWN = "explanation"
CONTROLS = ("random", "centre")
_BLUR_SHARE = 0.08  # of the side: shapes of a part's size are gone, the colours of the scene stay

#: A graph: photos uint8 [B, S, S, 3] -> its outputs by name. A text, where it takes one, is fixed outside.
Run = Callable[[Pixels], Outputs]


@dataclass(frozen=True, slots=True)
class Areas:
    """Areas under one photo's curves by order, each the mean probability over the curve; deletion is better low."""

    photo: str
    deletion: dict[str, float]
    insertion: dict[str, float]


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """Mean areas over `count` photos, and by how much the explanation's deletion area lies below each control's."""

    count: int
    deletion: dict[str, float]
    insertion: dict[str, float]
    margins: dict[str, Interval]

    @property
    def is_faithful(self) -> bool:
        """Whether deleting by the explanation hurts more than by either control, beyond chance."""
        return all(margin.low > 0 for margin in self.margins.values())


def measure(run: Run, photos: Iterable[tuple[str, Pixels]], temperature: float = 1.0, seed: int = 0) -> Faithfulness:
    """Judge a graph's explanations on photos, each with its name, uint8 [S, S, 3] as the graph takes them.

    Raises:
        ValueError: the graph explains nothing, or there are no photos.
    """
    rng = np.random.default_rng(seed)
    areas = [areas_of(run, name, image, temperature, rng) for name, image in photos]
    if not areas:
        raise ValueError("there are no photos to judge explanations on")
    return summarise(areas)


def areas_of(run: Run, name: str, image: Pixels, temperature: float, rng: np.random.Generator) -> Areas:
    """The areas of one photo, under its explanation and under the controls."""
    outputs = run(image[None])
    own = heat_of(outputs, len(image))
    if own is None:
        raise ValueError("the graph has no outputs that explain")
    answered = int(np.asarray(outputs["logits"][0]).argmax())
    orders = {OWN: own, "random": random_heat(len(image), rng), "centre": centre_heat(len(image))}
    blurred = blur(image)
    deletion = {key: _area(run, image, blurred, heat, answered, temperature) for key, heat in orders.items()}
    insertion = {key: _area(run, blurred, image, heat, answered, temperature) for key, heat in orders.items()}
    return Areas(name, deletion, insertion)


def summarise(areas: list[Areas]) -> Faithfulness:
    """Means over photos, and the paired intervals of the differences in deletion."""
    names = [area.photo for area in areas]
    deletion = _columns([area.deletion for area in areas])
    insertion = _columns([area.insertion for area in areas])
    return Faithfulness(
        count=len(areas),
        deletion={key: float(values.mean()) for key, values in deletion.items()},
        insertion={key: float(values.mean()) for key, values in insertion.items()},
        margins={control: paired(deletion[control], deletion[OWN], names) for control in CONTROLS},
    )


def blur(image: Pixels) -> Pixels:
    """The photo without detail: a Gaussian of 8 % of its side."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), _BLUR_SHARE * len(image)), np.uint8)


def exchanged(start: Pixels, end: Pixels, heat: Heat) -> Pixels:
    """`start` with a growing share of its pixels from `end`, hottest first: uint8 [STEPS + 1, S, S, 3]."""
    order = np.argsort(-heat.ravel(), kind="stable")
    step = np.empty(order.size, np.int64)
    step[order] = np.arange(order.size) * STEPS // order.size
    is_taken = step.reshape(heat.shape) < np.arange(STEPS + 1)[:, None, None]
    return np.where(is_taken[..., None], end, start)


def _area(run: Run, start: Pixels, end: Pixels, heat: Heat, answered: int, temperature: float) -> float:
    """The mean of the answered class's probability along the way, by the trapezium rule."""
    probabilities = softmax(run(exchanged(start, end, heat))["logits"], temperature)[:, answered]
    return float(np.trapezoid(probabilities) / STEPS)


def _columns(rows: list[dict[str, float]]) -> Mapping[str, Floats]:
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}
