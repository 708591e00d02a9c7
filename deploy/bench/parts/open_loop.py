"""The open loop below capacity: what users feel at 30, 60 and 80 % of what the slower of two servers can do.

Fieldmark with its default settings and Mosec take turns; both get the same Poisson times in a pair of windows.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence

from deploy.bench.load.window import Load, Window, measure
from deploy.bench.parts.agreement import compare
from deploy.bench.parts.closed import rotated
from deploy.bench.results import Circumstances, Extent, OpenLoop, OpenRate
from deploy.bench.servers import Server, Setup, bodies_for, fieldmark_row, mosec_row, running
from deploy.bench.stats import median, percentile, ratio_of_pooled_percentiles

SHARES = (0.3, 0.6, 0.8)
CAPACITY_CONNECTIONS = 8
CAPACITY_ROUNDS = 3


def run_open_loop(setup: Setup, extent: Extent, circumstances: Circumstances) -> OpenLoop:
    """Find the capacity, then measure each rate in pairs of windows."""
    with contextlib.ExitStack() as stack:
        rows = (fieldmark_row(setup, setup.bundle.parents[1]), mosec_row(setup))
        servers = [stack.enter_context(running(row, setup)) for row in rows]
        compare(servers, setup)
        capacity = min(capacities(servers, setup, extent.window_s).values())
        rates = [_rate(servers, setup, extent, capacity, share) for share in SHARES]
    return OpenLoop(circumstances, capacity, rates)


def capacities(servers: Sequence[Server], setup: Setup, seconds: float) -> dict[str, float]:
    """Requests per second that each server answers in a closed loop, the median of a few interleaved windows."""
    found: dict[str, list[float]] = {server.row.name: [] for server in servers}
    for number in range(CAPACITY_ROUNDS):
        for server in rotated(servers, number):
            load = Load(bodies_for(server.row, setup), connections=CAPACITY_CONNECTIONS, seconds=seconds)
            found[server.row.name].append(measure(server.pid, server.address, load).per_second)
    return {name: median(rates) for name, rates in found.items()}


def _rate(servers: Sequence[Server], setup: Setup, extent: Extent, capacity: float, share: float) -> OpenRate:
    rate = share * capacity
    seconds = extent.open_requests / rate * 1.1  # a tenth more, so that a Poisson draw has its requests
    windows: dict[str, list[Window]] = {server.row.name: [] for server in servers}
    for number in range(extent.open_windows):
        for server in rotated(servers, number):
            load = Load(bodies_for(server.row, setup), phases=((rate, seconds),), seed=number)
            windows[server.row.name].append(measure(server.pid, server.address, load))
    print(f"open loop: {share:.0%} of capacity is done", file=sys.stderr)
    pooled = {name: [time_s for window in mine for time_s in window.latencies_s()] for name, mine in windows.items()}
    ours, theirs = (windows[server.row.name] for server in servers)
    return OpenRate(
        share=share,
        per_second=rate,
        requests={name: sum(len(window.records) for window in mine) for name, mine in windows.items()},
        not_answered={name: sum(window.refused + window.failed for window in mine) for name, mine in windows.items()},
        p50_ms={name: percentile(times, 50) * 1000 for name, times in pooled.items()},
        p90_ms={name: percentile(times, 90) * 1000 for name, times in pooled.items()},
        p99_ms={name: percentile(times, 99) * 1000 for name, times in pooled.items()},
        p99_ratio=ratio_of_pooled_percentiles(
            [window.latencies_s() for window in ours], [window.latencies_s() for window in theirs], 99
        ),
    )
