"""A job's way to the bus and back: waiting that ends when the client leaves, and the answer put together.

Shared by every route that asks a worker. Admission, deadlines and retries are the bus's; it fails the wait with the
`FieldmarkError` that the client is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from service.bus.base import GatewayBus, Job, Outcome
from service.errors import ClientClosed
from service.gateway.exchange import Exchange


async def await_outcome(bus: GatewayBus, job: Job, exchange: Exchange) -> Outcome:
    """Hand a job in and wait for its outcome.

    Raises:
        ClientClosed: the client left; the bus has been told.
        FieldmarkError: the job was refused, or failed.
    """
    wire = exchange.wire
    if wire.is_gone:
        raise ClientClosed
    waiting = bus.submit(job)
    wire.on_gone = waiting.cancel
    try:
        return await waiting
    except asyncio.CancelledError:
        if wire.is_gone:
            raise ClientClosed from None
        raise
    finally:
        wire.on_gone = None


async def await_outcomes(bus: GatewayBus, jobs: Sequence[Job], exchange: Exchange) -> list[Outcome]:
    """Hand the jobs of one request in and wait for all their outcomes; the first that fails ends the others.

    Raises:
        ClientClosed: the client left; the bus has been told.
        FieldmarkError: a job was refused, or failed.
    """
    wire = exchange.wire
    if wire.is_gone:
        raise ClientClosed
    waiting: list[asyncio.Future[Outcome]] = []

    def leave() -> None:
        for one in waiting:
            one.cancel()

    wire.on_gone = leave
    try:
        waiting.extend(bus.submit(job) for job in jobs)
        return await asyncio.gather(*waiting)
    except asyncio.CancelledError:
        if wire.is_gone:
            raise ClientClosed from None
        raise
    finally:
        wire.on_gone = None
        leave()


def splice(outcome: Outcome, request_id: str, total_ms: float) -> bytes:
    """Put the id and the times into a worker's JSON object, which is not parsed for it."""
    result = outcome.result
    return b'{"id":"%b",%b,"timing_ms":{"queue":%.3f,"decode":%.3f,"infer":%.3f,"total":%.3f}}' % (
        request_id.encode(),
        outcome.body[1:-1],
        outcome.queue_ms,
        result.decode_ms,
        result.infer_ms,
        total_ms,
    )
