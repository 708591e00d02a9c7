"""Whether a file computes what the trained model computes, on real photos and at several batch sizes.

Owns the comparison with torch and the search for coupling between the photos of a batch. An export that drifts is
refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from export.onnx import ClassifyGraph
from export.runtime import Graph, Outputs
from models.plain import PlainClassifier
from models.preprocess import Pixels

BATCHES = (1, 2, 3, 8)
#: Largest difference that rounding explains, as a share of the output's largest value where that is above 1.
TOLERANCE = 1e-4
#: The activation belongs to the strongest class; where two are this close, the engines may differ in which it is.
_MARGIN = 1e-3


class ParityError(RuntimeError):
    """The exported file and the trained model disagree; the message says where and by how much."""


@dataclass(frozen=True, slots=True)
class Parity:
    """What was measured: the largest difference from torch by output, and between alone and in a batch."""

    photos: int
    largest: dict[str, float]
    coupling: float


def check_parity(model: PlainClassifier, graph: Graph, images: Pixels) -> Parity:
    """Compare on photos uint8 [n >= 8, S, S, 3], prepared as serving prepares them; a black one is added.

    Raises:
        ParityError: an output is further from torch than `TOLERANCE`, or depends on its neighbours by half of that.
    """
    if len(images) < max(BATCHES):
        raise ValueError(f"parity needs at least {max(BATCHES)} photos, got {len(images)}")
    images = np.concatenate([np.zeros_like(images[:1]), images])
    largest: dict[str, float] = {}
    for batch in BATCHES:
        for start in range(0, len(images) - batch + 1, batch):
            part = images[start : start + batch]
            for name, difference in _differences(_torch_outputs(model, part), graph(part)).items():
                largest[name] = max(largest.get(name, 0.0), difference)
    coupling = _coupling(graph, images[: max(BATCHES)])
    for name, difference in largest.items():
        if not difference <= TOLERANCE:
            raise ParityError(f"{name} differs from torch by {difference:.2e}; at most {TOLERANCE:.0e} is rounding")
    if not coupling <= TOLERANCE / 2:
        raise ParityError(f"a photo's answer changes by {coupling:.2e} with the others in its batch")
    return Parity(len(images), largest, coupling)


def _coupling(graph: Graph, images: Pixels) -> float:
    """Largest difference of any output between a photo alone and the same photo in the batch."""
    together = graph(images)
    alone = [graph(images[index : index + 1]) for index in range(len(images))]
    stacked = {name: np.concatenate([outputs[name] for outputs in alone]) for name in together}
    return max(_differences(stacked, together).values())


@torch.inference_mode()
def _torch_outputs(model: PlainClassifier, images: Pixels) -> Outputs:
    logits, features, activation = ClassifyGraph(model).eval()(torch.from_numpy(images))
    return {"logits": logits.numpy(), "features": features.numpy(), "activation": activation.numpy()}


def _differences(expected: Outputs, got: Outputs) -> dict[str, float]:
    if expected.keys() != got.keys():
        raise ParityError(f"the outputs are {', '.join(got)}; expected {', '.join(expected)}")
    top = np.sort(expected["logits"], axis=1)
    clear = top[:, -1] - top[:, -2] > _MARGIN
    differences = {}
    for name, reference in expected.items():
        rows = clear if name == "activation" else np.ones(len(reference), bool)
        scale = max(1.0, float(np.abs(reference).max()))
        differences[name] = float(np.abs(reference[rows] - got[name][rows]).max(initial=0.0)) / scale
    return differences
