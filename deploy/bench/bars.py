"""The bars: what Fieldmark shall reach, and whether results reach it.

Owns their numbers and words; measures nothing. A bar that compares servers is met when its interval reaches the number:
a difference within the noise of one machine is not held against either side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from deploy.bench.parts.closed import DISTURBED
from deploy.bench.results import Closed, Footprint, Gateway, OpenLoop, Overload, Results
from deploy.bench.stats import Interval, median, ratio_of_rounds

OURS, LIMIT, MOSEC, TUTORIAL = "Fieldmark", "in-process limit", "Mosec", "tutorial FastAPI"
RATIO_CONNECTIONS = (8, 32, 128)


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of what shall be reached."""

    words: str
    reached: str
    is_met: bool


def bars_of(results: Results) -> list[Bar]:
    """List the bars of all parts that were measured."""
    return [
        *_closed_bars(results.closed),
        *_open_bars(results.open),
        *_overload_bars(results.overload),
        *_gateway_bars(results.gateway),
        *_start_bars(results.footprint),
        *_memory_bars(results.domains_alone),
    ]


def kept_rounds(closed: Closed) -> list[int]:
    """Rounds in which nothing else took a notable share of the machine; all of them where there is none such."""
    rounds = sorted({cell.round for cell in closed.cells})
    disturbed = {cell.round for cell in closed.cells if cell.disturbed_share > DISTURBED}
    return [number for number in rounds if number not in disturbed] or rounds


def cpu_ratio(closed: Closed, other: str) -> Interval:
    """Requests per CPU-second, ours to another's: one geometric mean over 8, 32 and 128 connections."""
    rate = {(cell.round, cell.connections, cell.server): cell.per_cpu_second for cell in closed.cells}
    return ratio_of_rounds(
        [
            [rate[number, connections, OURS] / rate[number, connections, other] for connections in RATIO_CONNECTIONS]
            for number in kept_rounds(closed)
        ]
    )


def _closed_bars(closed: Closed | None) -> Iterator[Bar]:
    if closed is None:
        return
    for other, wanted in ((LIMIT, 0.95), (MOSEC, 0.97), (TUTORIAL, 1.6)):
        ratio = cpu_ratio(closed, other)
        words = f"requests per CPU-second at 8, 32, 128 connections: at least {wanted} of {other}"
        yield Bar(words, _interval(ratio), ratio.high >= wanted)
    kept = set(kept_rounds(closed))
    lost = sum(cell.failed + cell.refused for cell in closed.cells if cell.server == OURS)
    yield Bar("no errors in the closed loop", f"{lost} requests", lost == 0)
    single = {
        name: median([c.p50_ms for c in closed.cells if c.server == name and c.connections == 1 and c.round in kept])
        for name in (OURS, LIMIT)
    }
    allowed = 1.1 * single[LIMIT] + 0.5
    yield Bar(
        "one connection: p50 at most 1.1 x bare decode and inference + 0.5 ms",
        f"{single[OURS]:.2f} ms of {allowed:.2f} ms allowed",
        single[OURS] <= allowed,
    )


def _open_bars(open_loop: OpenLoop | None) -> Iterator[Bar]:
    for rate in open_loop.rates if open_loop else ():
        words = f"open loop at {rate.share:.0%} of capacity: p99 at most 1.10 x Mosec's"
        yield Bar(words, _interval(rate.p99_ratio), rate.p99_ratio.low <= 1.10)


def _overload_bars(overload: Overload | None) -> Iterator[Bar]:
    if overload is None:
        return
    share = overload.goodput_per_second / overload.peak_per_second
    offered = overload.offered_per_second / overload.peak_per_second
    words = f"{offered:.0%} of the peak for {overload.seconds:.0f} s: goodput at least 95 % of the peak"
    yield Bar(words, f"{share:.1%}", share >= 0.95)
    yield Bar("refusals answered in less than 5 ms at the median", f"{overload.refusal_p50_ms:.2f} ms",
              overload.refusal_p50_ms < 5)  # fmt: skip
    late = max(overload.late_ms, overload.tight_late_ms)
    yield Bar(
        "no accepted request later than its deadline by more than one inference",
        f"{late:.1f} ms late at most; an inference takes {overload.one_inference_ms:.1f} ms alone",
        late <= overload.one_inference_ms,
    )
    returned = sum(burst.returned for burst in overload.bursts)
    accepted = sum(burst.accepted for burst in overload.bursts)
    yield Bar(
        "after 5 s at 200 %: at least 90 % of those who return after Retry-After are accepted",
        f"{accepted} of {returned}",
        accepted >= 0.9 * returned,
    )


def _gateway_bars(gateway: Gateway | None) -> Iterator[Bar]:
    if gateway is None:
        return
    for words, costs, limit in (("raw body", gateway.raw_us, 250), ("multipart", gateway.form_us, 400)):
        yield Bar(
            f"the gateway's own CPU per request, {words}: at most {limit} us",
            f"{median(costs):.0f} us ({min(costs):.0f} to {max(costs):.0f})",
            median(costs) <= limit,
        )


def _memory_bars(found: Footprint | None) -> Iterator[Bar]:
    if found is None:
        return
    both = (found.gateway_pss_bytes + found.worker_pss_bytes) / 1e6
    words = f"gateway and worker with {found.domains} domains and nothing else: at most 200 MB PSS"
    yield Bar(words, f"{both:.0f} MB", both <= 200)


def _start_bars(found: Footprint | None) -> Iterator[Bar]:
    if found is None:
        return
    resident = found.gateway_resident_bytes / 1e6
    yield Bar("gateway: at most 80 MB resident", f"{resident:.0f} MB", resident <= 80)
    ready = median(found.ready_s)
    yield Bar("ready within 3 s of the command", f"{ready:.2f} s ({min(found.ready_s):.2f} to {max(found.ready_s):.2f})",
              ready <= 3)  # fmt: skip


def _interval(found: Interval) -> str:
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"
