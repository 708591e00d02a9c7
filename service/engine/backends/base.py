"""What the engine asks of a backend: load a bundle's graph on a device, run it on arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from models.manifest import Manifest

Array = npt.NDArray[np.generic]


class Session(Protocol):
    """A loaded graph. `run` is safe from several threads."""

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run one batch; the first axis of every array is the batch.

        Raises:
            EngineError: the graph failed; the message goes to the log, not to a caller.
        """


class Backend(Protocol):
    """A way to run graphs."""

    name: str

    def load(self, folder: Path, manifest: Manifest, graph: str) -> Session:
        """Load the file that `graph` (`main`, `vision`, `fuse`) names in the manifest."""


class EngineError(RuntimeError):
    """A graph could not be loaded or run."""
