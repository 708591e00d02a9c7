"""Questions about photos with the answers that count as right, whatever they come from.

Owns the record that readers and generators give, the list of answers that a model chooses from, and what it is taught
for a question with several right answers. The list is made of training questions alone: an answer that only others have
stays out of it, and a question for it is answered wrongly, which an evaluation has to count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.training.data import Box, is_validation


@dataclass(frozen=True, slots=True)
class Question:
    """One question about one photo.

    `answers` are the items of its answer: all of them are right, and a complete answer names each. `kind` groups
    questions in a table (`count`, `colour` ...). `photo` names the photo: all of its questions fall on one side of a split.
    `where` are the boxes of what it is about, as far as its source knows them and it is there.
    """

    path: Path
    photo: str
    split: str
    text: str
    answers: tuple[str, ...]
    kind: str
    where: tuple[Box, ...] = ()


def is_right(question: Question, answer: str) -> bool:
    """Whether one item is the whole answer; a question with several is never answered by one."""
    return question.answers == (answer,)


def part_of(split: str, photo: str) -> str:
    """`validation` for the fixed tenth of the training photos, else the split itself."""
    return "validation" if split == "train" and is_validation(photo) else split


def answer_list(questions: Iterable[Question], minimum: int = 1) -> tuple[str, ...]:
    """The answers that occur in at least `minimum` training questions, the most frequent first: a model's outputs."""
    counts = Counter(answer for one in questions if one.split == "train" for answer in set(one.answers))
    kept = (answer for answer, count in counts.items() if count >= minimum)
    return tuple(sorted(kept, key=lambda answer: (-counts[answer], answer)))


def answer_targets(questions: Sequence[Question], answers: Sequence[str]) -> npt.NDArray[np.float32]:
    """What is taught: f32 [n, A], each row shared evenly by the right answers that are in the list.

    A row of zeros has none of them: it teaches nothing and is left out of training.
    """
    index = {answer: number for number, answer in enumerate(answers)}
    targets = np.zeros((len(questions), len(answers)), np.float32)
    for row, one in zip(targets, questions, strict=True):
        places = sorted({index[answer] for answer in one.answers if answer in index})
        row[places] = 1.0 / max(1, len(places))
    return targets
