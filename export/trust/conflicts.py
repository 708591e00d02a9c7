"""Whether a text fits its photo: the rule of a bundle that reads texts, fitted and judged beside its student.

Owns which photos and whose eyes are used: the training photos tell which traits a class has, the student sees the
held-out and the test photos. The rule itself is `models.evaluation.conflicts`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from export.scores import score
from export.subject import Trials
from export.trust.companions import Companion
from models.evaluation.conflicts import ConflictFigures, ConflictRule, fit_rule, judge_rule
from models.evaluation.figures import Scored
from models.evaluation.items import Part
from models.progress import progress_bar
from models.text import Vocabulary
from models.training.data import Dataset, limited
from models.training.texts import PhotoTexts


@dataclass(frozen=True, slots=True)
class Conflicts:
    """The rule, by whose sight it was fitted, and what it does on the first test part, where there is one."""

    rule: ConflictRule
    student: str
    part: str | None
    figures: ConflictFigures | None


def fit_conflicts(
    student: Companion, dataset: Dataset, texts: PhotoTexts, vocabulary: Vocabulary, trials: Trials
) -> Conflicts:
    """Fit the rule on the training and the held-out photos, all framings of these together, and judge it."""
    rows = limited(list({row.photo: row for row in dataset.part("train")}.values()), trials.limit)
    held_out = _together(student, trials.held_out)
    rule = fit_rule(rows, dataset.labels(rows), held_out, student.temperature, texts, vocabulary)
    if not trials.tests:
        return Conflicts(rule, student.identity, None, None)
    test = _together(student, trials.tests[:1])
    figures = judge_rule(rule, test, student.temperature, texts, vocabulary)
    return Conflicts(rule, student.identity, test.part.name, figures)


def _together(student: Companion, parts: Sequence[Part]) -> Scored:
    """What the student answers to some parts, as one."""
    with progress_bar() as bar:
        task = bar.add_task("asking the student", total=sum(len(part.items) for part in parts))
        scored = [
            score(student.ask, part, student.class_ids, student.preparation, lambda: bar.advance(task))
            for part in parts
        ]
    items = tuple(item for part in parts for item in part.items)
    return Scored(
        Part(parts[0].name, items),
        np.concatenate([one.logits for one in scored]),
        np.concatenate([one.labels for one in scored]),
    )
