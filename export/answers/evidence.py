"""Everything that is measured of an answerer's stored file: the same replies, honest probabilities, accuracy, time.

Accuracy is that of the model with the weights that the file stores, on the stored cells that it learnt from; that the
file replies as the model does is checked on photos.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from export.answers.asking import PARITY_QUESTIONS, Questions, check_answers, read_questions
from export.parity import ParityError
from export.runtime import CURVE_BATCHES, Graph, measure
from export.variants import LOSS_LIMIT
from models.calibration import Floats, fit_temperature, softmax
from models.evaluation.answering import Measured, judge, lacks_nouns, nouns_for
from models.evaluation.metrics import Bools
from models.hard_attention import HardAttention
from models.sections import Calibration, LatencyRow
from models.training.answering.lessons import Lessons
from models.training.answering.replies import Replies, reply
from models.training.answering.sights import Places
from models.training.answering.sources import Asked
from models.training.data import DataError
from models.training.questions import is_right

_DIGITS = 4


@dataclass(frozen=True, slots=True)
class AnswerEvidence:
    """What the export found out; `loss` is the accuracy that rounding cost on the held-out questions, where it was done."""

    parity: dict[str, float]
    loss: float | None
    held_out: int
    calibration: Calibration
    flagged: float
    flagged_wrong: float
    measured: Measured
    latency: tuple[LatencyRow, ...]


def exact_accuracy(model: HardAttention, lessons: Lessons) -> float:
    """The share of held-out questions that the model answers rightly before its weights are rounded."""
    rows = lessons.rows("validation")
    return float(_right(lessons, rows, reply(model, lessons, rows)).mean())


def gather_answers(
    model: HardAttention, graph: Graph, lessons: Lessons, material: Sequence[Asked], size_px: int, exact: float | None
) -> AnswerEvidence:
    """Measure a stored file; `exact` is the accuracy before rounding, where the weights were rounded.

    Raises:
        DataError: there are no held-out or no test questions.
        ParityError: the file does not compute what the model computes, or rounding cost more than `LOSS_LIMIT`.
    """
    held_out, test = lessons.rows("validation"), lessons.rows("test")
    if len(held_out) < PARITY_QUESTIONS or not len(test):
        raise DataError(f"an export needs {PARITY_QUESTIONS} held-out questions and some test questions")
    asked = read_questions(lessons, held_out[:: len(held_out) // PARITY_QUESTIONS], material, size_px)
    parity = check_answers(model, graph, asked)
    replies = reply(model, lessons, held_out)
    right = _right(lessons, held_out, replies)
    loss = None if exact is None else exact - float(right.mean())
    if loss is not None and loss > LOSS_LIMIT:
        raise ParityError(
            f"rounding the weights costs {100 * loss:.2f} points; at most {100 * LOSS_LIMIT:.1f} are allowed"
        )
    calibration = calibrate_answers(lessons, held_out, replies, right)
    best = softmax(replies.logits, calibration.temperature).max(axis=1)
    flagged = best < (calibration.uncertain_below or 0.0)
    return AnswerEvidence(
        parity=parity,
        loss=loss,
        held_out=len(held_out),
        calibration=calibration,
        flagged=float(flagged.mean()),
        flagged_wrong=float(1 - right[flagged].mean()) if flagged.any() else 0.0,
        measured=_measure(model, lessons, test),
        latency=measure(graph, CURVE_BATCHES, _repeated(asked)),
    )


def _repeated(asked: Questions) -> Questions:
    return asked.pick(np.arange(max(CURVE_BATCHES)) % len(asked))


def _right(lessons: Lessons, rows: Places, replies: Replies) -> Bools:
    picks = (lessons.answers[pick] for pick in replies.picks)
    return np.array([is_right(lessons.questions[row], pick) for row, pick in zip(rows, picks, strict=True)], bool)


def calibrate_answers(lessons: Lessons, rows: Places, replies: Replies, right: Bools) -> Calibration:
    """The temperature, from questions with one answer that is in the list, and the threshold of uncertainty, from all."""
    number = {answer: place for place, answer in enumerate(lessons.answers)}
    labels = [
        number.get(one.answers[0], -1) if len(one.answers) == 1 else -1
        for one in (lessons.questions[row] for row in rows)
    ]
    known = np.array(labels) >= 0
    if not known.any():
        raise DataError("no held-out question has an answer that training had, too")
    temperature = round(fit_temperature(replies.logits[known], np.array(labels)[known]), _DIGITS)
    best = softmax(replies.logits, temperature).max(axis=1)
    return Calibration(temperature=temperature, uncertain_below=_down(doubtful_below(best, right)))


def doubtful_below(best: Floats, right: Bools) -> float:
    """The probability below which answers are wrong more often than right, by the largest surplus of wrong ones.

    Of n answers sorted by their probability the threshold flags the first k for which (wrong - right) is largest; 0 flags
    none.
    """
    order = np.argsort(best, kind="stable")
    surplus = np.concatenate([[0], np.cumsum(np.where(right[order], -1, 1))])
    count = int(surplus.argmax())
    if count == 0:
        return 0.0
    return float(best[order][count]) if count < len(best) else 1.0


def _down(value: float) -> float:
    return math.floor(value * 10**_DIGITS) / 10**_DIGITS


def _measure(model: HardAttention, lessons: Lessons, rows: Places) -> Measured:
    questions = tuple(lessons.questions[row] for row in rows)
    replies = reply(model, lessons, rows)
    nouns = nouns_for(questions)
    picks = [lessons.answers[pick] for pick in replies.picks]
    found = judge("test", questions, picks, replies.kept, nouns, lessons.answers)
    return Measured(questions, (found,), lacks_nouns(questions, nouns))
