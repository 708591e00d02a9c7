"""What a file may not hold, found without the onnx library."""

from __future__ import annotations

import contextlib

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from service.engine.backends.onnx_file import foreign_parts
from tests.bundles import colour_graph

PLAIN = colour_graph(3, 32).SerializeToString()


def branch(node: onnx.NodeProto) -> onnx.GraphProto:
    return helper.make_graph([node], "branch", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])])


def test_a_plain_graph_has_no_foreign_part() -> None:
    assert foreign_parts(PLAIN) == []


def test_operators_in_the_branches_of_others_are_seen() -> None:
    model = colour_graph(3, 32)
    custom = helper.make_node("Spy", [], ["y"], domain="evil")
    plain = helper.make_node("Constant", [], ["y"], value_float=1.0)
    model.graph.node.append(helper.make_node("If", ["c"], ["z"], then_branch=branch(plain), else_branch=branch(custom)))
    assert foreign_parts(model.SerializeToString()) == ["operator Spy is of the custom domain evil"]


def test_constants_of_nodes_may_not_lie_outside() -> None:
    outside = helper.make_tensor("weights", TensorProto.FLOAT, [1], [1.0])
    outside.data_location = TensorProto.EXTERNAL
    model = colour_graph(3, 32)
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=outside))
    assert foreign_parts(model.SerializeToString()) == ["the values of weights lie outside the file"]


def test_functions_of_the_file_itself_are_refused() -> None:
    model = colour_graph(3, 32)
    model.functions.append(
        helper.make_function("own", "Trick", ["x"], ["y"], [helper.make_node("Identity", ["x"], ["y"])], [])
    )
    assert foreign_parts(model.SerializeToString()) == ["it brings functions of its own"]


@pytest.mark.parametrize("content", [b"", b"\x08\x0a", b"hello, world", PLAIN[:-1], PLAIN + b"\x3a\x00"])
def test_what_is_no_onnx_file_is_said_to_be_none(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"graphs instead of one|wire type|ends behind|does not end|number stands"):
        foreign_parts(content)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_judged(content: bytes) -> None:
    with contextlib.suppress(ValueError):
        foreign_parts(content)


@settings(deadline=None)
@given(st.integers(0, len(PLAIN) - 1), st.integers(0, 255))
def test_any_change_of_a_byte_is_judged(place: int, value: int) -> None:
    with contextlib.suppress(ValueError):
        foreign_parts(PLAIN[:place] + bytes([value]) + PLAIN[place + 1 :])
