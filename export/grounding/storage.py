"""The two graphs of a grounding model in the precisions that a bundle has room for, and the model with what they store.

The language, most of the weights, is kept in 8-bit steps with a scale a row; what sees and what fuses in half precision.
The boxes of [CLS] that only help the head `cell` to learn are in neither graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnx
from onnx import ModelProto
from torch import Tensor

from export.operators import check_graph
from export.referring import export_grounding
from export.variants import size_limit_bytes
from export.weights import load_state, store
from models.manifest import BundleError
from models.referring import Referring

FILES = {"vision": "vision.onnx", "fuse": "fuse.onnx"}
SIZE_LIMIT_BYTES = size_limit_bytes("referring")
_LANGUAGE = "language."


def write_graphs(model: Referring, folder: Path, facts: Mapping[str, str], tokens: int) -> dict[str, ModelProto]:
    """Export, store and write both graphs; from here on the model has the weights that the files store.

    Raises:
        BundleError: a graph breaks a rule.
    """
    graphs = {name: _stored(proto, model) for name, proto in export_grounding(model, facts, tokens).items()}
    for name, proto in graphs.items():
        if faults := check_graph(proto):
            raise BundleError(name, faults)
        onnx.save(proto, folder / FILES[name])
    model.load_state_dict(model.state_dict() | load_learnt(folder))
    return graphs


def load_learnt(folder: Path) -> dict[str, Tensor]:
    """The weights that a bundle's graphs compute with, by the names of the model's state."""
    return {name: weight for file in FILES.values() for name, weight in load_state(folder / file).items()}


def _stored(proto: ModelProto, model: Referring) -> ModelProto:
    names = set(model.state_dict())
    language = {name for name in names if name.startswith(_LANGUAGE)}
    return store(store(proto, "int8", language), "fp16", names - language)
