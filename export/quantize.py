"""A graph that computes in 8 bits, made from one that computes in single precision: convolutions and what lies between.

Owns how it is rounded. Weights get a scale a channel, since those of depthwise convolutions differ by orders of magnitude,
and 7 of the 8 bits, since processors without VNNI add two products in 16 bits and would overflow. What layers hand on is
in unsigned 8 bits between the least and the largest value that photos gave; both networks clip at 6, so no outlier
stretches the range. The first convolution, the classifier and what explains stay as they were: they cost little, and their error
would be seen.

Norms are folded into convolutions first, so no weight of the file has its name in the model: it is no checkpoint. The
method is that of Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only
inference", CVPR 2018, as ONNX Runtime implements it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import onnx
from onnx import ModelProto
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from export.runtime import Inputs

#: A sum or a clip in single precision between two convolutions would cost what they save.
_LAYERS = ["Conv", "Add", "Clip"]


class QuantizationError(RuntimeError):
    """The graph cannot compute in 8 bits, or is not worth it; the message says why."""


def quantize(path: Path, seen: Iterable[Inputs]) -> ModelProto:
    """The graph of a file in 8 bits; the ranges are those that `seen` gives, one batch after the other.

    Raises:
        QuantizationError: it has no convolutions.
    """
    with tempfile.TemporaryDirectory() as folder:
        folded, made = Path(folder, "folded.onnx"), Path(folder, "made.onnx")
        quant_pre_process(path, folded, skip_symbolic_shape=True)
        convolutions = [node.name for node in onnx.load(folded).graph.node if node.op_type == "Conv"]
        if not convolutions:
            raise QuantizationError(f"{path.name} has no convolutions to compute in 8 bits")
        quantize_static(
            folded,
            made,
            _Reader(seen),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=_LAYERS,
            nodes_to_exclude=convolutions[:1],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        return _of_used_operators(onnx.load(made))


def _of_used_operators(proto: ModelProto) -> ModelProto:
    """The same without the operator sets that ONNX Runtime's optimiser names and no node is of."""
    used = {node.domain for node in proto.graph.node}
    kept = [entry for entry in proto.opset_import if entry.domain in used]
    del proto.opset_import[:]
    proto.opset_import.extend(kept)
    return proto


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Hands the inputs on one by one, as ONNX Runtime's calibration asks."""

    def __init__(self, seen: Iterable[Inputs]) -> None:
        self._seen = iter(seen)

    def get_next(self) -> dict[str, object] | None:
        inputs = next(self._seen, None)
        return None if inputs is None else dict(inputs.feed())
