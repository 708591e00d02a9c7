"""How stored weights are opened: a table by the rows that are read, anything else as a whole."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from export.onnx import OPSET
from export.weights import load_state, store
from models.sections import Precision

WORDS, WIDTH = 50, 6
WEIGHTS = {"table.weight", "shared.weight", "matrix.weight"}
PICKED = np.array([[0, 3, 3], [49, 0, 7]], np.int64)


@pytest.fixture(scope="module")
def proto() -> ModelProto:
    """Rows of two tables times a matrix; one of the tables is read as a whole, too."""
    rng = np.random.default_rng(0)
    shapes = {"table.weight": (WORDS, WIDTH), "shared.weight": (WORDS, WIDTH), "matrix.weight": (WIDTH, WIDTH)}
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table.weight", "ids"], ["rows"]),
            helper.make_node("Gather", ["shared.weight", "ids"], ["others"]),
            helper.make_node("Add", ["rows", "others"], ["sum"]),
            helper.make_node("MatMul", ["sum", "matrix.weight"], ["product"]),
            helper.make_node("Identity", ["shared.weight"], ["whole"]),
        ],
        "rows",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["B", 3])],
        [
            helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["B", 3, WIDTH]),
            helper.make_tensor_value_info("product", TensorProto.FLOAT, ["B", 3, WIDTH]),
            helper.make_tensor_value_info("whole", TensorProto.FLOAT, [WORDS, WIDTH]),
        ],
        [
            numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name)
            for name, shape in shapes.items()
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_rows_of_a_table_have_the_values_that_are_read_back(
    proto: ModelProto, precision: Precision, tmp_path: Path
) -> None:
    onnx.save(store(proto, precision, WEIGHTS), tmp_path / "stored.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "stored.onnx", providers=["CPUExecutionProvider"])
    rows, whole = session.run(["rows", "whole"], {"ids": PICKED})
    state = load_state(tmp_path / "stored.onnx")
    assert np.array_equal(rows, state["table.weight"].numpy()[PICKED])
    assert np.array_equal(whole, state["shared.weight"].numpy())


@pytest.mark.parametrize(("precision", "opening"), [("fp16", "Cast"), ("int8", "DequantizeLinear")])
def test_a_table_of_which_only_rows_are_read_is_not_opened(
    proto: ModelProto, precision: Precision, opening: str
) -> None:
    stored = store(proto, precision, WEIGHTS)
    read = Counter((node.op_type, node.input[0]) for node in stored.graph.node)
    assert (opening, "table.weight") not in read
    assert read["Gather", "table.weight"] == 1
    assert (opening, "shared.weight") in read
    assert (opening, "matrix.weight") in read
