"""Which ONNX Runtime providers a device means, with what options, and the promise that it is really used.

Owns the options of CUDA and TensorRT, the caches of TensorRT's engines, and the two checks that forbid a silent fall to
the CPU: before loading, that the provider is there; after loading, that no node that computes was left behind. Free of
ONNX Runtime itself, so that all of it is tested where there is no GPU.

Sources: onnxruntime.ai, pages "CUDA Execution Provider" and "TensorRT Execution Provider".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.manifest import Manifest
from models.sections import Variant
from service.engine.backends.base import Border, DeviceError, Graph
from service.engine.borders import inputs_of
from service.settings import Device

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
PROVIDERS: dict[Device, tuple[str, ...]] = {"cpu": (CPU,), "cuda": (CUDA,), "tensorrt": (TENSORRT, CUDA)}

#: Batch sizes that TensorRT builds its engines for: least, best, most.
PROFILE_BATCHES = (1, 4, 16)
#: The most photos in one run of a graph: it bounds the memory of activations.
RUN_LIMIT = PROFILE_BATCHES[-1]
#: Operators that a GPU provider leaves to the CPU on purpose: they look at shapes or copy, and compute nothing.
HOST_OPERATORS = frozenset({"MemcpyFromHost", "MemcpyToHost", "Shape", "Size"})
NAMED_LIMIT = 10

Options = dict[str, str]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where ONNX Runtime put a node of the graph."""

    provider: str
    operator: str
    node: str


def default_cache() -> Path:
    """Folder of what TensorRT builds in minutes and loads in seconds."""
    return Path.home() / ".cache" / "fieldmark"


def require_providers(device: Device, available: Sequence[str]) -> None:
    """Refuse a device whose providers are not in this ONNX Runtime; `available` is what it says it has.

    Raises:
        DeviceError: the sentence names the provider and what to install.
    """
    missing = [provider for provider in PROVIDERS[device] if provider not in available]
    if missing:
        raise DeviceError(
            f"--device {device} needs {' and '.join(missing)}, which the installed ONNX Runtime does not have "
            f"({', '.join(available)}): install onnxruntime-gpu in place of onnxruntime "
            "(the extra 'gpu' of fieldmark in place of 'cpu')."
        )


def require_started(device: Device, started: Sequence[str]) -> None:
    """Refuse a session whose providers did not start: their libraries or the driver are missing.

    Raises:
        DeviceError: the sentence names the provider and what to install.
    """
    missing = [provider for provider in PROVIDERS[device] if provider not in started]
    if missing:
        libraries = "the NVIDIA driver, CUDA and cuDNN" + (" and TensorRT" if TENSORRT in missing else "")
        raise DeviceError(f"--device {device}: {' and '.join(missing)} did not start; install {libraries}.")


def require_placement(device: Device, placements: Iterable[Placement]) -> None:
    """Refuse a graph of which some node that computes was left on the CPU.

    Raises:
        DeviceError: the sentence names the nodes.
    """
    left = [
        f"{placement.node or 'unnamed'} ({placement.operator})"
        for placement in placements
        if device != "cpu" and placement.provider == CPU and placement.operator not in HOST_OPERATORS
    ]
    if left:
        more = f" and {len(left) - NAMED_LIMIT} more" if len(left) > NAMED_LIMIT else ""
        raise DeviceError(f"--device {device} leaves nodes on the CPU: {', '.join(left[:NAMED_LIMIT])}{more}.")


def provider_options(
    device: Device, device_id: int, manifest: Manifest, variant: Variant | None, cache: Path, graph: Graph = "main"
) -> list[tuple[str, Options]]:
    """The providers of a device in order of preference, each with its options."""
    options = {
        CPU: dict[str, str](),
        CUDA: _cuda_options(device_id),
        TENSORRT: _tensorrt_options(device_id, manifest, variant, cache, graph),
    }
    return [(provider, options[provider]) for provider in PROVIDERS[device]]


def _cuda_options(device_id: int) -> Options:
    return {
        "device_id": str(device_id),
        "arena_extend_strategy": "kSameAsRequested",  # the default doubles: half of a shared GPU for nothing
        "cudnn_conv_algo_search": "HEURISTIC",  # the default tries all kernels anew for each batch size
        "use_tf32": "0",  # ten bits of mantissa would break parity with the exported figures
    }


def _tensorrt_options(
    device_id: int, manifest: Manifest, variant: Variant | None, cache: Path, graph: Graph
) -> Options:
    least, best, most = PROFILE_BATCHES
    inputs = inputs_of(manifest, graph)
    precision = variant.precision if variant else "fp32"
    digest = manifest.files[variant.file][:16] if variant else manifest.identity
    folder = cache / "tensorrt" / f"{digest}-{precision}-{least}-{best}-{most}"
    return {
        "device_id": str(device_id),
        # ONNX Runtime adds the GPU's kind and TensorRT's version to the names of the files.
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(folder.parent),
        "trt_fp16_enable": "1" if precision == "fp16" else "0",
        "trt_int8_enable": "1" if precision == "int8" else "0",
        "trt_profile_min_shapes": _profile(inputs, least),
        "trt_profile_opt_shapes": _profile(inputs, best),
        "trt_profile_max_shapes": _profile(inputs, most),
    }


def _profile(inputs: Iterable[Border], batch: int) -> str:
    return ",".join(f"{border.name}:{'x'.join(map(str, (batch, *border.shape[1:])))}" for border in inputs)
