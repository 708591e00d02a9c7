"""The report: results as tables, each part with the circumstances in which it was measured."""

from __future__ import annotations

from collections.abc import Sequence

from deploy.bench.bars import bars_of, kept_rounds
from deploy.bench.parts.closed import CONNECTIONS, DISTURBED
from deploy.bench.results import Cell, Circumstances, Closed, Footprint, Gateway, OpenLoop, Overload, Results
from deploy.bench.stats import median

MIB = 1 << 20


def render(results: Results) -> str:
    """Make RESULTS.md."""
    parts = [
        "# How fast Fieldmark is\n",
        "Written by `make bench`; README.md beside this file says how each figure is made and what each row is.\n",
        "## The bars\n",
        _table(
            ["bar", "reached", "met"],
            [[bar.words, bar.reached, "yes" if bar.is_met else "no"] for bar in bars_of(results)],
        ),
    ]
    parts += _closed_section(results.closed) if results.closed else []
    parts += _open_section(results.open) if results.open else []
    parts += _overload_section(results.overload) if results.overload else []
    parts += _gateway_section(results.gateway) if results.gateway else []
    parts += _footprint_section("the whole zoo", results.footprint) if results.footprint else []
    parts += _footprint_section("its domains alone", results.domains_alone) if results.domains_alone else []
    return "\n".join(parts)


def _closed_section(closed: Closed) -> list[str]:
    kept = kept_rounds(closed)
    rounds = len({cell.round for cell in closed.cells})
    rows = []
    for connections in CONNECTIONS:
        for server in dict.fromkeys(cell.server for cell in closed.cells):
            cells = [c for c in closed.cells if (c.connections, c.server) == (connections, server) and c.round in kept]
            rows.append([str(connections), server, *_closed_figures(cells)])
    memory = [[name, f"{size / MIB:.0f}"] for name, size in closed.pss_bytes.items()]
    return [
        "\n## Closed loop\n",
        _circumstances(closed.circumstances),
        f"Medians over {len(kept)} of {rounds} interleaved rounds. {_disturbance(closed)}\n",
        "\n".join(f"- {sentence}." for sentence in closed.agreement) + "\n",
        _table(
            ["connections", "server", "requests/s", "requests/CPU-s", "p50 ms", "p99 ms", "refused", "failed",
             "client us/request"],
            rows,
        ),
        _table(["server, after load", "PSS MiB"], memory),
    ]  # fmt: skip


def _disturbance(closed: Closed) -> str:
    kept = set(kept_rounds(closed))
    worst = max(cell.disturbed_share for cell in closed.cells if cell.round in kept)
    if worst <= DISTURBED:
        return f"In these, other processes and the host took at most {worst:.1%} of the machine in any window."
    return f"**No round was undisturbed**: others took up to {worst:.0%} of the machine in a window."


def _closed_figures(cells: Sequence[Cell]) -> list[str]:
    return [
        f"{median([cell.per_second for cell in cells]):.1f}",
        f"{median([cell.per_cpu_second for cell in cells]):.1f}",
        f"{median([cell.p50_ms for cell in cells]):.1f}",
        f"{median([cell.p99_ms for cell in cells]):.1f}",
        str(sum(cell.refused for cell in cells)),
        str(sum(cell.failed for cell in cells)),
        f"{median([cell.client_us for cell in cells]):.0f}",
    ]


def _open_section(open_loop: OpenLoop) -> list[str]:
    rows = [
        [f"{rate.share:.0%}", f"{rate.per_second:.1f}", name, str(rate.requests[name]), f"{rate.p50_ms[name]:.1f}",
         f"{rate.p90_ms[name]:.1f}", f"{rate.p99_ms[name]:.1f}", str(rate.not_answered[name])]
        for rate in open_loop.rates
        for name in rate.requests
    ]  # fmt: skip
    return [
        "\n## Open loop\n",
        _circumstances(open_loop.circumstances),
        f"Capacity of the slower of the two: {open_loop.capacity:.1f} requests/s.\n",
        _table(["of capacity", "requests/s", "server", "requests", "p50 ms", "p90 ms", "p99 ms", "not 200"], rows),
    ]


def _overload_section(overload: Overload) -> list[str]:
    rows = [
        ["peak, closed loop at 32", f"{overload.peak_per_second:.1f} requests/s"],
        ["offered", f"{overload.offered_per_second:.1f} requests/s for {overload.seconds:.0f} s"],
        ["answered with 200 (goodput)", f"{overload.goodput_per_second:.1f} requests/s"],
        ["p99 of the accepted", f"{overload.accepted_p99_ms:.0f} ms"],
        ["refused", str(overload.refused)],
        ["time to a refusal, p50 and p99", f"{overload.refusal_p50_ms:.2f} and {overload.refusal_p99_ms:.2f} ms"],
        ["failed", str(overload.failed)],
        ["beyond the deadline of 10 s", f"{overload.late_ms:.1f} ms"],
        [f"beyond a deadline of {overload.tight_timeout_ms} ms", f"{overload.tight_late_ms:.1f} ms"],
    ]  # fmt: skip
    bursts = [[str(burst.refused), str(burst.returned), str(burst.accepted)] for burst in overload.bursts]
    return [
        "\n## Above capacity\n",
        _circumstances(overload.circumstances),
        _table(["", "Fieldmark"], rows),
        _table(["refused in and after a burst", "came back", "accepted then"], bursts),
    ]


def _gateway_section(gateway: Gateway) -> list[str]:
    rows = [
        [name, " ".join(f"{cost:.0f}" for cost in costs)]
        for name, costs in (("raw body", gateway.raw_us), ("multipart", gateway.form_us))
    ]
    return [
        "\n## The gateway alone\n",
        _circumstances(gateway.circumstances),
        f"Echo bundle, 91 kB, 8 connections, {gateway.per_second:.0f} requests/s with raw bodies.\n",
        _table(["upload", "CPU us per request, a figure a window"], rows),
    ]


def _footprint_section(store: str, found: Footprint) -> list[str]:
    rows = [
        ["gateway, resident", f"{found.gateway_resident_bytes / MIB:.0f} MiB"],
        ["gateway, PSS", f"{found.gateway_pss_bytes / MIB:.0f} MiB"],
        ["worker, PSS", f"{found.worker_pss_bytes / MIB:.0f} MiB"],
        ["whole tree with the supervisor, PSS", f"{found.tree_pss_bytes / MIB:.0f} MiB"],
        ["command to ready", " ".join(f"{ready:.2f}" for ready in found.ready_s) + " s"],
    ]
    return [
        f"\n## Memory and start: {store}\n",
        _circumstances(found.circumstances),
        _table([f"with {found.domains} domains", ""], rows),
    ]


def _circumstances(found: Circumstances) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in found.versions.items())
    quick = " **Tried with tiny windows: the figures mean nothing.**" if found.is_quick else ""
    return (
        f"{found.date}; {found.cores} cores of {found.processor}, Linux {found.kernel}, Python {found.python}; load "
        f"average {found.load_average:.1f} before; bundle {found.bundle}; {versions}.{quick}\n"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"
