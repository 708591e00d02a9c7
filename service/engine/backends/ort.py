"""Graphs on ONNX Runtime: one shared session a graph, one thread a call, nothing that spins.

Owns the session's options (why each: measured, two cores, EfficientNet-Lite0) and, on a GPU, the binding of inputs and
outputs. Which provider a device means is `providers.py`'s affair, what a file may hold `onnx_file.py`'s.

- optimisation "all": the blocked layout comes with it, 3.6 times faster; the file keeps batch norm unfolded.
- intra 1, inter 1: lanes are the parallelism; two threads in a call cost 1.2 times the CPU.
- no spinning: it burns half of the machine beside any other work.
- arena on: 1.1 to 1.6 times faster; memory is bounded by bounding the batch. One arena serves all sessions of the
  process: with two bundles and two lanes that is 18 MB less than an arena each, at the same speed.
- 8-bit weights become float32 once, at load: to do so at each call would take grounding's second graph from 71 to 41 MB,
  and from 20.4 to 22.8 ms with one expression. Of a graph that computes in 8 bits they stay as they are.

Outputs that nobody names are computed but not fetched: ONNX Runtime runs the whole graph, and the explanation's part of
it is below one per cent.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from models.manifest import Manifest
from service.engine.backends import onnx_file, providers
from service.engine.backends.base import Array, Border, EngineError, Graph
from service.settings import Device

_DTYPES = {"float": "float32", "double": "float64"}
_LOG_ERRORS = 3


class OrtBackend:
    """ONNX Runtime on one device."""

    def __init__(self, device: Device = "cpu", device_id: int = 0, cache: Path | None = None) -> None:
        """Check the device's providers.

        Raises:
            DeviceError: the installed ONNX Runtime has no provider for the device.
        """
        providers.require_providers(device, onnxruntime.get_available_providers())
        _share_arena()
        self.name = f"onnxruntime-{device}"
        self.is_gpu = device != "cpu"
        self._device: Device = device
        self._device_id = device_id
        self._cache = cache or providers.default_cache()

    def load(self, folder: Path, manifest: Manifest, graph: Graph) -> OrtSession:
        """Load a graph's file onto the device; refuse it if any part would run elsewhere."""
        path = folder / manifest.graphs[graph]
        _require_plain(path)
        variant = next((variant for variant in manifest.variants if variant.file == path.name), None)
        chosen = providers.provider_options(self._device, self._device_id, manifest, variant, self._cache, graph)
        for _, options in chosen:
            if "trt_engine_cache_path" in options:
                Path(options["trt_engine_cache_path"]).mkdir(parents=True, exist_ok=True)
        try:
            options = session_options(computes_int8=variant is not None and variant.computes == "int8")
            session = onnxruntime.InferenceSession(path, options, providers=chosen, enable_fallback=0)
        except Exception as error:  # ONNX Runtime's errors share no base class
            raise EngineError(f"{path.name}: {error}") from error
        providers.require_started(self._device, session.get_providers())
        providers.require_placement(self._device, _placements(session))
        return BoundSession(session) if self.is_gpu else OrtSession(session)


class OrtSession:
    """A graph whose inputs and outputs are in the host's memory."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self.inputs = tuple(_border(argument) for argument in session.get_inputs())
        self.outputs = tuple(_border(argument) for argument in session.get_outputs())

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        """Run one batch."""
        try:
            return dict(zip(outputs, self._run(inputs, outputs), strict=True))
        except Exception as error:  # ONNX Runtime's errors share no base class
            raise EngineError(str(error)) from error

    def _run(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Sequence[Array]:
        values: Sequence[Array] = self._session.run(outputs, inputs)
        return values


class BoundSession(OrtSession):
    """A graph on a GPU: outputs stay on the device until all are there, those that nobody named never leave it."""

    def _run(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Sequence[Array]:
        binding = self._session.io_binding()
        for name, values in inputs.items():
            binding.bind_cpu_input(name, np.ascontiguousarray(values))
        for name in outputs:
            binding.bind_output(name)
        self._session.run_with_iobinding(binding)
        fetched: Sequence[Array] = binding.copy_outputs_to_cpu()
        return fetched


def session_options(computes_int8: bool = False) -> onnxruntime.SessionOptions:
    """The options of every session; the module's docstring says why."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = True
    options.log_severity_level = _LOG_ERRORS
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry("session.disable_quant_qdq", "0" if computes_int8 else "1")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    return options


@functools.cache
def _share_arena() -> None:
    """Make the one arena of this process, with ONNX Runtime's own sizes."""
    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    onnxruntime.create_and_register_allocator(memory, onnxruntime.OrtArenaCfg(0, -1, -1, -1))


def _require_plain(path: Path) -> None:
    try:
        faults = onnx_file.foreign_parts(path.read_bytes())
    except ValueError as error:
        raise EngineError(f"{path.name} is not an ONNX file: {error}") from error
    if faults:
        raise EngineError(f"{path.name}: {'; '.join(faults)}")


def _placements(session: onnxruntime.InferenceSession) -> list[providers.Placement]:
    return [
        providers.Placement(part.ep_name, node.op_type, node.name)
        for part in session.get_provider_graph_assignment_info()
        for node in part.get_nodes()
    ]


def _border(argument: onnxruntime.NodeArg) -> Border:
    kind = argument.type.removeprefix("tensor(").removesuffix(")")
    shape = tuple(size if isinstance(size, int) else None for size in argument.shape)
    return Border(argument.name, _DTYPES.get(kind, kind), shape)
