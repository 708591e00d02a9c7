"""The worker's loop: prepare a request, infer a batch, answer each; the same for both thread layouts.

Owns the rules of a request's way: work whose time is over or whose caller has left is dropped before decoding and
before inference, a photo that cannot be decoded fails alone, a batch that fails in the engine is tried member by
member. Which thread takes what, and how much of it together, is decided by `lanes.py` and `pipeline.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from service.bus.messages import Result
from service.engine.backends.base import EngineError
from service.engine.tasks.base import infer_each
from service.errors import ClientClosed, DeadlineExceeded, FieldmarkError, Internal
from service.logs import get_logger
from service.worker.desk import Work
from service.worker.watchdog import Watchdog

log = get_logger()


class Loop:
    """Brings requests from the bus to their answer. Safe from several threads; `clock` gives monotonic seconds."""

    def __init__(self, watchdog: Watchdog, clock: Callable[[], float] = time.monotonic) -> None:
        self._watchdog = watchdog
        self._clock = clock
        self._encode = msgspec.json.Encoder().encode

    def run(self, take: Callable[[], Sequence[Work] | None]) -> None:
        """Infer what `take` gives until it gives None."""
        while (batch := take()) is not None:
            self.infer(batch)

    def prepare(self, work: Work) -> bool:
        """Decode the photos of a request; False where it is answered already."""
        started = self._clock()
        if not self._is_wanted(work, started):
            return False
        try:
            work.prepared = work.plan.prepare(work.images, work.request.parameters)
        except FieldmarkError as error:
            work.decode_ms = (self._clock() - started) * 1000
            work.desk.fail(work, error)
            return False
        except Exception:  # a fault of ours must cost one request, not a lane
            log.exception("prepare_failed", route=work.request.route, request_id=work.request.request_id)
            work.desk.fail(work, Internal())
            return False
        work.images = ()
        work.ready_at = self._clock()
        work.decode_ms = (work.ready_at - started) * 1000
        return True

    def infer(self, batch: Sequence[Work]) -> None:
        """Run the graphs on requests of one route and answer them."""
        started = self._clock()
        wanted = [work for work in batch if self._is_wanted(work, started)]
        if not wanted:
            return
        plan = wanted[0].plan
        self._watchdog.begin(plan.model)
        try:
            results = infer_each(plan, [work.prepared for work in wanted])
        except Exception:  # as above
            log.exception("infer_failed", model=plan.model, request_ids=[work.request.request_id for work in wanted])
            results = [EngineError("see the log")] * len(wanted)
        finally:
            self._watchdog.end()
        infer_ms = (self._clock() - started) * 1000
        if not any(isinstance(result, EngineError) for result in results):
            plan.curve.observe(len(wanted), infer_ms)
        for work, result in zip(wanted, results, strict=True):
            self._answer(work, result, infer_ms, len(wanted))

    def _is_wanted(self, work: Work, now: float) -> bool:
        if work.is_cancelled:
            work.desk.fail(work, ClientClosed())
            return False
        if now >= work.request.deadline:
            work.desk.fail(work, DeadlineExceeded())
            return False
        return True

    def _answer(self, work: Work, inferred: object, infer_ms: float, batch: int) -> None:
        """Finish one request; `inferred` is the plan's result, or why there is none."""
        started = self._clock()
        if isinstance(inferred, EngineError):
            log.error("engine_failed", model=work.plan.model, error=str(inferred), request_id=work.request.request_id)
            work.desk.fail(work, Internal())
            return
        try:
            finished = work.plan.finish(work.prepared, inferred)
            body = self._encode(finished.answer) if finished.picture is None else finished.picture
        except FieldmarkError as error:
            work.desk.fail(work, error)
            return
        except Exception:  # as above
            log.exception("finish_failed", model=work.plan.model, request_id=work.request.request_id)
            work.desk.fail(work, Internal())
            return
        result = Result(
            work.request.id,
            model=finished.model,
            decode_ms=work.decode_ms,
            infer_ms=infer_ms,
            post_ms=(self._clock() - started) * 1000,
            batch=batch,
            confidence=finished.confidence,
            uncertain=finished.is_uncertain,
            cached=finished.is_cached,
        )
        work.desk.answer(work, result, body)
