"""Whether a grounding model's answers hang together: two expressions for two things, the mirrored photo, what is not there.

Owns these three checks. A share of hits does not tell them: a model that always points at the largest thing is often right,
and never when two things of one photo are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image

from models.evaluation.grounding.answers import Answered, iou_of
from models.evaluation.grounding.items import OTHER_RELATIONS, Item, Part
from models.evaluation.grounding.table import HIT_IOU
from models.evaluation.metrics import bootstrap
from models.preprocess import decode
from models.text.mirror import can_mirror, mirror_words
from models.training.data import Box

RECALL = 0.9
#: What is not there, by part, and how it is spoken of.
_ABSENT: tuple[tuple[Part, str], ...] = (
    ("absent", "things that are not there"),
    ("absent, next to", "things next to what is not there, or the other way round,"),
    ("absent, other relations", f"the same, but {', '.join(OTHER_RELATIONS[:-1])} or {OTHER_RELATIONS[-1]},"),
)


@dataclass(frozen=True, slots=True)
class Sense:
    """One check in words: a share with its interval, of so many."""

    words: str
    share: float
    low: float
    high: float
    count: int


def mirrored_items(items: Sequence[Item], folder: Path) -> list[Item]:
    """The items as their mirrored photos, written to `folder`, with left and right swapped in the words."""
    found = []
    for item in items:
        if item.box is None or not can_mirror(item.text):
            continue
        path = folder / f"{item.photo}.png"
        if not path.exists():
            Image.fromarray(np.ascontiguousarray(decode(item.path.read_bytes()).pixels[:, ::-1])).save(path)
        found.append(replace(item, part="mirrored", path=path, text=mirror_words(item.text), box=_mirrored(item.box)))
    return found


def senses_of(answered: Answered) -> list[Sense]:
    """All checks that the answers allow."""
    alarms = (_false_alarms(answered, part, words) for part, words in _ABSENT)
    return [sense for sense in (_swaps(answered), _mirrors(answered), *alarms) if sense is not None]


def to_markdown(senses: Sequence[Sense]) -> str:
    """A line each."""
    return "".join(
        f"- {sense.words}: {100 * sense.share:.1f} % ({100 * sense.low:.1f} - {100 * sense.high:.1f}) of {sense.count:,}\n"
        for sense in senses
    )


def _swaps(answered: Answered) -> Sense | None:
    """Of two expressions for two things of one photo: both found, and not in one place."""
    by_photo: dict[str, list[int]] = {}
    for place, item in enumerate(answered.items):
        if item.part == "test":
            by_photo.setdefault(item.photo, []).append(place)
    photos, hits = [], []
    for photo, places in by_photo.items():
        for one, other in combinations(places, 2):
            if iou_of(answered.items[one].box, _known(answered.items[other])) >= HIT_IOU:
                continue
            apart = iou_of(answered.boxes[one], answered.boxes[other]) < HIT_IOU
            photos.append(photo)
            hits.append(apart and min(answered.iou[one], answered.iou[other]) > HIT_IOU)
    return _sense("both of two expressions for two things of one photo are found", hits, photos)


def _mirrors(answered: Answered) -> Sense | None:
    """The box of the mirrored photo, mirrored back, covers that of the photo."""
    pairs = list(zip(answered.items, answered.boxes, strict=True))
    usual = {(item.photo, item.text): box for item, box in pairs if item.part == "test"}
    turned = [(item, box) for item, box in pairs if item.part == "mirrored"]
    hits = [iou_of(usual[item.photo, mirror_words(item.text)], _mirrored(box)) > HIT_IOU for item, box in turned]
    return _sense("the mirrored photo and words give the mirrored box", hits, [item.photo for item, _ in turned])


def _false_alarms(answered: Answered, absent: Part, words: str) -> Sense | None:
    """Of a part that means nothing, what is called there by the presence at which `RECALL` of the test is."""
    part = np.array([item.part for item in answered.items])
    presence = answered.conf[:, 0]
    if not (part == "test").any():
        return None
    threshold = np.quantile(presence[part == "test"], 1 - RECALL)
    places = np.flatnonzero(part == absent).tolist()
    photos = [answered.items[place].photo for place in places]
    hits = [bool(presence[place] >= threshold) for place in places]
    return _sense(f"{words} called there, where {100 * RECALL:.0f} % of the others are", hits, photos)


def _sense(words: str, hits: Sequence[bool], photos: Sequence[str]) -> Sense | None:
    if not hits:
        return None
    values = np.array(hits, np.bool_)
    return Sense(words, float(values.mean()), *bootstrap(values, photos), len(hits))


def _mirrored(box: Box) -> Box:
    left, top, right, bottom = box
    return 1 - right, top, 1 - left, bottom


def _known(item: Item) -> Box:
    if item.box is None:
        raise ValueError(f"{item.text!r} means nothing in {item.photo}")
    return item.box
