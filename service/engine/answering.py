"""Requests of a caller in the same process, answered in batches; each fails on its own.

What a worker does with a queue (`service/worker/loop.py`) is done here with a list: prepare, infer what pays together,
finish. An answer is the same either way.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from service.answers import Parameters
from service.engine.backends.base import EngineError
from service.engine.tasks.base import AnyPlan, infer_each
from service.errors import FieldmarkError, Internal

Photo = bytes | memoryview
#: One photo, or several of one subject that are answered together.
Subject = Photo | Sequence[Photo]
Question = tuple[Subject, Parameters]


def answer_all(plan: AnyPlan, questions: Sequence[Question], lanes: int) -> list[Any]:
    """Answer subjects by a plan, `lanes` batches at once; who cannot be answered has its `FieldmarkError` in its place."""
    size = plan.curve.paying_batch
    batches = [questions[start : start + size] for start in range(0, len(questions), size)]
    with ThreadPoolExecutor(lanes, "engine") as pool:
        answers = pool.map(lambda batch: _answer_batch(plan, batch), batches)
        return [answer for batch in answers for answer in batch]


def _answer_batch(plan: AnyPlan, questions: Sequence[Question]) -> list[Any]:
    """Answer subjects that share a run of the graphs; each fails on its own."""
    prepared = [_prepare(plan, subject, parameters) for subject, parameters in questions]
    good = [subject for subject in prepared if not isinstance(subject, FieldmarkError)]
    results = iter(infer_each(plan, good) if good else [])
    return [
        subject if isinstance(subject, FieldmarkError) else _finish(plan, subject, next(results))
        for subject in prepared
    ]


def _prepare(plan: AnyPlan, subject: Subject, parameters: Parameters) -> object:
    photos = [subject] if isinstance(subject, bytes | memoryview) else subject
    try:
        return plan.prepare(photos, parameters)
    except FieldmarkError as error:
        return error


def _finish(plan: AnyPlan, prepared: object, result: object) -> Any:
    if isinstance(result, EngineError):
        return _internal(result)
    try:
        return plan.finish(prepared, result).answer
    except FieldmarkError as error:
        return error


def _internal(cause: EngineError) -> Internal:
    """The graph's own words are the cause, for a log; the message stays safe for a caller."""
    error = Internal()
    error.__cause__ = cause
    return error
