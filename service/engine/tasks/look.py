"""Look: one photo, decoded once, and any of the tasks on it.

Each part is answered by the plan of its own route, as if it had been asked alone, and fails alone: its problem takes its
place, unless no part has an answer. A graph that fails is a fault of ours and fails the request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from models.preprocess import Photo
from service.answers import ImageSize, Parameters
from service.catalog import AUTO, task_of
from service.engine.backends.providers import RUN_LIMIT
from service.engine.curve import LatencyCurve
from service.engine.tasks.base import Finished, Plan
from service.engine.tasks.photos import Encoded, decode_photos
from service.errors import FieldmarkError, InvalidParameter, NotFound
from service.replies import LookAnswer, PartProblem


class PhotoPlan(Plan[Any, Any], Protocol):
    """A plan that also takes photos which are decoded to at least `need_px`."""

    need_px: int

    def prepare_decoded(self, photos: Sequence[Photo], encoded: Sequence[Encoded], parameters: Parameters) -> Any:
        """As `prepare`, without decoding."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One part on its way: its task and plan, and what the plan made of it, or why it has no answer."""

    task: str
    plan: PhotoPlan | None
    made: Any


@dataclass(frozen=True, slots=True)
class Looked:
    """One request: the photo's size, and its parts."""

    size: ImageSize
    steps: tuple[_Step, ...]


class LookPlan:
    """Answers the parts of a look by `plans`, which maps routes to theirs."""

    def __init__(self, route: str, plans: Mapping[str, PhotoPlan]) -> None:
        self.route = route
        self.model = AUTO
        self.batch_wait_ms = 0.0
        self.curve = LatencyCurve({1: max(plan.curve.predict_ms(1) for plan in plans.values())}, RUN_LIMIT)
        self._plans = plans

    def prepare(self, photos: Sequence[Encoded], parameters: Parameters) -> Looked:
        """Decode the photo once, for all parts.

        Raises:
            UnsupportedMedia, UnprocessableImage: the photo cannot be decoded.
            FieldmarkError: no part can be answered; the first one's reason.
        """
        plans = [self._plans.get(part.route) for part in parameters.parts]
        if not any(plans):
            raise NotFound("None of the parts has a route here.")
        decoded = decode_photos(photos[:1], max(plan.need_px for plan in plans if plan is not None))
        steps = tuple(
            _prepare(part.route, plan, decoded, photos, part.parameters)
            for part, plan in zip(parameters.parts, plans, strict=True)
        )
        _require_one([step.made for step in steps])
        return Looked(ImageSize(decoded[0].width, decoded[0].height), steps)

    def infer(self, batch: Sequence[Looked]) -> list[list[Any]]:
        """Run each plan on its parts of all requests; a part without an answer keeps its error."""
        results = [[step.made for step in looked.steps] for looked in batch]
        places = [
            (row, column, step)
            for row, looked in enumerate(batch)
            for column, step in enumerate(looked.steps)
            if not isinstance(step.made, FieldmarkError)
        ]
        for plan in dict.fromkeys(step.plan for _, _, step in places if step.plan is not None):
            mine = [(row, column, step.made) for row, column, step in places if step.plan is plan]
            for (row, column, _), result in zip(mine, plan.infer([made for *_, made in mine]), strict=True):
                results[row][column] = result
        return results

    def finish(self, prepared: Looked, inferred: list[Any]) -> Finished[LookAnswer]:
        """Put the parts together.

        Raises:
            FieldmarkError: no part has an answer; the first one's reason.
        """
        told = [_finish(step, result) for step, result in zip(prepared.steps, inferred, strict=True)]
        _require_one(told)
        parts = {
            step.task: _problem(one) if isinstance(one, FieldmarkError) else one.answer
            for step, one in zip(prepared.steps, told, strict=True)
        }
        cached = [one.is_cached for one in told if isinstance(one, Finished) and one.is_cached is not None]
        return Finished(LookAnswer(prepared.size, **parts), self.model, is_cached=cached[0] if cached else None)


def _prepare(
    route: str, plan: PhotoPlan | None, decoded: Sequence[Photo], photos: Sequence[Encoded], parameters: Parameters
) -> _Step:
    task = task_of(route)
    if plan is None:
        return _Step(task, None, NotFound(f"Route {route[:100]!r} does not exist."))
    if task == "ground" and not parameters.expressions:
        return _Step(task, None, InvalidParameter("ground has no expressions."))
    try:
        return _Step(task, plan, plan.prepare_decoded(decoded, photos[:1], parameters))
    except FieldmarkError as error:
        return _Step(task, None, error)


def _finish(step: _Step, result: Any) -> Finished[Any] | FieldmarkError:
    if isinstance(result, FieldmarkError):
        return result
    if step.plan is None:
        raise TypeError("a part without a plan has its error for a result")
    try:
        return step.plan.finish(step.made, result)
    except FieldmarkError as error:
        return error


def _require_one(parts: Sequence[object]) -> None:
    errors = [part for part in parts if isinstance(part, FieldmarkError)]
    if errors and len(errors) == len(parts):
        raise errors[0]


def _problem(error: FieldmarkError) -> PartProblem:
    return PartProblem(error.slug, error.title, error.status, error.detail)
