"""Whether a grounding model's answers hang together: two expressions for two things, the mirrored photo, what is not there.

Owns these three checks. A share of hits does not tell them: a model that always points at the largest thing is often right,
and never when two things of one photo are asked for.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.evaluation.grounding.answers import Answered, iou_of
from models.evaluation.grounding.items import OTHER_RELATIONS, Item, Part
from models.evaluation.grounding.table import HIT_IOU
from models.evaluation.metrics import RESAMPLES, bootstrap
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
        for one, other in itertools.combinations(places, 2):
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
    used = np.array([item.part in ("test", absent) for item in answered.items])
    is_absent = np.array([item.part == absent for item in answered.items])[used]
    if is_absent.all() or not is_absent.any():
        return None
    presence = answered.conf[used, 0]
    names, group = np.unique([item.photo for item in itertools.compress(answered.items, used)], return_inverse=True)

    def share(drawn: npt.NDArray[np.int64]) -> float:
        """The share of the photos that were drawn, each so often; the threshold is theirs, too."""
        weight = drawn[group]
        least = np.quantile(np.repeat(presence[~is_absent], weight[~is_absent]), 1 - RECALL)
        return float(np.average(presence[is_absent] >= least, weights=weight[is_absent]))

    rng = np.random.default_rng(0)
    draws = [np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names)) for _ in range(RESAMPLES)]
    shares = [share(drawn) for drawn in draws if drawn[group][is_absent].any() and drawn[group][~is_absent].any()]
    low, high = np.quantile(shares, [0.025, 0.975])
    told = f"{words} called there, where {100 * RECALL:.0f} % of the others are"
    return Sense(told, share(np.ones(len(names), np.int64)), float(low), float(high), int(is_absent.sum()))


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
