"""Candidates: what a caller says that the subject can be, and the answer weighted by it.

Owns the meaning of a candidate's name, which may be a class id, a label or a value of any level, upper or lower case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.calibration import Floats
from models.labels import Label
from service.errors import InvalidParameter

#: Names that an error shows.
NAMED_LIMIT = 3
_LEAST_SHARE = np.finfo(np.float64).tiny


@dataclass(frozen=True, slots=True)
class Selection:
    """The classes that are candidates, bool [C], and the names that no class has."""

    is_candidate: npt.NDArray[np.bool_]
    unknown: list[str]

    @property
    def count(self) -> int:
        """How many classes are candidates."""
        return int(self.is_candidate.sum())

    def weigh(self, probabilities: Floats) -> Floats:
        """Probabilities [C] given that the subject is a candidate: others get 0, the rest adds up to 1."""
        kept = np.where(self.is_candidate, np.maximum(probabilities, _LEAST_SHARE), 0.0)
        return np.asarray(kept / kept.sum(), np.float64)


class Checklist:
    """Finds the classes of one bundle by name."""

    def __init__(self, labels: Sequence[Label]) -> None:
        self._count = len(labels)
        self._classes: dict[str, set[int]] = {}
        for index, label in enumerate(labels):
            for name in (label.class_id, label.label, *label.levels.values()):
                self._classes.setdefault(name.casefold(), set()).add(index)

    def select(self, names: Sequence[str]) -> Selection | None:
        """The classes that the names mean; None without names.

        Raises:
            InvalidParameter: not one of the names is known.
        """
        if not names:
            return None
        is_candidate = np.zeros(self._count, np.bool_)
        unknown = []
        for name in names:
            found = self._classes.get(name.casefold())
            if found is None:
                unknown.append(name)
            else:
                is_candidate[list(found)] = True
        if not is_candidate.any():
            shown = ", ".join(map(repr, unknown[:NAMED_LIMIT]))
            raise InvalidParameter(
                f"None of the {len(names)} candidates is a class id, a label or a level's value here, not {shown}; "
                "GET /v1/domains/{name}/labels lists them."
            )
        return Selection(is_candidate, unknown)
