"""The rules that every exported graph keeps, so that every engine can run it: checked, never assumed.

Owns the list of operators that TensorRT or a fixed memory plan cannot take, and the checks of the graph's border. A
rule is a property of the file alone; what the numbers are is `export.parity`'s part.
"""

from __future__ import annotations

from collections.abc import Iterator

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from export.onnx import BATCH_AXIS, EXAMPLE_BATCH, OPSET
from export.weights import CONSTANT_PREFIX

TOP_K_LIMIT = 3840  # TensorRT's
#: Their output's shape depends on the data, they branch or draw random numbers, or they hold sequences or strings.
FORBIDDEN = frozenset(
    {
        "Bernoulli",
        "Compress",
        "ConcatFromSequence",
        "If",
        "Loop",
        "Multinomial",
        "NonMaxSuppression",
        "NonZero",
        "Optional",
        "OptionalGetElement",
        "OptionalHasElement",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
        "Scan",
        "SequenceAt",
        "SequenceConstruct",
        "SequenceEmpty",
        "SequenceErase",
        "SequenceInsert",
        "SequenceLength",
        "SequenceMap",
        "SplitToSequence",
        "StringNormalizer",
        "TfIdfVectorizer",
        "Unique",
    }
)


def check_graph(proto: ModelProto) -> list[str]:
    """Name every rule that a graph breaks, a sentence each; an empty list means that it may be served."""
    faults = _check_file(proto)
    for value in [*proto.graph.input, *proto.graph.output]:
        faults += _check_border(value)
    constants = _constants(proto.graph)
    for node in _nodes(proto.graph):
        faults += _check_node(node, constants)
    for tensor in proto.graph.initializer:
        faults += _check_initialiser(tensor)
    return faults


def _check_file(proto: ModelProto) -> list[str]:
    faults = []
    opsets = {entry.domain or "ai.onnx": entry.version for entry in proto.opset_import}
    if opsets != {"ai.onnx": OPSET}:
        named = ", ".join(f"{domain} {version}" for domain, version in opsets.items())
        faults.append(f"the operator sets are {named}; only ai.onnx {OPSET} is allowed")
    if proto.functions:
        faults.append(f"the file defines {len(proto.functions)} function(s); operators only are allowed")
    return faults


def _check_border(value: ValueInfoProto) -> list[str]:
    """The batch is the first axis and the only dynamic one."""
    dims = value.type.tensor_type.shape.dim
    if not dims or dims[0].dim_param != BATCH_AXIS:
        return [f"{value.name}: the first axis must be the dynamic batch {BATCH_AXIS!r}"]
    return [
        f"{value.name}: axis {axis} is dynamic ({dim.dim_param or 'unnamed'}); only the batch may be"
        for axis, dim in enumerate(dims)
        if axis > 0 and (dim.dim_param or dim.dim_value < 1)
    ]


def _check_node(node: NodeProto, constants: dict[str, float]) -> list[str]:
    name = f"{node.op_type} {node.name!r}"
    if node.domain not in ("", "ai.onnx"):
        return [f"{name} belongs to the domain {node.domain!r}; only ai.onnx is allowed"]
    if node.op_type in FORBIDDEN:
        return [f"{name} is an operator that not every engine can run"]
    if node.op_type in ("ScatterND", "ScatterElements") and _text(node, "reduction", "none") != "none":
        return [f"{name} reduces while it scatters, which engines do differently"]
    if node.op_type == "Resize" and not (len(node.input) == 3 and node.input[2] in constants):
        return [f"{name} needs constant scales, and no sizes"]
    if node.op_type == "TopK" and not (node.input[1] in constants and constants[node.input[1]] <= TOP_K_LIMIT):
        return [f"{name} needs a constant k of at most {TOP_K_LIMIT}"]
    if node.op_type == "Einsum" and len(node.input) > 2:
        return [f"{name} has {len(node.input)} operands; at most 2 are allowed"]
    return []


def _check_initialiser(tensor: TensorProto) -> list[str]:
    if tensor.data_location == TensorProto.EXTERNAL:
        return [f"{tensor.name} lies outside the file; weights must be embedded"]
    if tensor.name.startswith(CONSTANT_PREFIX) and len(tensor.dims) > 1 and tensor.dims[0] == EXAMPLE_BATCH:
        return [f"{tensor.name} of shape {list(tensor.dims)} seems to hold the batch of the export's example"]
    return []


def _nodes(graph: GraphProto) -> Iterator[NodeProto]:
    """All nodes, those inside branches and loops too."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                yield from _nodes(attribute.g)


def _constants(graph: GraphProto) -> dict[str, float]:
    """Every constant of the graph with its largest value."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in _nodes(graph):
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.name == "value":
                tensors[node.output[0]] = attribute.t
    return {
        name: float(numpy_helper.to_array(tensor).max(initial=0))
        for name, tensor in tensors.items()
        if tensor.data_location != TensorProto.EXTERNAL
    }


def _text(node: NodeProto, attribute: str, default: str) -> str:
    for entry in node.attribute:
        if entry.name == attribute:
            return str(helper.get_attribute_value(entry), "utf-8")
    return default
