"""What the benchmark's parts find, as typed records: written to results.json, read back by the report.

Every part carries the circumstances in which it was measured, so that parts of different days are never taken for one
run.
"""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from deploy.bench.stats import Interval

PACKAGES = ("fieldmark", "fastapi", "numpy", "onnxruntime", "opencv-python-headless", "pillow", "simplejpeg", "uvicorn")


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    rounds: int
    window_s: float
    open_windows: int
    open_requests: int
    overload_s: float
    bursts: int
    gateway_windows: int
    starts: int


FULL = Extent(
    rounds=15, window_s=3.5, open_windows=5, open_requests=1000, overload_s=60.0, bursts=3, gateway_windows=5, starts=5
)
QUICK = Extent(
    rounds=1, window_s=0.6, open_windows=1, open_requests=60, overload_s=5.0, bursts=1, gateway_windows=1, starts=1
)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """When, on what and with what something was measured."""

    date: str
    processor: str
    cores: int
    kernel: str
    python: str
    bundle: str
    versions: dict[str, str]
    load_average: float
    is_quick: bool

    @classmethod
    def now(cls, bundle: str, *, is_quick: bool) -> Circumstances:
        """Look at this machine."""
        return cls(
            date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            processor=_processor(),
            cores=len(os.sched_getaffinity(0)),
            kernel=platform.release(),
            python=platform.python_version(),
            bundle=bundle,
            versions={name: _version(name) for name in PACKAGES},
            load_average=os.getloadavg()[0],
            is_quick=is_quick,
        )


@dataclass(frozen=True, slots=True)
class Cell:
    """One closed-loop window of one contender; shares are of the machine's whole time in the window."""

    round: int
    connections: int
    server: str
    answered: int
    refused: int
    failed: int
    per_second: float
    per_cpu_second: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    client_us: float
    disturbed_share: float


@dataclass(frozen=True, slots=True)
class Closed:
    """The closed loop: all windows, and each server's memory after them."""

    circumstances: Circumstances
    agreement: list[str]
    cells: list[Cell]
    pss_bytes: dict[str, int]


@dataclass(frozen=True, slots=True)
class OpenRate:
    """One rate of the open loop: pooled percentiles per server, and the ratio of the 99th, ours to theirs."""

    share: float
    per_second: float
    requests: dict[str, int]
    not_answered: dict[str, int]
    p50_ms: dict[str, float]
    p90_ms: dict[str, float]
    p99_ms: dict[str, float]
    p99_ratio: Interval


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """The open loop below capacity; `capacity` is that of the slower of the two servers."""

    circumstances: Circumstances
    capacity: float
    rates: list[OpenRate]


@dataclass(frozen=True, slots=True)
class Burst:
    """After a burst at 200 % and Retry-After: how many came back, how many of those were accepted."""

    refused: int
    returned: int
    accepted: int


@dataclass(frozen=True, slots=True)
class Overload:
    """A long time above capacity, and bursts. Times in milliseconds; `late_ms` is beyond the deadline, 0 if never."""

    circumstances: Circumstances
    peak_per_second: float
    seconds: float
    offered_per_second: float
    goodput_per_second: float
    refused: int
    failed: int
    refusal_p50_ms: float
    refusal_p99_ms: float
    accepted_p99_ms: float
    late_ms: float
    tight_timeout_ms: int
    tight_late_ms: float
    one_inference_ms: float
    bursts: list[Burst]


@dataclass(frozen=True, slots=True)
class Gateway:
    """The gateway's own CPU per request, microseconds, one figure a window; `per_second` is the rate meanwhile."""

    circumstances: Circumstances
    raw_us: list[float]
    form_us: list[float]
    per_second: float


@dataclass(frozen=True, slots=True)
class Footprint:
    """Memory with a whole store loaded, after load on every domain, and the time from the command to readiness."""

    circumstances: Circumstances
    domains: int
    gateway_resident_bytes: int
    gateway_pss_bytes: int
    worker_pss_bytes: int
    tree_pss_bytes: int
    ready_s: list[float]


@dataclass(slots=True)
class Results:
    """All parts that were ever measured and kept; `footprint` is that of the whole zoo, `domains_alone` of its domains."""

    closed: Closed | None = None
    open: OpenLoop | None = None
    overload: Overload | None = None
    gateway: Gateway | None = None
    footprint: Footprint | None = None
    domains_alone: Footprint | None = None


def read_results(path: Path) -> Results:
    """Read what was kept; empty where nothing was."""
    return msgspec.convert(json.loads(path.read_bytes()), Results) if path.exists() else Results()


def write_results(path: Path, results: Results) -> None:
    """Keep results, readable in a diff; a figure that there is none for (no refusal, no time to one) stays NaN."""
    path.write_text(json.dumps(msgspec.to_builtins(results), indent=1) + "\n", encoding="utf-8")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "-"
