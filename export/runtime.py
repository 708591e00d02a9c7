"""A graph as ONNX Runtime runs it on this machine's processor: the measuring side of an export.

Owns the session options of a measurement (they are the service's: one thread, no spinning) and the clock. Torch-free.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from models.manifest import LatencyRow
from models.preprocess import Pixels

Outputs = dict[str, npt.NDArray[np.float32]]

CURVE_BATCHES = (1, 2, 4, 8)
_WARM_UPS = 5
_CALLS = 40


class Graph:
    """A loaded file; called with photos uint8 [B, S, S, 3], it answers with its outputs by name."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.threads = threads
        self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._names = [output.name for output in self._session.get_outputs()]

    def __call__(self, images: Pixels) -> Outputs:
        """Run one batch."""
        return dict(zip(self._names, self._session.run(None, {"image": images}), strict=True))


def measure(graph: Graph, size_px: int, batches: Sequence[int] = CURVE_BATCHES) -> tuple[LatencyRow, ...]:
    """Median time of a call by batch size, after warming up.

    The sizes take turns, so that a machine that is busy for a while slows all of them alike: their ratio decides which
    batch pays.
    """
    images = np.zeros((max(batches), size_px, size_px, 3), np.uint8)
    times: dict[int, list[float]] = {batch: [] for batch in batches}
    for call in range(_WARM_UPS + _CALLS):
        for batch in batches:
            started = time.perf_counter()
            graph(images[:batch])
            if call >= _WARM_UPS:
                times[batch].append(time.perf_counter() - started)
    machine = machine_name()
    return tuple(
        LatencyRow(
            machine=machine, threads=graph.threads, batch=batch, median_ms=round(float(np.median(taken)) * 1000, 2)
        )
        for batch, taken in times.items()
    )


def machine_name() -> str:
    """The processor by its own name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
