"""The reader of published ViT weights, on a synthetic file with their names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper

from models.plain import PlainTransformer
from models.systems import adopt
from models.vit import VisionTransformer, ViTShape
from models.vit_weights import read_vit_s14

SHAPE = ViTShape(size_px=56, patch_px=14, width=12, depth=2, heads=3, mlp_ratio=2, layer_scale=True)
ANONYMOUS = {
    "attention/attention/key": "attention.key",
    "attention/attention/value": "attention.value",
    "attention/attention/query": "attention.query",
    "attention/output/dense": "attention.out",
    "mlp/fc1": "mlp.0",
    "mlp/fc2": "mlp.2",
}


def write_published(path: Path, state: dict[str, torch.Tensor]) -> None:
    """A file with the published names that holds `state`, the linear weights transposed under anonymous names."""
    tensors: dict[str, torch.Tensor] = {
        "backbone.embeddings.patch_embeddings.projection.weight": state["backbone.patches.weight"],
        "backbone.embeddings.patch_embeddings.projection.bias": state["backbone.patches.bias"],
        "backbone.embeddings.cls_token": state["class_token"],
        "backbone.layernorm.weight": state["backbone.norm.weight"],
        "backbone.layernorm.bias": state["backbone.norm.bias"],
        "onnx::Concat_1957": state["backbone.position"][:, :1],
        "onnx::Reshape_1962": state["backbone.position"][:, 1:],
    }
    nodes = [helper.make_node("MatMul", ["a", "b"], ["c"], "/decoder/MatMul")]
    for block in range(SHAPE.depth):
        ours, theirs = f"backbone.blocks.{block}.", f"backbone.encoder.layer.{block}."
        for norm in ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias"):
            tensors[theirs + norm] = state[ours + norm]
        for number in (1, 2):
            tensors[f"{theirs}layer_scale{number}.lambda1"] = state[f"{ours}scale{number}"]
        for node, layer in ANONYMOUS.items():
            name = f"onnx::MatMul_{len(tensors)}"
            tensors[name] = state[f"{ours}{layer}.weight"].T
            tensors[theirs + node.replace("/", ".") + ".bias"] = state[f"{ours}{layer}.bias"]
            nodes.append(
                helper.make_node("MatMul", ["x", name], ["y"], f"/backbone/encoder/layer.{block}/{node}/MatMul")
            )
    stored = [numpy_helper.from_array(np.ascontiguousarray(value.numpy()), name) for name, value in tensors.items()]
    onnx.save(helper.make_model(helper.make_graph(nodes, "published", [], [], stored)), path)


@pytest.fixture
def published(tmp_path: Path) -> tuple[Path, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    model = PlainTransformer(VisionTransformer(SHAPE), 3)
    state = {name: torch.rand_like(value) for name, value in model.state_dict().items()}
    write_published(tmp_path / "published.onnx", state)
    return tmp_path / "published.onnx", state


def test_every_weight_finds_its_place(published: tuple[Path, dict[str, torch.Tensor]]) -> None:
    path, expected = published
    found = read_vit_s14(path)
    assert found.keys() == expected.keys() - {"classifier.weight", "classifier.bias"}
    assert all(torch.equal(value, expected[name]) for name, value in found.items())


def test_a_model_adopts_them_and_resizes_the_positions(published: tuple[Path, dict[str, torch.Tensor]]) -> None:
    path, expected = published
    model = PlainTransformer(VisionTransformer(ViTShape(84, 14, 12, 2, 3, 2, layer_scale=True)), 3)
    assert adopt(model, read_vit_s14(path)) == ("classifier.weight", "classifier.bias")
    assert model.backbone.position.shape == (1, 37, 12)
    assert torch.equal(model.class_token, expected["class_token"])


def test_a_file_of_something_else_is_named(tmp_path: Path) -> None:
    onnx.save(helper.make_model(helper.make_graph([], "empty", [], [])), tmp_path / "other.onnx")
    with pytest.raises(ValueError, match=r"other\.onnx lacks 7 weight\(s\) of a ViT-S/14, such as"):
        read_vit_s14(tmp_path / "other.onnx")
