"""What an answerer's choice of cells is worth: accuracy by how many it keeps, beside cells that it did not choose.

A trained network is read again with the longest cells, with those of the middle and with random ones, which tells what its
choice carries; only a run that was trained on such cells is a fair rival. Where a source knows the boxes of what a question
is about, the share of the kept cells that lie on it tells whether they point there: the middle is the control, since
people centre what they photograph. Owns these figures, the milliseconds that fewer cells save, and their tables.

Source: Malinowski et al., "Learning Visual Question Answering by Bootstrapping Hard Attention", ECCV 2018, section 4.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
import torch

from models.calibration import Floats
from models.evaluation.answering import Examination, Examinee, Names, groups_of, right_picks
from models.evaluation.figures import table
from models.evaluation.metrics import Bools, bootstrap
from models.hard_attention import HardAttention, Selection
from models.layers.aggregation import SOFT
from models.training.answering.lessons import Lessons
from models.training.answering.replies import reply
from models.training.answering.sights import Places
from models.training.data import Box, DataError
from models.training.questions import Question
from models.training.recipes.answering import with_keep

#: The cells that a trained network is given, in words.
CHOICES: Mapping[Selection, str] = {"han": "longest", "centre": "middle", "random": "random"}
_WARM_CALLS, _CALLS = 10, 100


@dataclass(frozen=True, slots=True)
class Reading:
    """One number and sort of cells, in the mean of the runs: how often each question was right, f64 [n], and the share of
    the cells that lie on what it is about, f64 [n], NaN where that is not known.
    """

    keep: int
    choice: Selection
    right: Floats
    on_it: Floats


@dataclass(frozen=True, slots=True)
class Sweep:
    """The readings of the runs of one name, and the milliseconds from cells to an answer by the number of cells."""

    name: str
    readings: tuple[Reading, ...]
    times_ms: Mapping[int, float]


def sweep(examination: Examination, keeps: Sequence[int]) -> list[Sweep]:
    """Read every run with each number of cells.

    Raises:
        DataError: a run weighs its cells and keeps none.
    """
    for name, trained, _ in examination.runs:
        if trained.model.shape.aggregation in SOFT:
            raise DataError(f"{name} weighs all cells and keeps none: --keep is for runs that choose")
    names = dict.fromkeys(one.name for one in examination.runs)
    return [_sweep(name, [one for one in examination.runs if one.name == name], examination, keeps) for name in names]


def _sweep(name: str, seeds: Sequence[Examinee], examination: Examination, keeps: Sequence[int]) -> Sweep:
    readings = []
    cells = seeds[0].trained.model.shape.cells
    for keep in keeps:
        choices: Sequence[Selection] = tuple(CHOICES) if keep < cells else ("han",)
        for choice in choices:
            found = [_read(one, examination, keep, choice) for one in seeds]
            right, on_it = (np.mean(values, axis=0) for values in zip(*found, strict=True))
            readings.append(Reading(keep, choice, right, on_it))
    _, trained, lessons = seeds[0]
    rows = lessons.rows(examination.split)
    return Sweep(name, tuple(readings), {keep: time_answers(trained.model, lessons, rows, keep) for keep in keeps})


def _read(one: Examinee, examination: Examination, keep: int, choice: Selection) -> tuple[Floats, Floats]:
    """Whether each question is right, and the share of the cells on what it is about."""
    with keeping(one.trained.model, keep, choice):
        replies = reply(one.trained.model, one.lessons, one.lessons.rows(examination.split))
    questions = examination.questions
    picks = [one.lessons.answers[pick] for pick in replies.picks]
    return right_picks(questions, picks).astype(np.float64), shares_on(questions, replies.cells)


@contextmanager
def keeping(model: HardAttention, keep: int, choice: Selection = "han") -> Iterator[None]:
    """Let a trained network read other cells than those that it was trained with."""
    own = model.shape
    model.shape = with_keep(replace(own, selection=choice), keep)
    try:
        yield
    finally:
        model.shape = own


def shares_on(questions: Sequence[Question], cells: Bools) -> Floats:
    """The share of each question's cells, bool [n, N], that lie on what it is about: f64 [n], NaN where that is not known."""
    grid = round(cells.shape[1] ** 0.5)
    shares = [
        (kept & cells_on(one.where, grid)).sum() / kept.sum() if one.where else np.nan
        for one, kept in zip(questions, cells, strict=True)
    ]
    return np.array(shares, np.float64)


def cells_on(boxes: Sequence[Box], grid: int) -> Bools:
    """The cells that lie on things, bool [grid * grid], row by row: their middle is in a box, or a box's middle in them."""
    middles = (np.arange(grid) + 0.5) / grid
    found = np.zeros((grid, grid), bool)
    for left, top, right, bottom in boxes:
        across, down = ((low <= middles) & (middles <= high) for low, high in ((left, right), (top, bottom)))
        found |= down[:, None] & across
        column, row = (min(int((low + high) / 2 * grid), grid - 1) for low, high in ((left, right), (top, bottom)))
        found[row, column] = True
    return found.ravel()


@torch.inference_mode()
def time_answers(
    model: HardAttention, lessons: Lessons, rows: Places, keep: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    """The median milliseconds from the cells of a photo to the answer, one question at a time."""
    batch = lessons.batch(rows[:1]).to(next(model.parameters()).device)
    cells = model.look(batch.seen) if batch.are_pictures else batch.seen
    times = []
    with keeping(model, keep):
        for _ in range(_WARM_CALLS + _CALLS):
            began = clock()
            model.answer(cells, batch.tokens, batch.mask).logits.cpu()  # a GPU's work has ended when it has been copied
            times.append(clock() - began)
    return 1000 * median(times[_WARM_CALLS:])


def to_markdown(sweeps: Sequence[Sweep], questions: Sequence[Question]) -> str:
    """Two tables of each sweep: accuracy in per cent by source, number and sort of cells; and the time."""
    masks = {name: mask for name, mask in groups_of(questions).items() if " " not in name}
    photos = np.array([one.photo for one in questions])
    return "\n".join(f"{_figures(one, masks, photos)}\n{_times(one)}" for one in sweeps)


def _figures(one: Sweep, masks: Mapping[str, Bools], photos: Names) -> str:
    has_boxes = any(np.isfinite(reading.on_it).any() for reading in one.readings)
    lines = [["questions", "cells", "which", "accuracy", "95 % interval", *(["on what is asked"] if has_boxes else [])]]
    for name, mask in masks.items():
        for reading in one.readings:
            right = reading.right[mask]
            low, high = bootstrap(right, list(photos[mask]))
            line = [name, str(reading.keep), CHOICES[reading.choice], f"{100 * right.mean():.2f}"]
            line.append(f"{100 * low:.2f} - {100 * high:.2f}")
            if has_boxes:
                known = reading.on_it[mask & np.isfinite(reading.on_it)]
                line.append(f"{100 * known.mean():.1f}" if len(known) else "")
            lines.append(line)
    return f"{one.name} with other cells\n\n{table(lines)}"


def _times(one: Sweep) -> str:
    lines = [["longest cells", "ms"], *([str(keep), f"{value:.2f}"] for keep, value in one.times_ms.items())]
    threads = f"{torch.get_num_threads()} thread{'s' if torch.get_num_threads() > 1 else ''}"
    return f"{one.name}: from cells to an answer in torch, one question at a time, {threads}\n\n{table(lines)}"
