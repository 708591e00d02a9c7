"""How a graph stores its weights, and the way back from them to a model: the bundle is the checkpoint.

Weights lie under the names of the state dict, as float32, in half precision, or in 8-bit steps with one scale a row;
whatever is stored, the graph computes in float32. Reading gives exactly the values that the graph computes with, and
storing those again gives the same file. Owns precisions and their rounding; the graph itself is `export.onnx`'s part.

An engine turns a whole tensor into float32 when it loads the file. Of a table, such as the words of a language, only rows
are read, so these are picked first and turned then: the same values, and the table takes no more memory than in the file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn

from models.sections import Precision

#: Initialisers that are no weights of the model (bounds of a clip, shapes) are called by this and a number.
CONSTANT_PREFIX = "constant/"
_SCALE_SUFFIX = "/scale"
_VALUE_SUFFIX = "/float32"
_STEPS = 127
#: Matrices and convolution kernels; the few other tensors stay as they are in 8-bit storage.
_KERNEL_RANKS = (2, 4)

Floats = npt.NDArray[np.float32]


def store(proto: ModelProto, precision: Precision, weights: Collection[str]) -> ModelProto:
    """A copy of a graph with its float32 `weights` stored in a precision; vectors, such as norms, stay float32."""
    stored = ModelProto()
    stored.CopyFrom(proto)
    if precision == "fp32":
        return stored
    picks = _picks(stored.graph)
    openings: list[NodeProto] = []
    rows: dict[str, list[NodeProto]] = {}
    tensors: list[TensorProto] = []
    for tensor in stored.graph.initializer:
        is_kept = tensor.name not in weights or tensor.data_type != TensorProto.FLOAT or len(tensor.dims) < 2
        if is_kept or (precision == "int8" and len(tensor.dims) not in _KERNEL_RANKS):
            tensors.append(tensor)
            continue
        values = np.asarray(numpy_helper.to_array(tensor), np.float32)
        tensors += _halve(tensor.name, values) if precision == "fp16" else _quantise(tensor.name, values, picks)
        if tensor.name in picks:
            rows |= {pick.output[0]: _open_rows(pick, precision) for pick in picks[tensor.name]}
        else:
            openings.append(_open(tensor.name, precision))
    renamed = {node.input[0]: node.output[0] for node in openings}
    nodes = openings
    for node in stored.graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = renamed.get(name, name)
        nodes += rows.get(node.output[0], [node])
    del stored.graph.node[:], stored.graph.initializer[:]
    stored.graph.node.extend(nodes)
    stored.graph.initializer.extend(tensors)
    onnx.checker.check_model(stored, full_check=True)
    return stored


def _halve(name: str, values: Floats) -> list[TensorProto]:
    half = values.astype(np.float16)
    if not np.isfinite(half).all():
        raise ValueError(f"{name} holds {np.abs(values).max():.3g}, which half precision cannot")
    return [numpy_helper.from_array(half, name)]


def _quantise(name: str, values: Floats, tables: Collection[str]) -> list[TensorProto]:
    """Symmetric steps along the first axis, the outputs of a layer; a table's scales lie as its rows do."""
    rows = values.reshape(len(values), -1)
    scale = step_of(np.abs(rows).max(1, initial=0.0))
    scale[scale == 0] = 1.0
    steps = np.clip(np.rint(rows / scale[:, None]), -_STEPS, _STEPS).astype(np.int8).reshape(values.shape)
    if name in tables:
        scale = scale.reshape(-1, *[1] * (values.ndim - 1))
    return [numpy_helper.from_array(steps, name), numpy_helper.from_array(scale, name + _SCALE_SUFFIX)]


def _open(name: str, precision: Precision) -> NodeProto:
    """What makes a stored tensor float32, as a whole."""
    opened = name + _VALUE_SUFFIX
    if precision == "fp16":
        return helper.make_node("Cast", [name], [opened], opened, to=TensorProto.FLOAT)
    return helper.make_node("DequantizeLinear", [name, name + _SCALE_SUFFIX], [opened], opened, axis=0)


def _picks(graph: GraphProto) -> dict[str, list[NodeProto]]:
    """The tables of which nothing but rows is read, with the nodes that pick these."""
    readers: dict[str, list[NodeProto]] = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            readers[name].append(node)
    return {name: nodes for name, nodes in readers.items() if all(_picks_rows(node, name) for node in nodes)}


def _picks_rows(node: NodeProto, table: str) -> bool:
    is_by_row = not any(attribute.name == "axis" and attribute.i for attribute in node.attribute)
    return node.op_type == "Gather" and node.input[0] == table and is_by_row


def _open_rows(pick: NodeProto, precision: Precision) -> list[NodeProto]:
    """In the place of a node that picks rows of a table: pick them as they are stored, and make these float32."""
    (table, index), (rows,) = pick.input, pick.output
    stored, scale, steps = rows + "/stored", rows + _SCALE_SUFFIX, rows + "/steps"
    gather = helper.make_node("Gather", [table, index], [stored], stored, axis=0)
    if precision == "fp16":
        return [gather, helper.make_node("Cast", [stored], [rows], rows, to=TensorProto.FLOAT)]
    return [
        gather,
        helper.make_node("Cast", [stored], [steps], steps, to=TensorProto.FLOAT),
        helper.make_node("Gather", [table + _SCALE_SUFFIX, index], [scale], scale, axis=0),
        helper.make_node("Mul", [steps, scale], [rows], rows),
    ]


def step_of(largest: Floats) -> Floats:
    """The scale of a row whose largest value this is; of 127 such steps it is the scale again, to the last bit."""
    return np.asarray(largest / np.float32(_STEPS), np.float32)


def load_state(path: Path) -> dict[str, Tensor]:
    """Read a model's weights back from its graph, float32: a state dict without what the graph does not compute with.

    Raises:
        ValueError: the file holds no weights under the names of a state dict.
    """
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}
    state = {
        name: torch.from_numpy(_values(values, tensors.get(name + _SCALE_SUFFIX)))
        for name, values in tensors.items()
        if not name.startswith(CONSTANT_PREFIX) and not name.endswith(_SCALE_SUFFIX)
    }
    if not state:
        raise ValueError(f"{path.name} holds no weights that can be named")
    return state


def _values(stored: npt.NDArray[np.generic], scale: Floats | None) -> npt.NDArray[np.generic]:
    if scale is not None:
        return stored.astype(np.float32) * scale.reshape(-1, *[1] * (stored.ndim - 1))
    return stored.astype(np.float32) if stored.dtype == np.float16 else np.array(stored)


def fill(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load such a state; everything that the model serves with must be there and fit.

    What only training needs stays as it is: step counters, S3N's two auxiliary heads. The class token of the second
    scale starts again from that of the first.

    Raises:
        ValueError: a weight is missing or unknown; the message names the first ones.
    """
    needed = set(model.state_dict())
    given = dict(state)
    if "class_tokens.1" in needed and "class_tokens.0" in given:
        given.setdefault("class_tokens.1", given["class_tokens.0"])
    missing = sorted(name for name in needed - given.keys() if not _is_training_only(name))
    unexpected = sorted(given.keys() - needed)
    if missing or unexpected:
        names = ", ".join([*missing, *unexpected][:3])
        raise ValueError(f"{len(missing)} weights are missing and {len(unexpected)} unknown, such as {names}")
    model.load_state_dict(given, strict=False)


def _is_training_only(name: str) -> bool:
    return name.endswith("num_batches_tracked") or name.startswith(("discriminative.", "complementary."))
