"""Whether an exported file computes what the model computes, on photos and at several batch sizes.

Owns the comparison with torch and the search for coupling between the photos of a batch. An export that drifts is
refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from export.onnx import ClassifyGraph
from export.runtime import Graph, Inputs, Outputs
from models.calibration import Damping

BATCHES = (1, 2, 3, 8)
#: Largest difference that rounding explains, as a share of the output's largest value where that is above 1.
TOLERANCE = 1e-4
#: Of these, less is explained: whole numbers, a box of whole patches, a map whose values move a sampler.
_TOLERANCES = {"stage_block": 0.0, "region": 1e-6, "attention": 1e-5}
#: The activation belongs to the strongest class; where two are this close, the engines may differ in which it is.
_MARGIN = 1e-3
#: Whole numbers and places follow from which cell is the strongest. A photo of one colour has many equal ones.
_PICKED = ("stage_block", "stage_weight", "phrase_weight", "region", "peaks", "attention")


class ParityError(RuntimeError):
    """The exported file and the trained model disagree; the message says where and by how much."""


@dataclass(frozen=True, slots=True)
class Parity:
    """What was measured: the largest difference from torch by output, and between alone and in a batch."""

    photos: int
    largest: dict[str, float]
    coupling: float


def check_parity(model: nn.Module, graph: Graph, inputs: Inputs, damping: Damping | None = None) -> Parity:
    """Compare on at least 8 photos, prepared as serving prepares them; a black one, without a text, is added.

    The model's logits are damped as the file's are.

    Raises:
        ParityError: an output is further from torch than its tolerance, or depends on its neighbours by half of that.
    """
    if len(inputs) < max(BATCHES):
        raise ValueError(f"parity needs at least {max(BATCHES)} photos, got {len(inputs)}")
    inputs = _with_a_black_one(inputs)
    largest: dict[str, float] = {}
    for batch in BATCHES:
        for start in range(0, len(inputs) - batch + 1, batch):
            part = inputs[start : start + batch]
            for name, difference in differences(torch_outputs(model, part, damping), graph(part), part).items():
                largest[name] = max(largest.get(name, 0.0), difference)
    for name, difference in largest.items():
        tolerance = _TOLERANCES.get(name, TOLERANCE)
        if not difference <= tolerance:
            raise ParityError(f"{name} differs from torch by {difference:.2e}; at most {tolerance:.0e} is rounding")
    return Parity(len(inputs), largest, _coupling(graph, inputs[: max(BATCHES)]))


def _with_a_black_one(inputs: Inputs) -> Inputs:
    images = np.concatenate([np.zeros_like(inputs.images[:1]), inputs.images])
    if inputs.phrases is None:
        return Inputs(images)
    return Inputs(images, np.concatenate([np.zeros_like(inputs.phrases[:1]), inputs.phrases]))


def _coupling(graph: Graph, inputs: Inputs) -> float:
    """Largest difference of any output between a photo alone and the same photo in the batch.

    Raises:
        ParityError: it is more than half of what rounding explains.
    """
    together = graph(inputs)
    alone = [graph(inputs[index : index + 1]) for index in range(len(inputs))]
    stacked = {name: np.concatenate([outputs[name] for outputs in alone]) for name in together}
    found = differences(stacked, together, inputs)
    for name, difference in found.items():
        if not difference <= _TOLERANCES.get(name, TOLERANCE) / 2:
            raise ParityError(f"a photo's {name} changes by {difference:.2e} with the others in its batch")
    return max(found.values())


@torch.inference_mode()
def torch_outputs(model: nn.Module, inputs: Inputs, damping: Damping | None = None) -> Outputs:
    """What the model itself answers, by the names of the graph, its logits damped."""
    phrases = None if inputs.phrases is None else torch.from_numpy(inputs.phrases)
    found = ClassifyGraph(model, damping).eval().outputs(torch.from_numpy(inputs.images), phrases)
    return {name: value.numpy() for name, value in found.items()}


def differences(expected: Outputs, got: Outputs, inputs: Inputs) -> dict[str, float]:
    """The largest difference by output, as a share of its largest value where that is above 1.

    Raises:
        ParityError: the outputs have other names.
    """
    if expected.keys() != got.keys():
        raise ParityError(f"the outputs are {', '.join(got)}; expected {', '.join(expected)}")
    found = {}
    for name, reference in expected.items():
        rows = _comparable(name, expected["logits"], inputs)
        scale = max(1.0, float(np.abs(reference).max()))
        found[name] = float(np.abs(reference[rows] - got[name][rows]).max(initial=0.0)) / scale
    return found


def _comparable(name: str, logits: npt.NDArray[np.float32], inputs: Inputs) -> npt.NDArray[np.bool_]:
    """The photos for which an output is settled, and not a choice among equals."""
    if name == "activation":
        top = np.sort(logits, axis=1)
        return np.asarray(top[:, -1] - top[:, -2] > _MARGIN)
    if name in _PICKED:
        return np.asarray(np.ptp(inputs.images, axis=(1, 2)).max(axis=1) > 0)
    return np.ones(len(inputs), bool)
