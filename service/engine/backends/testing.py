"""Backends that need no weights: the service's way to be tested whole, with every fault that a real graph can have.

A bundle selects one by its manifest's `backend`, and says in `fake` how slow it is and which photos strike it. All
answer like `EchoBackend` where they are not struck: the brightness of a photo chooses its class, so that each photo
has a known answer. Only an engine that was told to admits them.
"""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.manifest import Manifest
from models.sections import Fake
from service.engine.backends.base import Array, Backend, Border, Graph

Images = npt.NDArray[np.uint8]
Struck = npt.NDArray[np.bool_]
#: Called before the answer with how many photos there are and which of them strike.
Fault = Callable[[Struck], None]


class FakeSession:
    """Answers by brightness, after its fault has had its turn."""

    def __init__(self, manifest: Manifest, fault: Fault | None = None, *, answers_nan: bool = False) -> None:
        size = manifest.image.size_px
        self.inputs = (Border("image", "uint8", (None, size, size, 3)),)
        self.outputs = tuple(Border(output.name, output.dtype, (None, *output.shape)) for output in manifest.outputs)
        self._fault = fault
        self._answers_nan = answers_nan
        self._trigger = (manifest.fake or Fake()).trigger_above

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        """Answer each photo of `image` by its mean value, 0..255."""
        images = np.asarray(inputs["image"], np.uint8)
        brightness = images.reshape(len(images), -1).mean(1)
        struck = np.ones(len(images), np.bool_) if self._trigger is None else brightness > self._trigger
        if self._fault is not None:
            self._fault(struck)
        shapes = {border.name: border.shape[1:] for border in self.outputs}
        answers = {name: brightness_output(brightness, shapes[name]) for name in outputs}
        if self._answers_nan:
            for values in answers.values():
                values[struck] = np.nan
        return dict(answers)


def brightness_output(brightness: npt.NDArray[np.float64], shape: Sequence[int | None]) -> npt.NDArray[np.float32]:
    """f32 [N, *shape]: along the last axis the highest value stands at brightness / 256 of its length."""
    length = shape[-1] or 1
    position = brightness * length / 256
    row = -np.abs(np.arange(length)[None, :] + 0.5 - position[:, None])
    middle = (1,) * (len(shape) - 1)
    answer = np.broadcast_to(row.reshape(len(row), *middle, length), (len(row), *(size or 1 for size in shape)))
    return answer.astype(np.float32)


class EchoBackend:
    """Answers at once."""

    name = "echo"
    is_gpu = False

    def load(self, folder: Path, manifest: Manifest, graph: Graph) -> FakeSession:
        """Make a session from the manifest alone."""
        return FakeSession(manifest)


class SlowBackend:
    """A device with a known latency curve: a batch of n takes `base_ms + item_ms * n`."""

    name = "slow"
    is_gpu = False

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep

    def load(self, folder: Path, manifest: Manifest, graph: Graph) -> FakeSession:
        """Make a session that takes the manifest's time."""
        fake = manifest.fake or Fake()

        def wait(struck: Struck) -> None:
            self._sleep((fake.base_ms + fake.item_ms * len(struck)) / 1000)

        return FakeSession(manifest, wait)


class CrashBackend:
    """Ends its process on a striking photo, as a fault in native code does."""

    name = "crash"
    is_gpu = False

    def __init__(self, crash: Callable[[], None] | None = None) -> None:
        self._crash = crash or _abort

    def load(self, folder: Path, manifest: Manifest, graph: Graph) -> FakeSession:
        """Make a session that crashes."""
        return FakeSession(manifest, lambda struck: self._crash() if struck.any() else None)


class WedgeBackend:
    """Never comes back from a striking photo."""

    name = "wedge"
    is_gpu = False

    def __init__(self, block: Callable[[], object] | None = None) -> None:
        self._block = block or threading.Event().wait

    def load(self, folder: Path, manifest: Manifest, graph: Graph) -> FakeSession:
        """Make a session that blocks."""
        return FakeSession(manifest, lambda struck: _call(self._block) if struck.any() else None)


class NanBackend:
    """Answers a striking photo with NaN."""

    name = "nan"
    is_gpu = False

    def load(self, folder: Path, manifest: Manifest, graph: Graph) -> FakeSession:
        """Make a session with damaged answers."""
        return FakeSession(manifest, answers_nan=True)


FAKES: Mapping[str, Callable[[], Backend]] = {
    "echo": EchoBackend,
    "slow": SlowBackend,
    "crash": CrashBackend,
    "wedge": WedgeBackend,
    "nan": NanBackend,
}


def _call(block: Callable[[], object]) -> None:
    block()


def _abort() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the crash is meant: no core file
    os.abort()
