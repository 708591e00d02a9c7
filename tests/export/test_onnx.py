"""The exported graph: its border, its names, and the way back from it to a model."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from export.onnx import export_graph
from export.operators import check_graph
from export.parity import check_parity
from export.runtime import Graph, Inputs
from export.scores import sample_images
from export.weights import CONSTANT_PREFIX, fill, load_state
from models.calibration import Damping, damp
from models.systems import build
from tests.export.conftest import CLASSES, Exported
from tests.photosets import TINY_PX

DAMPING = Damping(0.4, 3.0)


def border(values: list[onnx.ValueInfoProto]) -> dict[str, list[str | int]]:
    return {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in values
    }


def test_the_border_is_bytes_in_and_named_outputs_out(exported: Exported) -> None:
    assert border(list(exported.proto.graph.input)) == {"image": ["B", TINY_PX, TINY_PX, 3]}
    assert border(list(exported.proto.graph.output)) == {
        "logits": ["B", CLASSES],
        "features": ["B", 1280],
        "activation": ["B", 8, 8],
    }
    assert exported.proto.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8


def test_weights_are_embedded_under_the_names_of_the_state_dict(exported: Exported) -> None:
    stored = {tensor.name for tensor in exported.proto.graph.initializer}
    weights = {name for name in stored if not name.startswith(CONSTANT_PREFIX)}
    assert weights == {name for name in exported.model.state_dict() if not name.endswith("num_batches_tracked")}


def test_batch_norms_stay_in_the_file_and_the_engine_folds_them(exported: Exported, tmp_path: Path) -> None:
    norms = sum(isinstance(layer, torch.nn.BatchNorm2d) for layer in exported.model.modules())
    stored = Counter(node.op_type for node in exported.proto.graph.node)
    assert stored["BatchNormalization"] == norms
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "loaded.onnx")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    onnxruntime.InferenceSession(exported.path, options, providers=["CPUExecutionProvider"])
    loaded = Counter(node.op_type for node in onnx.load(tmp_path / "loaded.onnx").graph.node)
    assert loaded["BatchNormalization"] == loaded["Clip"] == 0


def test_no_shape_is_computed_from_data(exported: Exported) -> None:
    assert not {"Shape", "Reshape", "Expand"} & {node.op_type for node in exported.proto.graph.node}


def test_the_file_says_what_it_is_and_nothing_of_the_machine_that_made_it(exported: Exported) -> None:
    assert {entry.key: entry.value for entry in exported.proto.metadata_props} == {"system": "plain"}
    raw = exported.proto.SerializeToString()
    assert str(Path.cwd()).encode() not in raw
    assert b"stack_trace" not in raw


def test_a_damped_graph_says_what_its_bare_one_says_damped(exported: Exported, tmp_path: Path) -> None:
    path = tmp_path / "damped.onnx"
    onnx.save(export_graph(exported.model, TINY_PX, {}, damping=DAMPING), path)
    assert check_graph(onnx.load(path)) == []
    inputs = Inputs(sample_images(TINY_PX))
    bare, damped = exported.graph(inputs), Graph(path)(inputs)
    np.testing.assert_allclose(damped["logits"], damp(bare["logits"], DAMPING), rtol=1e-5)
    np.testing.assert_array_equal(damped["activation"], bare["activation"])
    state = load_state(path)
    assert state.keys() == load_state(exported.path).keys()
    check_parity(exported.model, Graph(path), Inputs(np.tile(inputs.images, (3, 1, 1, 1))), damping=DAMPING)


def test_the_bundle_is_the_checkpoint(exported: Exported) -> None:
    rebuilt = build(exported.build)
    assert not torch.equal(rebuilt.classifier.weight, exported.state["classifier.weight"])
    fill(rebuilt, load_state(exported.path))
    for name, tensor in rebuilt.state_dict().items():
        assert name.endswith("num_batches_tracked") or torch.equal(tensor, exported.state[name]), name


def test_weights_that_do_not_fit_a_model_are_named(exported: Exported) -> None:
    state = load_state(exported.path)
    del state["classifier.bias"]
    with pytest.raises(ValueError, match=r"1 weights are missing and 1 unknown, such as classifier\.bias, extra"):
        fill(build(exported.build), state | {"extra": torch.zeros(1)})


def test_a_file_without_weights_is_no_checkpoint(exported: Exported, tmp_path: Path) -> None:
    bare = onnx.ModelProto()
    bare.CopyFrom(exported.proto)
    del bare.graph.initializer[:]
    (tmp_path / "bare.onnx").write_bytes(bare.SerializeToString())
    with pytest.raises(ValueError, match=r"bare\.onnx holds no weights"):
        load_state(tmp_path / "bare.onnx")
