"""The rules of exported graphs: the real one keeps them, and each rule catches what breaks it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.operators import FORBIDDEN, TOP_K_LIMIT, check_graph
from tests.export.conftest import Exported

Spoil = Callable[[onnx.GraphProto], None]


def make_graph(*nodes: onnx.NodeProto, constants: dict[str, np.ndarray] | None = None) -> onnx.ModelProto:
    """A graph of some nodes with a border that keeps the rules."""
    inputs = [helper.make_tensor_value_info("image", TensorProto.UINT8, ["B", 8, 8, 3])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", 2])]
    initialisers = [numpy_helper.from_array(values, name) for name, values in (constants or {}).items()]
    graph = helper.make_graph(list(nodes), "test", inputs, outputs, initialisers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


def test_an_exported_graph_keeps_every_rule(exported: Exported) -> None:
    assert check_graph(exported.proto) == []


@pytest.mark.parametrize("operator", sorted(FORBIDDEN))
def test_an_operator_that_not_every_engine_runs_is_refused(operator: str) -> None:
    (fault,) = check_graph(make_graph(helper.make_node(operator, ["image"], ["y"], "n")))
    assert fault == f"{operator} 'n' is an operator that not every engine can run"


def test_operators_inside_branches_are_seen() -> None:
    inner = helper.make_graph([helper.make_node("NonZero", ["x"], ["y"], "inner")], "body", [], [])
    faults = check_graph(
        make_graph(helper.make_node("If", ["c"], ["y"], "outer", then_branch=inner, else_branch=inner))
    )
    assert any("NonZero 'inner'" in fault for fault in faults)


@pytest.mark.parametrize(
    ("node", "constants", "words"),
    [
        (helper.make_node("Fancy", ["x"], ["y"], "n", domain="com.example"), {}, "domain 'com.example'"),
        (helper.make_node("ScatterND", ["x", "i", "u"], ["y"], "n", reduction="add"), {}, "reduces while it scatters"),
        (helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], "n"), {}, "needs constant scales"),
        (helper.make_node("Resize", ["x", "", "scales"], ["y"], "n"), {}, "needs constant scales"),
        (helper.make_node("TopK", ["x", "k"], ["v", "i"], "n"), {}, "needs a constant k"),
        (
            helper.make_node("TopK", ["x", "k"], ["v", "i"], "n"),
            {"k": np.array([TOP_K_LIMIT + 1])},
            f"at most {TOP_K_LIMIT}",
        ),
        (helper.make_node("Einsum", ["a", "b", "c"], ["y"], "n", equation="a,b,c->abc"), {}, "3 operands"),
        (helper.make_node("Identity", ["x"], ["y"], "n"), {"constant/0": np.zeros((2, 5))}, "batch of the export"),
    ],
    ids=lambda value: value.op_type if isinstance(value, onnx.NodeProto) else None,
)
def test_a_use_that_engines_differ_in_is_refused(
    node: onnx.NodeProto, constants: dict[str, np.ndarray], words: str
) -> None:
    (fault,) = check_graph(make_graph(node, constants=constants))
    assert words in fault


@pytest.mark.parametrize(
    ("node", "constants"),
    [
        (helper.make_node("ScatterND", ["x", "i", "u"], ["y"]), {}),
        (helper.make_node("Resize", ["x", "", "scales"], ["y"]), {"scales": np.ones(4, np.float32)}),
        (helper.make_node("TopK", ["x", "k"], ["v", "i"]), {"k": np.array([5])}),
        (helper.make_node("Einsum", ["a", "b"], ["y"], equation="ab,bc->ac"), {}),
    ],
    ids=lambda value: value.op_type if isinstance(value, onnx.NodeProto) else None,
)
def test_the_same_operators_used_plainly_are_allowed(node: onnx.NodeProto, constants: dict[str, np.ndarray]) -> None:
    assert check_graph(make_graph(node, constants=constants)) == []


def free_axis(graph: onnx.GraphProto) -> None:
    graph.output[0].type.tensor_type.shape.dim[1].dim_param = "classes"


def fixed_batch(graph: onnx.GraphProto) -> None:
    graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2


def outside_weights(graph: onnx.GraphProto) -> None:
    tensor = graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=[1])
    tensor.data_location = TensorProto.EXTERNAL


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (free_axis, "logits: axis 1 is dynamic (classes)"),
        (fixed_batch, "image: the first axis must be the dynamic batch 'B'"),
        (outside_weights, "w lies outside the file"),
    ],
)
def test_a_border_or_a_file_that_breaks_a_rule_is_named(spoil: Spoil, words: str) -> None:
    proto = make_graph()
    spoil(proto.graph)
    (fault,) = check_graph(proto)
    assert words in fault


def test_other_operator_sets_and_functions_are_refused() -> None:
    proto = make_graph()
    proto.opset_import[0].version = 19
    proto.opset_import.add(domain="com.example", version=1)
    proto.functions.add(name="f")
    faults = check_graph(proto)
    assert "the operator sets are ai.onnx 19, com.example 1" in faults[0]
    assert "1 function(s)" in faults[1]


def test_all_faults_are_named_at_once() -> None:
    proto = make_graph(helper.make_node("NonZero", ["x"], ["y"]), helper.make_node("Loop", ["x"], ["y"]))
    free_axis(proto.graph)
    assert len(check_graph(proto)) == 3
