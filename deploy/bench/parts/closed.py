"""The closed loop: how many requests each contender answers per CPU-second, and how fast, at 1 to 128 connections.

All servers run at once and take turns in short windows whose order rotates, so that what disturbs the machine for a
while disturbs all of them. A round in which something else took a tenth of the machine is measured again. Fieldmark's
admission limit is raised here: a closed loop of 128 connections shall show capacity, not refusals.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import TypeVar

from deploy.bench.load.meter import machine_time, tree_cpu_s, tree_pss_bytes
from deploy.bench.load.window import Load, measure
from deploy.bench.parts.agreement import compare
from deploy.bench.results import Cell, Circumstances, Closed, Extent
from deploy.bench.servers import (
    Limit,
    Server,
    Setup,
    bodies_for,
    fieldmark_row,
    int8_row,
    litserve_row,
    mosec_row,
    running,
    tutorial_row,
)

CONNECTIONS = (1, 8, 32, 128)
DISTURBED = 0.10
PATIENT = {"max_queue_wait_ms": "60000"}
CORES = len(os.sched_getaffinity(0))

Item = TypeVar("Item")


def rotated(items: Sequence[Item], by: int) -> list[Item]:
    """Start the sequence `by` places later."""
    by %= len(items)
    return [*items[by:], *items[:by]]


def run_closed(setup: Setup, extent: Extent, circumstances: Circumstances) -> Closed:
    """Measure all contenders, `extent.rounds` undisturbed rounds or twice as many at most."""
    store = setup.bundle.parents[1]
    rows = (
        fieldmark_row(setup, store, **PATIENT),
        *([int8_row(setup, store, **PATIENT)] if setup.has_int8 else []),
        mosec_row(setup),
        litserve_row(setup),
        tutorial_row(setup),
    )
    with contextlib.ExitStack() as stack:
        limit = stack.enter_context(contextlib.closing(Limit(setup)))
        servers = [stack.enter_context(running(row, setup)) for row in rows]
        agreement = compare(servers, setup)
        for server in servers:
            measure(server.pid, server.address, Load(bodies_for(server.row, setup), connections=8, seconds=1.0))
        cells: list[Cell] = []
        clean = number = 0
        while clean < extent.rounds and number < 2 * extent.rounds:
            new = _round(setup, number, extent.window_s, servers, limit)
            cells += new
            clean += all(cell.disturbed_share <= DISTURBED for cell in new)
            number += 1
            _tell(number, new)
        pss = {server.row.name: tree_pss_bytes(server.pid) for server in servers}
        pss[limit.name] = tree_pss_bytes(limit.pid)
    return Closed(circumstances, agreement, cells, pss)


def _round(setup: Setup, number: int, seconds: float, servers: Sequence[Server], limit: Limit) -> list[Cell]:
    contenders: list[Limit | Server] = [limit, *servers]
    cells = []
    for turn, connections in enumerate(rotated(CONNECTIONS, number)):
        for contender in rotated(contenders, number + turn):
            if isinstance(contender, Limit):
                cells.append(_limit_cell(contender, number, connections, seconds))
            else:
                cells.append(_server_cell(contender, setup, number, connections, seconds))
    return cells


def _server_cell(server: Server, setup: Setup, number: int, connections: int, seconds: float) -> Cell:
    load = Load(bodies_for(server.row, setup), connections=connections, seconds=seconds)
    window = measure(server.pid, server.address, load)
    return Cell(
        round=number,
        connections=connections,
        server=server.row.name,
        answered=window.answered,
        refused=window.refused,
        failed=window.failed,
        per_second=window.per_second,
        per_cpu_second=window.per_cpu_second,
        p50_ms=window.latency_ms(50),
        p90_ms=window.latency_ms(90),
        p99_ms=window.latency_ms(99),
        client_us=window.client_cpu_s / max(1, len(window.records)) * 1e6,
        disturbed_share=(window.foreign_cpu_s + window.stolen_s) / (CORES * window.seconds),
    )


def _limit_cell(limit: Limit, number: int, connections: int, seconds: float) -> Cell:
    """Measure the limit beside a number of connections: one thread beside one, else a thread a core."""
    machine, cpu = machine_time(), tree_cpu_s(limit.pid)
    run = limit.run(1 if connections == 1 else CORES, seconds)
    cpu = tree_cpu_s(limit.pid) - cpu
    after = machine_time()
    foreign = max(0.0, after.busy_s - machine.busy_s - cpu) + after.stolen_s - machine.stolen_s
    return Cell(
        round=number,
        connections=connections,
        server=limit.name,
        answered=int(run["photos"]),
        refused=0,
        failed=0,
        per_second=run["photos"] / run["seconds"],
        per_cpu_second=run["photos"] / cpu,
        p50_ms=run["median_s"] * 1000,
        p90_ms=run["p90_s"] * 1000,
        p99_ms=run["p99_s"] * 1000,
        client_us=0.0,
        disturbed_share=foreign / (CORES * run["seconds"]),
    )


def _tell(number: int, cells: Sequence[Cell]) -> None:
    worst = max(cell.disturbed_share for cell in cells)
    print(f"closed loop: round {number}, at most {worst:.0%} of the machine used by others", file=sys.stderr)
