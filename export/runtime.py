"""A graph as ONNX Runtime runs it on this machine's processor: the measuring side of an export.

Owns the session options of a measurement (they are the service's: one thread unless told, no spinning, stored weights
turned into float32 when the file is loaded) and the clock. Torch-free.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from models.preprocess import Pixels
from models.sections import Arithmetic, LatencyRow

#: By name: float32 [n, ...], or int64 where an output counts.
Outputs = dict[str, npt.NDArray[np.float32]]
Ids = npt.NDArray[np.int64]

#: Photos are put to all of them; only a clock wants one.
CORES = len(os.sched_getaffinity(0))
CURVE_BATCHES = (1, 2, 4, 8)
_PAIR_BATCHES = (1, 4, 8)
_WARM_UPS = 5
_CALLS = 40


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a graph is asked: photos uint8 [n, S, S, 3], and word ids int64 [n, P, T] where it reads a text."""

    images: Pixels
    phrases: Ids | None = None

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: slice) -> Inputs:
        return Inputs(self.images[rows], None if self.phrases is None else self.phrases[rows])

    def feed(self) -> dict[str, npt.NDArray[np.generic]]:
        """The arrays by the names of the graph's inputs."""
        return {"image": self.images} | ({} if self.phrases is None else {"phrases": self.phrases})


class Feed(Protocol):
    """What the graph of any task is asked, row by row."""

    def __getitem__(self, rows: slice) -> Self:
        """Some of the rows."""

    def feed(self) -> dict[str, npt.NDArray[np.generic]]:
        """The arrays by the names of the graph's inputs."""


#: A file, or a model itself, that answers inputs with its outputs.
Ask = Callable[[Inputs], Outputs]


class Graph:
    """A loaded file; asked with inputs, it answers with its outputs by name."""

    def __init__(self, path: Path, threads: int = 1, computes: Arithmetic = "exact") -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if computes == "exact":  # else 8-bit weights are converted each call
            options.add_session_config_entry("session.disable_quant_qdq", "1")
        self.threads = threads
        self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._names = [output.name for output in self._session.get_outputs()]
        self._inputs = {entry.name: entry.shape for entry in self._session.get_inputs()}

    def __call__(self, inputs: Feed) -> Outputs:
        """Run one batch."""
        return dict(zip(self._names, self._session.run(None, inputs.feed()), strict=True))

    def blank(self, batch: int) -> Inputs:
        """Black photos, and texts of unknown words where it reads them: inputs for the clock."""
        shapes = {name: (batch, *shape[1:]) for name, shape in self._inputs.items()}
        phrases = np.ones(shapes["phrases"], np.int64) if "phrases" in shapes else None
        return Inputs(np.zeros(shapes["image"], np.uint8), phrases)


def measure(graph: Graph, batches: Sequence[int] = CURVE_BATCHES, asked: Feed | None = None) -> tuple[LatencyRow, ...]:
    """Median time of a call by batch size, after warming up; `asked` are as many rows as the largest, else blank ones.

    The sizes take turns, so that a machine that is busy for a while slows all of them alike: their ratio decides which
    batch pays.
    """
    inputs = graph.blank(max(batches)) if asked is None else asked
    times: dict[int, list[float]] = {batch: [] for batch in batches}
    for call in range(_WARM_UPS + _CALLS):
        for batch in batches:
            started = time.perf_counter()
            graph(inputs[:batch])
            if call >= _WARM_UPS:
                times[batch].append(time.perf_counter() - started)
    machine = machine_name()
    return tuple(
        LatencyRow(
            machine=machine, threads=graph.threads, batch=batch, median_ms=round(float(np.median(taken)) * 1000, 2)
        )
        for batch, taken in times.items()
    )


def measure_file(path: Path, computes: Arithmetic = "exact") -> tuple[LatencyRow, ...]:
    """The times of a classifier's file on one thread and on two, as a card tells them."""
    one, two = (Graph(path, threads, computes) for threads in (1, 2))
    return *measure(one), *measure(two, _PAIR_BATCHES)


def speedup(slow: Graph, fast: Graph) -> float:
    """How many times faster one graph is than another: the ratio of the median times of single photos, called in turns."""
    times: tuple[list[float], list[float]] = ([], [])
    for call in range(_WARM_UPS + 2 * _CALLS):
        for graph, taken in zip((slow, fast), times, strict=True):
            inputs = graph.blank(1)
            started = time.perf_counter()
            graph(inputs)
            if call >= _WARM_UPS:
                taken.append(time.perf_counter() - started)
    return float(np.median(times[0]) / np.median(times[1]))


def machine_name() -> str:
    """The processor by its own name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
