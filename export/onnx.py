"""A trained classifier as an ONNX graph: one graph for all that it tells, explanations included.

Owns the graph's border (bytes and word ids in, named outputs out, the batch the only dynamic axis) and the rule that
initialisers keep the names and shapes of the state dict: nothing that reads a weight is computed ahead, batch norms stay
unfolded. ONNX Runtime does both when it loads the file, so speed does not suffer. Leaves checking to `export.operators`
and `export.parity`, precisions to `export.weights`.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import onnx
import torch
from onnx import ModelProto
from onnx_ir import Node
from onnx_ir.passes.common import ClearMetadataAndDocStringPass, RemoveUnusedNodesPass
from onnxscript import optimizer
from torch import Tensor, nn

from export.weights import CONSTANT_PREFIX
from models.calibration.damping import HEIGHT_MIN, Damping
from models.pma import PMA
from models.systems import run

OPSET = 18
BATCH_AXIS = "B"
BATCH_LIMIT = 64
EXAMPLE_BATCH = 2  # with an example of 1 an exporter may take the batch for a constant
_MODEL_PREFIX = "model."


class ClassifyGraph(nn.Module):
    """A classifier behind the border of a classify graph: `image` uint8 [B, S, S, 3], and `phrases` where it reads a text.

    Its logits are damped where that is asked for (`models.calibration.damping`).
    """

    def __init__(self, model: nn.Module, damping: Damping | None = None) -> None:
        super().__init__()
        self.model = model
        self._damping = damping

    def outputs(self, image: Tensor, phrases: Tensor | None = None) -> dict[str, Tensor]:
        """RGB uint8 [B, S, S, 3] and word ids int64 [B, P, T] -> every output by its name."""
        found = run(self.model, image.permute(0, 3, 1, 2).float(), phrases)
        return found if self._damping is None else found | {"logits": _damped(found["logits"], self._damping)}

    def forward(self, image: Tensor, phrases: Tensor | None = None) -> tuple[Tensor, ...]:
        """The outputs in their order; the path that is traced."""
        return tuple(self.outputs(image, phrases).values())


def _damped(logits: Tensor, damping: Damping) -> Tensor:
    """Logits [B, C] as `models.calibration.damp` gives them."""
    heights = (logits.amax(1, keepdim=True) - logits.mean(1, keepdim=True)) / damping.usual
    return logits / heights.clamp_min(HEIGHT_MIN) ** damping.exponent


def export_graph(
    model: nn.Module, size_px: int, facts: Mapping[str, str], damping: Damping | None = None
) -> ModelProto:
    """Export a model in evaluation mode, its logits damped; `facts` become the file's metadata."""
    graph = ClassifyGraph(copy.deepcopy(model), damping).eval()  # tracing swaps the tensors of an LSTM
    example = _example(model, size_px)
    with torch.inference_mode():
        names = list(graph.outputs(**example))
    return export_border(graph, example, names, facts)


def export_border(
    border: nn.Module, example: Mapping[str, Tensor], outputs: Sequence[str], facts: Mapping[str, str]
) -> ModelProto:
    """Export what stands behind the border of a task, in evaluation mode; the file is checked as ONNX."""
    proto = trace(border, example, outputs)
    proto.graph.name = "fieldmark"
    for key, value in sorted(facts.items()):
        proto.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def trace(graph: nn.Module, example: Mapping[str, Tensor], outputs: Sequence[str]) -> ModelProto:
    """A module's graph, from example inputs by name; weights below its attribute `model` keep their names.

    Only constants are folded: what would merge weights into one another or turn them is left to the engine.
    """
    batch = torch.export.Dim(BATCH_AXIS, min=1, max=BATCH_LIMIT)
    with _quiet_exporter():
        program = torch.onnx.export(
            graph,
            tuple(example.values()),
            input_names=list(example),
            output_names=list(outputs),
            opset_version=OPSET,
            dynamo=True,
            dynamic_shapes={name: {0: batch} for name in example},
            optimize=False,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("the exporter returned no graph")
    weights = set(graph.state_dict())
    optimizer.fold_constants(program.model, should_fold=lambda node: False if _reads(node, weights) else None)
    RemoveUnusedNodesPass()(program.model)
    ClearMetadataAndDocStringPass()(program.model)  # stack traces would carry the paths of this machine
    proto = program.model_proto
    _rename_initialisers(proto, weights)
    del proto.graph.value_info[:]
    return proto


def _example(model: nn.Module, size_px: int) -> dict[str, Tensor]:
    """The inputs that are traced: photos, and texts where the model reads them."""
    example = {"image": torch.zeros((EXAMPLE_BATCH, size_px, size_px, 3), dtype=torch.uint8)}
    if isinstance(model, PMA):
        example["phrases"] = torch.ones((EXAMPLE_BATCH, model.shape.phrases, model.shape.words), dtype=torch.int64)
    return example


def _reads(node: Node, names: set[str]) -> bool:
    return any(value is not None and value.name in names for value in node.inputs)


def _rename_initialisers(proto: ModelProto, weights: set[str]) -> None:
    """Weights get the names of the state dict, all other initialisers numbered ones."""
    names: dict[str, str] = {}
    for tensor in proto.graph.initializer:
        is_weight = tensor.name in weights
        names[tensor.name] = tensor.name.removeprefix(_MODEL_PREFIX) if is_weight else f"{CONSTANT_PREFIX}{len(names)}"
        tensor.name = names[tensor.name]
    for node in proto.graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = names.get(name, name)


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Keep the exporter's notes about itself from the user: deprecations inside torch, how it takes an LSTM apart.

    What they would warn of, a file that computes something else, `export.parity` finds out.
    """
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.__trace")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
