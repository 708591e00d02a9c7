"""What a device means for ONNX Runtime, tested where there is no GPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.manifest import Manifest, read_manifest
from models.sections import Variant
from service.engine.backends import providers
from service.engine.backends.base import DeviceError
from service.engine.backends.providers import CPU, CUDA, TENSORRT, Placement
from tests.bundles import make_bundle


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return read_manifest(make_bundle(tmp_path, size_px=224))


def options(manifest: Manifest, device: str, precision: str = "fp32") -> dict[str, dict[str, str]]:
    variant = Variant(file="model.onnx", precision=precision)
    return dict(providers.provider_options(device, 1, manifest, variant, Path("/cache")))  # type: ignore[arg-type]


@pytest.mark.parametrize(("device", "expected"), [("cpu", [CPU]), ("cuda", [CUDA]), ("tensorrt", [TENSORRT, CUDA])])
def test_providers_stand_in_the_order_of_preference(manifest: Manifest, device: str, expected: list[str]) -> None:
    assert list(options(manifest, device)) == expected


def test_tensorrt_builds_for_the_profile_and_keeps_what_it_built(manifest: Manifest) -> None:
    chosen = options(manifest, "tensorrt")[TENSORRT]
    digest = manifest.files["model.onnx"][:16]
    assert chosen["trt_profile_min_shapes"] == "image:1x224x224x3"
    assert chosen["trt_profile_opt_shapes"] == "image:4x224x224x3"
    assert chosen["trt_profile_max_shapes"] == "image:16x224x224x3"
    assert chosen["trt_engine_cache_path"] == f"/cache/tensorrt/{digest}-fp32-1-4-16"
    assert (chosen["trt_engine_cache_enable"], chosen["trt_timing_cache_enable"]) == ("1", "1")
    assert chosen["device_id"] == "1"


@pytest.mark.parametrize(("precision", "fp16", "int8"), [("fp32", "0", "0"), ("fp16", "1", "0"), ("int8", "0", "1")])
def test_tensorrt_computes_in_the_precision_that_the_bundle_was_checked_in(
    manifest: Manifest, precision: str, fp16: str, int8: str
) -> None:
    chosen = options(manifest, "tensorrt", precision)[TENSORRT]
    assert (chosen["trt_fp16_enable"], chosen["trt_int8_enable"]) == (fp16, int8)


def test_cuda_computes_in_full_fp32(manifest: Manifest) -> None:
    assert options(manifest, "cuda")[CUDA]["use_tf32"] == "0"


@pytest.mark.parametrize(
    ("device", "available"), [("cpu", [CPU]), ("cuda", [CUDA, CPU]), ("tensorrt", [TENSORRT, CUDA, CPU])]
)
def test_a_device_whose_providers_are_there_is_accepted(device: str, available: list[str]) -> None:
    providers.require_providers(device, available)  # type: ignore[arg-type]
    providers.require_started(device, available)  # type: ignore[arg-type]


def test_a_provider_that_is_not_installed_is_named_with_what_to_install() -> None:
    with pytest.raises(DeviceError, match=r"--device tensorrt needs TensorrtExecutionProvider, .* onnxruntime-gpu"):
        providers.require_providers("tensorrt", [CUDA, CPU])


def test_a_provider_that_did_not_start_is_named_with_its_libraries() -> None:
    with pytest.raises(DeviceError, match=r"CUDAExecutionProvider did not start; install the NVIDIA driver, CUDA and"):
        providers.require_started("cuda", [CPU])
    with pytest.raises(DeviceError, match=r"CUDA and cuDNN and TensorRT"):
        providers.require_started("tensorrt", [CPU])


def test_nodes_left_on_the_cpu_are_named() -> None:
    placements = [Placement(CUDA, "Conv", "conv1"), Placement(CPU, "TopK", "pick"), Placement(CPU, "Shape", "size")]
    with pytest.raises(DeviceError, match=r"--device cuda leaves nodes on the CPU: pick \(TopK\)\.$"):
        providers.require_placement("cuda", placements)
    providers.require_placement("cpu", placements)
    providers.require_placement("cuda", [placements[0], placements[2]])


def test_of_many_nodes_the_first_are_named_and_the_rest_counted() -> None:
    placements = [Placement(CPU, "Add", f"add{number}") for number in range(25)]
    with pytest.raises(DeviceError, match=r"add9 \(Add\) and 15 more\.$"):
        providers.require_placement("tensorrt", placements)
