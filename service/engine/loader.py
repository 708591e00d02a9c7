"""From a manifest to the backend that runs it, on the device of this process.

Owns the choice: ONNX Runtime, loaded when the first bundle wants it, or a fake where fakes are admitted.
"""

from __future__ import annotations

import threading
from pathlib import Path

from models.manifest import BundleError, Manifest
from service.engine.backends.base import Backend, DeviceError
from service.engine.backends.providers import RUN_LIMIT
from service.engine.bundle import Bundle, load_bundle
from service.settings import Arithmetic, Device


class Loader:
    """Loads bundles onto one device; in 8-bit `arithmetic` those that have such a graph."""

    def __init__(
        self,
        device: Device = "cpu",
        *,
        arithmetic: Arithmetic = "exact",
        testing_backends: bool = False,
        cache: Path | None = None,
    ) -> None:
        """Raises DeviceError where the device does not compute so."""
        if device != "cpu" and arithmetic != "exact":
            raise DeviceError(f"Arithmetic in {arithmetic} is for device cpu, not for {device}; leave it out.")
        self._device: Device = device
        self._arithmetic: Arithmetic = arithmetic
        self._testing_backends = testing_backends
        self._cache = cache
        self._ort: Backend | None = None
        self._lock = threading.Lock()

    def load(self, folder: Path) -> Bundle:
        """Load one bundle.

        Raises:
            BundleError: with every fault found.
            DeviceError: the device cannot be used.
        """
        return load_bundle(folder, self._choose_backend, RUN_LIMIT, self._arithmetic)

    def _choose_backend(self, manifest: Manifest) -> Backend:
        if manifest.backend == "onnx":
            return self._onnx_runtime()
        if not self._testing_backends:
            raise BundleError(manifest.identity, [f"backend {manifest.backend!r} is for tests and not admitted here"])
        from service.engine.backends.testing import FAKES

        return FAKES[manifest.backend]()

    def _onnx_runtime(self) -> Backend:
        with self._lock:  # bundles may be loaded side by side
            if self._ort is None:
                from service.engine.backends.ort import OrtBackend

                self._ort = OrtBackend(self._device, cache=self._cache)
            return self._ort
