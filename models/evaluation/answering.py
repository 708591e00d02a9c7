"""How good answerers are: accuracy by kind of question, near answers, cells read, and what photo and words are worth.

Owns which figures there are and how they are shown. Runs under one name are seeds, which are averaged question by
question; intervals are bootstraps that resample photos, since the questions about a photo are not independent, and for
differences seeds, too. A control that was trained without photos tells what the words alone give away, one without questions
what the photos do, and the commonest answer to each kind of question what needs no model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.calibration import Floats
from models.evaluation.figures import table
from models.evaluation.metrics import Bools, bootstrap
from models.evaluation.significance import compare_runs
from models.evaluation.wordnet import WORDNET_FOLDER, Nouns, read_nouns
from models.evaluation.wups import answer_score
from models.training.answering.course import gather_lessons
from models.training.answering.lessons import Lessons
from models.training.answering.record import Trained, load_answerer
from models.training.answering.replies import reply
from models.training.answering.sources import Asked, read_material
from models.training.data import DataError
from models.training.questions import Question, answer_list, is_right

Names = npt.NDArray[np.str_]

THRESHOLDS = (0.9, 0.0)
#: The source whose answers are people's own words, which may be nearly right.
_ROOMS = "rooms"
#: The answerer that needs no model: of each kind the answer that is commonest in training.
COMMONEST = "commonest answer"
_DRAWN = ("relational", "non-relational")


class Examinee(NamedTuple):
    """A run under the name of its seeds, and the questions as it reads them."""

    name: str
    trained: Trained
    lessons: Lessons


class Examination(NamedTuple):
    """Runs that learnt from one material, and its questions, of which those of a split are put to them."""

    material: Sequence[Asked]
    split: str
    runs: tuple[Examinee, ...]

    def part(self, split: str) -> tuple[Question, ...]:
        """The questions of a split."""
        return tuple(one for asked in self.material for one in asked.questions if one.split == split)

    @property
    def questions(self) -> tuple[Question, ...]:
        """What the runs are asked."""
        return self.part(self.split)


@dataclass(frozen=True, slots=True)
class Answerer:
    """The runs of one name: which questions each run had right, bool [runs, n], and in the mean of the runs the share of
    cells read, f64 [n], the WUPS scores, f64 [thresholds, n], and whether an answer is in no list to choose from, f64 [n].

    `near` is empty where there is no WordNet or no room is asked about. What is `unseen` in training is answered wrongly.
    """

    name: str
    runs: Bools
    kept: Floats
    near: Floats
    unseen: Floats

    @property
    def right(self) -> Floats:
        """How often each question was right, f64 [n]."""
        return np.asarray(self.runs.mean(axis=0), np.float64)


@dataclass(frozen=True, slots=True)
class Measured:
    """Questions that were put to several answerers; `lacks_wordnet` tells why there is no WUPS."""

    questions: tuple[Question, ...]
    answerers: tuple[Answerer, ...]
    lacks_wordnet: bool


def examine(
    runs: Sequence[tuple[str, Path]], data: Path | None, cells: Path | None, split: str, limit: int | None = None
) -> Examination:
    """Read the runs, each with its name, and what they are asked.

    Raises:
        DataError: a run is none, its data cannot be read, or the runs learnt from different materials.
    """
    trained = [load_answerer(folder) for _, folder in runs]
    materials = {one.record.material for one in trained}
    if len(materials) > 1:
        raise DataError(f"the runs learnt from {' and '.join(sorted(materials))}: give runs of one material")
    material = read_material(trained[0].record.material, data, limit)
    found = [
        Examinee(name, one, gather_lessons(material, one.record, one.vocabulary, one.model, cells))
        for (name, _), one in zip(runs, trained, strict=True)
    ]
    examination = Examination(material, split, tuple(found))
    if not examination.questions:
        raise DataError(f"the material has no {split} questions")
    return examination


def measure_runs(examination: Examination) -> Measured:
    """Put the questions to every run, and the commonest answers to them."""
    questions = examination.questions
    nouns = nouns_for(questions)
    found: dict[str, list[Answerer]] = {}
    for name, trained, lessons in examination.runs:
        replies = reply(trained.model, lessons, lessons.rows(examination.split))
        picks = [lessons.answers[pick] for pick in replies.picks]
        found.setdefault(name, []).append(judge(name, questions, picks, replies.kept, nouns, lessons.answers))
    answerers = [_together(seeds) for seeds in found.values()]
    taught = examination.part("train")
    common = commonest(taught)
    picks = [common.get(one.kind, "") for one in questions]
    answerers.append(judge(COMMONEST, questions, picks, np.zeros(len(questions)), nouns, answer_list(taught)))
    return Measured(questions, tuple(answerers), lacks_nouns(questions, nouns))


def commonest(questions: Sequence[Question]) -> dict[str, str]:
    """The answer that is right most often, by kind of question, where one item is the whole answer; of equals the first."""
    counts: dict[str, Counter[str]] = {}
    for one in questions:
        if len(one.answers) == 1:
            counts.setdefault(one.kind, Counter()).update(one.answers)
    return {kind: min(found, key=lambda answer: (-found[answer], answer)) for kind, found in counts.items()}


def judge(
    name: str,
    questions: Sequence[Question],
    picks: Sequence[str],
    kept: Floats,
    nouns: Nouns | None,
    answers: Sequence[str],
) -> Answerer:
    """What one run is worth, from what it picked of its `answers` and the shares of the cells that it read."""
    known = set(answers)
    unseen = np.array([not known.issuperset(one.answers) for one in questions], np.float64)
    return Answerer(name, right_picks(questions, picks)[None], kept, _near(nouns, questions, picks), unseen)


def right_picks(questions: Sequence[Question], picks: Sequence[str]) -> Bools:
    """Whether each pick is the whole answer, bool [n]."""
    return np.array([is_right(*pair) for pair in zip(questions, picks, strict=True)], np.bool_)


def lacks_nouns(questions: Sequence[Question], nouns: Nouns | None) -> bool:
    """Whether near answers would count, but there is no WordNet to tell them."""
    return nouns is None and any(_group(one) == _ROOMS for one in questions)


def nouns_for(questions: Sequence[Question]) -> Nouns | None:
    """WordNet, where it is installed and some answers are people's own words."""
    if not any(_group(one) == _ROOMS for one in questions) or not WORDNET_FOLDER.is_dir():
        return None
    return read_nouns(WORDNET_FOLDER)


def _near(nouns: Nouns | None, questions: Sequence[Question], picks: Sequence[str]) -> Floats:
    """WUPS of each question about a room by threshold; nought for the others."""
    if nouns is None:
        return np.zeros((0, len(questions)))
    scores = np.zeros((len(THRESHOLDS), len(questions)))
    cache: dict[tuple[str, tuple[str, ...], float], float] = {}
    for column, (one, pick) in enumerate(zip(questions, picks, strict=True)):
        if _group(one) != _ROOMS:
            continue
        for row, threshold in enumerate(THRESHOLDS):
            key = (pick, one.answers, threshold)
            if key not in cache:
                cache[key] = answer_score(nouns, (pick,), one.answers, threshold)
            scores[row, column] = cache[key]
    return scores


def _together(seeds: Sequence[Answerer]) -> Answerer:
    means = (np.mean([getattr(one, name) for one in seeds], axis=0) for name in ("kept", "near", "unseen"))
    return Answerer(seeds[0].name, np.concatenate([one.runs for one in seeds]), *means)


def _group(question: Question) -> str:
    return question.kind.partition(" ")[0]


def groups_of(questions: Sequence[Question]) -> Mapping[str, Bools]:
    """The rows of a table: each source or sort of question, its kinds, those with one right answer, and all."""
    kinds = sorted({one.kind for one in questions})
    sources = list(dict.fromkeys(_group(one) for one in questions))
    masks: dict[str, Bools] = {}
    for source in sources:
        masks[source] = np.array([_group(one) == source for one in questions])
        single = np.array([_group(one) == source and len(one.answers) == 1 for one in questions])
        if 0 < single.sum() < masks[source].sum():
            masks[f"{source}, one answer"] = single
        for kind in (kind for kind in kinds if kind.partition(" ")[0] == source):
            masks[kind] = np.array([one.kind == kind for one in questions])
    if len(sources) > 1 and not set(sources) <= set(_DRAWN):
        masks["generated"] = np.array([_group(one) != _ROOMS for one in questions])
    if len(sources) > 1:
        masks["all"] = np.ones(len(questions), bool)
    return masks


def metrics(measured: Measured, split: str) -> dict[str, float]:
    """Flat names and values of the first answerer for a manifest: `test rooms/accuracy`."""
    right = measured.answerers[0].right
    masks = groups_of(measured.questions)
    return {f"{split} {name}/accuracy": round(float(right[mask].mean()), 4) for name, mask in masks.items()}


def to_markdown(measured: Measured, against: str | None = None) -> str:
    """A table of each answerer, then of the differences from one of them, in per cent and points."""
    masks = groups_of(measured.questions)
    photos = np.array([one.photo for one in measured.questions])
    has_near = any(len(one.near) for one in measured.answerers)
    lines = [_table(one, masks, photos, has_near) for one in measured.answerers]
    control = next((one for one in measured.answerers if one.name == against), None)
    if control is not None:
        lines += [_differences(one, control, masks, photos) for one in measured.answerers if one is not control]
    if measured.lacks_wordnet:
        lines.append(f"No WUPS: WordNet is not in {WORDNET_FOLDER} (Debian's wordnet-base).\n")
    return "\n".join(lines)


def _table(one: Answerer, masks: Mapping[str, Bools], photos: Names, has_near: bool) -> str:
    seeds = f", mean of {len(one.runs)} seeds ({_spread(one.runs)} over all)" if len(one.runs) > 1 else ""
    near = [f"WUPS@{threshold}" for threshold in THRESHOLDS] if has_near else []
    lines = [["questions", "number", "accuracy", "95 % interval", "cells read", "answer unseen", *near]]
    for name, mask in masks.items():
        low, high = bootstrap(one.right[mask], list(photos[mask]))
        accuracy = [f"{100 * one.right[mask].mean():.2f}", f"{100 * low:.2f} - {100 * high:.2f}"]
        shares = [f"{100 * values[mask].mean():.1f}" for values in (one.kept, one.unseen)]
        line = [name, f"{mask.sum():,}", *accuracy, *shares]
        if has_near:
            is_room = name.startswith(_ROOMS)
            line += [f"{100 * scores[mask].mean():.2f}" if is_room else "" for scores in one.near]
        lines.append(line)
    return f"{one.name}{seeds}\n\n{table(lines)}"


def _spread(runs: Bools) -> str:
    """Each run's accuracy, then their standard deviation."""
    shares = 100 * runs.mean(axis=1)
    return f"{', '.join(f'{share:.2f}' for share in shares)}; sd {shares.std(ddof=1):.2f}"


def _differences(one: Answerer, control: Answerer, masks: Mapping[str, Bools], photos: Names) -> str:
    lines = [["questions", "difference", "95 % interval"]]
    for name, mask in masks.items():
        found, _ = compare_runs(one.runs[:, mask], control.runs[:, mask], list(photos[mask]))
        lines.append([name, f"{100 * found.mean:+.2f}", f"{100 * found.low:+.2f} to {100 * found.high:+.2f}"])
    return f"{one.name} minus {control.name}, points\n\n{table(lines)}"
