"""What the worker and the engine ask of a route: prepare a request once, infer batches, finish each answer.

The three steps are apart because they want different company: `prepare` and `finish` belong to one request and fail
with it alone, `infer` takes what can share a run of the graphs. A plan may run several models; `prepare` decodes once
for all of them. Parameters of the two types between the steps are the plan's own affair.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from service.answers import Parameters
from service.engine.backends.base import EngineError
from service.engine.curve import LatencyCurve

Prepared = TypeVar("Prepared")
Inferred = TypeVar("Inferred")


Answered = TypeVar("Answered", bound=msgspec.Struct)


class Finished(msgspec.Struct, Generic[Answered], frozen=True):
    """An answer with what the metrics count of it: who answered, how sure it was, whether it said so.

    `picture` is the explanation drawn, a PNG that takes the answer's place, where one was asked for. `is_cached` tells
    whether the photo's features were kept from an earlier request, None where none are kept.
    """

    answer: Answered
    model: str
    confidence: float | None = None
    is_uncertain: bool = False
    picture: bytes | None = None
    is_cached: bool | None = None


class Plan(Protocol[Prepared, Inferred]):
    """How the requests of one route are answered; all methods are safe from several threads.

    `model` is the identity that metrics are labelled with, `curve` the time of `infer` by batch size.
    """

    route: str
    model: str
    curve: LatencyCurve
    batch_wait_ms: float

    def prepare(self, photos: Sequence[bytes | memoryview], parameters: Parameters) -> Prepared:
        """Decode the photos of one request, all of one subject.

        Raises:
            UnsupportedMedia, UnprocessableImage: a photo cannot be decoded.
            InvalidParameter: what was asked for does not fit the bundle.
        """

    def infer(self, batch: Sequence[Prepared]) -> list[Inferred]:
        """Run the graphs on several requests at once; the results are in the order of the batch.

        Raises:
            EngineError: the batch failed as a whole; its members may be tried one by one.
        """

    def finish(self, prepared: Prepared, inferred: Inferred) -> Finished[Any]:
        """Make the answer to one request.

        Raises:
            FieldmarkError: what was inferred allows none.
        """


AnyPlan = Plan[Any, Any]


def infer_each(plan: Plan[Prepared, Inferred], batch: Sequence[Prepared]) -> list[Inferred | EngineError]:
    """Run a batch; where it fails as a whole run each member alone, once, so that only the guilty fail."""
    try:
        return list(plan.infer(batch))
    except EngineError as error:
        if len(batch) == 1:
            return [error]
    return [result for member in batch for result in infer_each(plan, [member])]
