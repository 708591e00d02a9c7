"""The photos of a part put to a model, and what it said kept; to a running service too, whose word must be the same.

Owns the loop over photos and the comparison. Who answers is handed in: an engine in this process, a service by URL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from models.calibration import Floats
from models.evaluation.figures import Scored
from models.evaluation.items import Item, Part, labels_of

#: Photos in flight at once, and read ahead.
LANES = 2
_AT_ONCE = 8 * LANES


@dataclass(frozen=True, slots=True)
class Said:
    """What a model's parts say of one photo on their own: the class, by index, that each picks; which of its rules held."""

    picks: Mapping[str, int]
    held: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class Answered:
    """One photo's answer: its canonical JSON, the logits [C] where the model is at hand, and what its parts say if they were heard."""

    body: bytes
    logits: Floats | None = None
    said: Said | None = None


class Refused(RuntimeError):
    """A photo was not answered; the text says why."""


class Answerer(Protocol):
    """Something that classifies a photo; safe from several threads."""

    def __call__(self, photo: bytes, text: str | None = None) -> Answered:
        """Answer one encoded photo, with what is told beside it; raises Refused."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The photos of a part that were answered; what failed; where the service differed; what the model's parts said of each."""

    scored: Scored
    failures: tuple[str, ...]
    differences: tuple[str, ...]
    said: tuple[Said, ...] = ()


@dataclass(frozen=True, slots=True)
class Collected:
    """The items that were answered with their logits f64 [n, C]; what failed; where the service differed; what parts said."""

    items: tuple[Item, ...]
    logits: Floats
    failures: tuple[str, ...]
    differences: tuple[str, ...]
    said: tuple[Said, ...] = ()


def ask(
    part: Part, class_ids: Sequence[str], engine: Answerer, service: Answerer | None, advance: Callable[[], None]
) -> Asked:
    """Put a part to the engine and, where there is one, to the service.

    Raises:
        DataError: the model does not know a class of the part.
    """
    labels_of(part.items, class_ids)
    found = collect(part.items, engine, service, advance)
    kept = Part(part.name, found.items)
    labels = np.array(labels_of(kept.items, class_ids), np.int64)
    return Asked(Scored(kept, found.logits, labels), found.failures, found.differences, found.said)


def collect(
    items: Sequence[Item], engine: Answerer, service: Answerer | None, advance: Callable[[], None]
) -> Collected:
    """Put photos to the engine and the service, whatever they show; `advance` is called after each."""
    answered: list[Item] = []
    logits: list[Floats] = []
    failures: list[str] = []
    differences: list[str] = []
    said: list[Said] = []
    with ThreadPoolExecutor(LANES, "ask") as pool:
        for start in range(0, len(items), _AT_ONCE):
            chosen = items[start : start + _AT_ONCE]
            for item, local, remote in pool.map(lambda item: _ask_one(item, engine, service), chosen):
                if isinstance(local, Answered) and local.logits is not None:
                    answered.append(item)
                    logits.append(local.logits)
                    if local.said is not None:
                        said.append(local.said)
                else:
                    failures.append(f"{item.photo}: {_said(local)}")
                if remote is not None and _said(local) != _said(remote):
                    differences.append(f"{item.photo}: {_said(remote)[:200]} instead of {_said(local)[:200]}")
                advance()
    told = np.array(logits, np.float64)
    return Collected(tuple(answered), told, tuple(failures), tuple(differences), tuple(said))


def _ask_one(
    item: Item, engine: Answerer, service: Answerer | None
) -> tuple[Item, Answered | Refused, Answered | Refused | None]:
    photo = item.read()
    return item, _try(engine, photo, item.text), _try(service, photo, item.text) if service else None


def _try(answerer: Answerer, photo: bytes, text: str | None) -> Answered | Refused:
    try:
        return answerer(photo, text)
    except Refused as error:
        return error


def _said(answer: Answered | Refused) -> str:
    return answer.body.decode() if isinstance(answer, Answered) else f"refused ({answer})"
