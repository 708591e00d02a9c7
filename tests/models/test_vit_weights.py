"""The reader of published ViT weights, on a synthetic file with their names."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from onnx import helper

from models.plain import PlainTransformer
from models.systems import adopt
from models.vit import VisionTransformer, ViTShape
from models.vit_weights import read_vit_s14
from tests.published_weights import write_vit

SHAPE = ViTShape(size_px=56, patch_px=14, width=12, depth=2, heads=3, mlp_ratio=2, layer_scale=True)


@pytest.fixture
def published(tmp_path: Path) -> tuple[Path, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    model = PlainTransformer(VisionTransformer(SHAPE), 3)
    state = {name: torch.rand_like(value) for name, value in model.state_dict().items()}
    write_vit(tmp_path / "published.onnx", state)
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
