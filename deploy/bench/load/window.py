"""One window: a job of the load generator against one server, with what it cost the server, the client and the machine.

The server's CPU time is read before the client starts and after the last answer, so that all work which is charged
belongs to requests that are counted.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.bench.load.client import FAILED, UNANSWERED, Record
from deploy.bench.load.meter import machine_time, tree_cpu_s
from deploy.bench.stats import percentile

ROOT = Path(__file__).parents[3]
OK, REFUSED = 200, 429


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent: bodies from files, in turn, to one path; see `client.Job` for the rest."""

    bodies: Sequence[Path]
    connections: int = 0
    seconds: float = 0.0
    phases: Sequence[tuple[float, float]] = ()
    seed: int = 0
    returning: bool = False


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server takes photos."""

    port: int
    path: str
    content_type: str
    host: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Window:
    """What came of one window; CPU times in seconds.

    `foreign_cpu_s` is what neither server nor client used, `stolen_s` what the host of a virtual machine took.
    """

    seconds: float
    cpu_s: float
    client_cpu_s: float
    foreign_cpu_s: float
    stolen_s: float
    records: list[Record]

    @property
    def answered(self) -> int:
        """Requests that got a 200."""
        return sum(record.status == OK for record in self.records)

    @property
    def refused(self) -> int:
        """Requests that got a 429."""
        return sum(record.status == REFUSED for record in self.records)

    @property
    def failed(self) -> int:
        """Requests that got anything else, a broken connection or no answer."""
        return len(self.records) - self.answered - self.refused

    @property
    def unanswered(self) -> int:
        """Requests that got no HTTP answer at all."""
        return sum(record.status in (FAILED, UNANSWERED) for record in self.records)

    @property
    def per_second(self) -> float:
        """Good answers that arrived before the window's end, per second."""
        done = sum(record.status == OK and record.done_s <= self.seconds for record in self.records)
        return done / self.seconds

    @property
    def per_cpu_second(self) -> float:
        """Good answers per CPU-second of the server's whole tree."""
        return self.answered / self.cpu_s if self.cpu_s > 0 else float("nan")

    def latencies_s(self) -> list[float]:
        """Latencies of the good answers, from the intended send time."""
        return [record.latency_s for record in self.records if record.status == OK]

    def latency_ms(self, percent: float) -> float:
        """Percentile of the latencies in milliseconds."""
        return percentile(self.latencies_s(), percent) * 1000.0


def measure(root_pid: int, address: Address, load: Load, cpu_s: Callable[[int], float] = tree_cpu_s) -> Window:
    """Run one window against the server whose process tree starts at `root_pid`.

    `cpu_s` reads what is charged: the whole tree, or one process of it.
    """
    job = {
        "host": address.host,
        "port": address.port,
        "path": address.path,
        "content_type": address.content_type,
        "bodies": [str(body) for body in load.bodies],
        "connections": load.connections,
        "seconds": load.seconds,
        "phases": list(load.phases),
        "seed": load.seed,
        "returning": load.returning,
    }
    machine_before, tree_before, cpu_before = machine_time(), tree_cpu_s(root_pid), cpu_s(root_pid)
    done = subprocess.run(
        [sys.executable, "-m", "deploy.bench.load.client"],
        input=json.dumps(job).encode(),
        stdout=subprocess.PIPE,
        cwd=ROOT,
        check=True,
    )
    cpu_used = cpu_s(root_pid) - cpu_before
    tree_used = tree_cpu_s(root_pid) - tree_before
    machine = machine_time()
    run = json.loads(done.stdout)
    return Window(
        seconds=run["seconds"],
        cpu_s=cpu_used,
        client_cpu_s=run["client_cpu_s"],
        foreign_cpu_s=max(0.0, machine.busy_s - machine_before.busy_s - tree_used - run["client_cpu_s"]),
        stolen_s=machine.stolen_s - machine_before.stolen_s,
        records=[Record(**record) for record in run["records"]],
    )
