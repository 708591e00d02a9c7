"""What the engine asks of a backend: load a bundle's graph on a device, run it on arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from models.manifest import Manifest

Array = npt.NDArray[np.generic]
#: Which graph of a bundle: most have `main` alone.
Graph = Literal["main", "vision", "fuse"]


@dataclass(frozen=True, slots=True)
class Border:
    """One input or output of a loaded graph; a dynamic axis is None in `shape`."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


class Session(Protocol):
    """A loaded graph."""

    @property
    def inputs(self) -> tuple[Border, ...]:
        """What the graph takes."""

    @property
    def outputs(self) -> tuple[Border, ...]:
        """What the graph can give."""

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        """Run one batch, the first axis of every array, and fetch the named outputs; safe from several threads.

        Raises:
            EngineError: the graph failed; the message goes to the log, not to a caller.
        """


class Backend(Protocol):
    """A way to run graphs. Where `is_gpu`, a batch's time is not known before it was run there."""

    name: str
    is_gpu: bool

    def load(self, folder: Path, manifest: Manifest, graph: Graph) -> Session:
        """Load the file that the manifest's `graphs` names.

        Raises:
            EngineError: the file is no graph that this backend runs.
            DeviceError: the device cannot run it; no other bundle would fare better.
        """


class EngineError(RuntimeError):
    """A graph could not be loaded or run."""


class StartError(RuntimeError):
    """An engine cannot start; the message is one sentence for a person and says what to do."""


class DeviceError(StartError):
    """The chosen device cannot be used, or not for this graph."""
