"""Certainty summed over levels: species into genera and families, model years into models and makes.

Owns what a level's groups are and what they are called. Numpy only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.calibration.probabilities import Floats, Ints, Numbers

#: A class more likely than that is alone the best, in whatever group it is.
_MAJORITY = 0.5


@dataclass(frozen=True, slots=True)
class Roll:
    """A level's value and the probability of all classes that have it."""

    level: str
    label: str
    probability: float


class Levels:
    """The classes of a bundle grouped by level, from coarse to fine.

    A group is the path from the coarsest level down, because a value alone may mean two things (two makes have a
    Sprinter). Its name is the value where that is enough, else the values of the path; a group of the finest level
    that is one class bears the class's label.
    """

    def __init__(self, names: Sequence[str], paths: Sequence[Sequence[str]], labels: Sequence[str]) -> None:
        """`paths` [C] holds one value per level of `names`, `labels` [C] what a person calls the class."""
        self._names = tuple(names)
        self._groups: list[Ints] = []
        self._labels: list[list[str]] = []
        for depth in range(1, len(names) + 1):
            keys = [tuple(path[:depth]) for path in paths]
            index = {key: number for number, key in enumerate(dict.fromkeys(keys))}
            self._groups.append(np.array([index[key] for key in keys], np.int64))
            self._labels.append(_group_labels(index, keys, labels if depth == len(names) else None))
        self._finest_first = tuple(zip(self._names, self._groups, self._labels, strict=True))[::-1]
        finest = self._groups[-1] if self._groups else np.zeros(0, np.int64)
        self._is_alone = np.bincount(finest)[finest] == 1

    @property
    def names(self) -> tuple[str, ...]:
        """The levels, from coarse to fine."""
        return self._names

    def labels(self, level: str) -> tuple[str, ...]:
        """What the groups of a level are called, in their order."""
        return tuple(self._labels[self._names.index(level)])

    def groups(self, level: str) -> Ints:
        """The group of each class [C] at a level."""
        return self._groups[self._names.index(level)]

    def sums(self, level: str, probabilities: Numbers) -> Floats:
        """Probabilities of classes [..., C] summed over the groups of a level: [..., G]."""
        table = np.asarray(probabilities, np.float64)
        groups = self.groups(level)
        members = np.zeros((len(groups), int(groups.max()) + 1))
        members[np.arange(len(groups)), groups] = 1
        return np.asarray(table @ members, np.float64)

    def roll_up(self, probabilities: Floats, certainty: float) -> Roll | None:
        """The finest level whose best group is at least this certain, or None where even the coarsest is not."""
        best = int(probabilities.argmax())
        if certainty > _MAJORITY and probabilities[best] >= certainty and self._is_alone[best]:
            return Roll(self._names[-1], self._labels[-1][self._groups[-1][best]], float(probabilities[best]))
        for name, groups, labels in self._finest_first:
            sums = np.bincount(groups, probabilities)
            best = int(sums.argmax())
            if sums[best] >= certainty:
                return Roll(name, labels[best], float(sums[best]))
        return None


def _group_labels(
    index: dict[tuple[str, ...], int], keys: Sequence[tuple[str, ...]], labels: Sequence[str] | None
) -> list[str]:
    """Name the groups; `labels` are the classes' own, where a group may be a single class."""
    bearers = Counter(key[-1] for key in index)
    names = [key[-1] if bearers[key[-1]] == 1 else " ".join(key) for key in index]
    if labels is not None:
        sizes = Counter(keys)
        for key, label in zip(keys, labels, strict=True):
            if sizes[key] == 1:
                names[index[key]] = label
    return names
