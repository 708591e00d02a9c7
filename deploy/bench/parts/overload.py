"""Above capacity: does Fieldmark keep answering as many as it can, refuse the rest at once, and never answer late?

With its default settings: 120 % for a long time, once more with a tight time limit, and bursts of 200 % whose refused
clients come back when `Retry-After` is over.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import sys
from collections.abc import Sequence

from deploy.bench.load.client import Record
from deploy.bench.load.window import OK, REFUSED, Load, Window, measure
from deploy.bench.results import Burst, Circumstances, Extent, Overload
from deploy.bench.servers import Server, Setup, ask, bodies_for, fieldmark_row, running
from deploy.bench.stats import percentile

SHARE = 1.2
PEAK_CONNECTIONS = 32
DEADLINE_MS = 10_000  # the service's default
TIGHT_MS = 600
EXPIRED = 504
BURST = (2.0, 5.0)  # share of capacity, seconds
CALM = (0.5, 20.0)


def run_overload(setup: Setup, extent: Extent, circumstances: Circumstances) -> Overload:
    """Measure the peak before and after, the long overload between, then the tight limit and the bursts."""
    with running(fieldmark_row(setup, setup.bundle.parents[1]), setup) as server:
        one_inference_ms = _one_inference_ms(server, setup)
        before = _peak(server, setup, extent)
        offered = SHARE * before
        window = _above(server, setup, offered, extent.overload_s)
        peak = statistics.mean((before, _peak(server, setup, extent)))
        tight = _above(_with_timeout(server, TIGHT_MS), setup, offered, extent.overload_s / 3)
        print("overload: the long window is done", file=sys.stderr)
        bursts = [_burst(server, setup, peak, seed) for seed in range(extent.bursts)]
    refusals = [record.done_s - record.sent_s for record in window.records if record.status == REFUSED]
    return Overload(
        circumstances=circumstances,
        peak_per_second=peak,
        seconds=window.seconds,
        offered_per_second=len(window.records) / window.seconds,
        goodput_per_second=window.per_second,
        refused=window.refused,
        failed=window.failed,
        refusal_p50_ms=percentile(refusals, 50) * 1000,
        refusal_p99_ms=percentile(refusals, 99) * 1000,
        accepted_p99_ms=window.latency_ms(99),
        late_ms=_late_ms(window.records, DEADLINE_MS),
        tight_timeout_ms=TIGHT_MS,
        tight_late_ms=_late_ms(tight.records, TIGHT_MS),
        one_inference_ms=one_inference_ms,
        bursts=bursts,
    )


def _peak(server: Server, setup: Setup, extent: Extent) -> float:
    seconds = max(extent.window_s, extent.overload_s / 6)
    load = Load(bodies_for(server.row, setup), connections=PEAK_CONNECTIONS, seconds=seconds)
    return measure(server.pid, server.address, load).per_second


def _above(server: Server, setup: Setup, rate: float, seconds: float) -> Window:
    return measure(server.pid, server.address, Load(bodies_for(server.row, setup), phases=((rate, seconds),), seed=1))


def _with_timeout(server: Server, timeout_ms: int) -> Server:
    address = dataclasses.replace(server.address, path=f"{server.address.path}&timeout_ms={timeout_ms}")
    return dataclasses.replace(server, address=address)


def _late_ms(records: Sequence[Record], timeout_ms: int) -> float:
    """Find the most by which an accepted request, answered or expired, was answered after its deadline."""
    accepted = [record.done_s - record.sent_s for record in records if record.status in (OK, EXPIRED)]
    return max(0.0, max(accepted, default=0.0) * 1000 - timeout_ms)


def _burst(server: Server, setup: Setup, peak: float, seed: int) -> Burst:
    phases = tuple((share * peak, seconds) for share, seconds in (BURST, CALM))
    load = Load(bodies_for(server.row, setup), phases=phases, seed=seed, returning=True)
    records = measure(server.pid, server.address, load).records
    returned = [record for record in records if record.is_return]
    return Burst(
        refused=sum(record.status == REFUSED and not record.is_return for record in records),
        returned=len(returned),
        accepted=sum(record.status == OK for record in returned),
    )


def _one_inference_ms(server: Server, setup: Setup) -> float:
    """Decode and inference of a lone request, as the service itself tells them; the median of a few."""
    times: list[float] = []
    for photo in setup.photos:
        body = ask(server.address, server.address.path, photo.read_bytes(), server.address.content_type)[1]
        timing = json.loads(body)["timing_ms"]
        times.append(timing["decode"] + timing["infer"])
    return statistics.median(times)
