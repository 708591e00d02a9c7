"""A trained classifier as an ONNX graph, and its weights read back from one.

Owns the graph's border (uint8 photos in, named outputs out, the batch the only dynamic axis) and the rule that the
bundle is the checkpoint: initialisers keep the names of the state dict and batch norms stay unfolded; ONNX Runtime
folds them when it loads the file, so speed does not suffer. Leaves checking to `export.operators` and `export.parity`.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import ModelProto, numpy_helper
from onnx_ir.passes.common import ClearMetadataAndDocStringPass, RemoveUnusedNodesPass
from onnxscript import optimizer
from torch import Tensor, nn

from models.plain import PlainClassifier

OPSET = 18
BATCH_AXIS = "B"
BATCH_LIMIT = 64
OUTPUTS = ("logits", "features", "activation")
#: Initialisers that are no weights of the model (bounds of a clip, shapes) are called by this and a number.
CONSTANT_PREFIX = "constant/"
EXAMPLE_BATCH = 2  # with an example of 1 an exporter may take the batch for a constant
_MODEL_PREFIX = "model."


class ClassifyGraph(nn.Module):
    """A classifier behind the border of a classify graph: `image` uint8 [B, S, S, 3] in, `OUTPUTS` out."""

    def __init__(self, model: PlainClassifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """RGB uint8 [B, S, S, 3] -> logits f32 [B, C], features f32 [B, D], activation f32 [B, h, w]."""
        output = self.model.explain(image.permute(0, 3, 1, 2).float())
        return output.logits, output.features, output.activation


def export_graph(model: PlainClassifier, size_px: int, facts: Mapping[str, str]) -> ModelProto:
    """Export a model in evaluation mode; `facts` become the file's metadata.

    Only constants are folded: what would merge weights into one another is left to the engine.
    """
    graph = ClassifyGraph(model).eval()
    example = torch.zeros((EXAMPLE_BATCH, size_px, size_px, 3), dtype=torch.uint8)
    batch = torch.export.Dim(BATCH_AXIS, min=1, max=BATCH_LIMIT)
    with _quiet_exporter():
        program = torch.onnx.export(
            graph,
            (example,),
            input_names=["image"],
            output_names=list(OUTPUTS),
            opset_version=OPSET,
            dynamo=True,
            dynamic_shapes={"image": {0: batch}},
            optimize=False,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("the exporter returned no graph")
    optimizer.fold_constants(program.model)
    RemoveUnusedNodesPass()(program.model)
    ClearMetadataAndDocStringPass()(program.model)  # stack traces would carry the paths of this machine
    proto = program.model_proto
    _rename_initialisers(proto, set(model.state_dict()))
    del proto.graph.value_info[:]
    proto.graph.name = "fieldmark"
    for key, value in sorted(facts.items()):
        proto.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def load_state(path: Path) -> dict[str, Tensor]:
    """Read a model's weights back from its graph: a state dict without batch norm's step counters.

    Raises:
        ValueError: the file holds no weights under the names of a state dict.
    """
    proto = onnx.load(path)
    state = {
        tensor.name: torch.from_numpy(np.array(numpy_helper.to_array(tensor)))
        for tensor in proto.graph.initializer
        if not tensor.name.startswith(CONSTANT_PREFIX)
    }
    if not state:
        raise ValueError(f"{path.name} holds no weights that can be named")
    return state


def fill(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load such a state; everything but batch norm's step counters must be there and fit."""
    missing, unexpected = model.load_state_dict(state, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        names = ", ".join([*missing, *unexpected][:3])
        raise ValueError(f"{len(missing)} weights are missing and {len(unexpected)} unknown, such as {names}")


def _rename_initialisers(proto: ModelProto, weights: set[str]) -> None:
    """Weights get the names of the state dict, all other initialisers numbered ones."""
    names: dict[str, str] = {}
    for tensor in proto.graph.initializer:
        plain = tensor.name.removeprefix(_MODEL_PREFIX)
        names[tensor.name] = plain if plain in weights else f"{CONSTANT_PREFIX}{len(names)}"
        tensor.name = names[tensor.name]
    for node in proto.graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = names.get(name, name)


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Keep the exporter's notes about itself (deprecations inside torch, no torchvision here) from the user."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        logger.setLevel(level)
