"""The readers of published ViT weights, on synthetic files with their names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import torch
from onnx import helper
from safetensors.torch import load_file, save_file

from models.plain import PlainTransformer
from models.rams_trans import RAMSTrans
from models.systems import adopt
from models.training.beginning import begin_with_weights
from models.training.data import DataError
from models.vit import VisionTransformer, ViTShape
from models.vit_weights import read_vit, read_vit_s14
from tests.published_weights import write_vit, write_vit_model

SHAPE = ViTShape(size_px=56, patch_px=14, width=12, depth=2, heads=3, mlp_ratio=2, layer_scale=True)
BARE = replace(SHAPE, layer_scale=False)


def state_of(shape: ViTShape) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    model = PlainTransformer(VisionTransformer(shape), 3)
    return {name: torch.rand_like(value) for name, value in model.state_dict().items()}


@pytest.fixture
def published(tmp_path: Path) -> tuple[Path, dict[str, torch.Tensor]]:
    state = state_of(SHAPE)
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


@pytest.mark.parametrize("prefix", ["", "vit."])
def test_every_weight_of_a_vit_model_finds_its_place(prefix: str, tmp_path: Path) -> None:
    expected = state_of(BARE)
    path = write_vit_model(tmp_path / "model.safetensors", expected, prefix)
    found = read_vit(path, VisionTransformer(BARE))
    unread = ("classifier.", "backbone.patches.")
    kept = {name for name in expected if not name.startswith(unread) and "scale" not in name}
    assert {name for name in found if not name.startswith("backbone.patches.")} == kept
    assert all(torch.equal(found[name], expected[name]) for name in kept)


def test_its_patches_say_of_normalised_pixels_what_they_said_of_grey_ones(tmp_path: Path) -> None:
    expected, encoder = state_of(BARE), VisionTransformer(BARE)
    found = read_vit(write_vit_model(tmp_path / "model.safetensors", expected), encoder)
    pixels = torch.rand(2, 3, 56, 56) * 255
    weight, bias = expected["backbone.patches.weight"], expected["backbone.patches.bias"]
    said = torch.nn.functional.conv2d((pixels - 127.5) / 127.5, weight, bias, 14)
    encoder.patches.load_state_dict({leaf: found[f"backbone.patches.{leaf}"] for leaf in ("weight", "bias")})
    assert torch.allclose(encoder.patches((pixels - encoder.mean) / encoder.std), said, atol=1e-3)


def test_a_run_of_another_size_starts_from_a_vit_model(tmp_path: Path) -> None:
    expected = state_of(BARE)
    path = write_vit_model(tmp_path / "model.safetensors", expected)
    model = RAMSTrans(VisionTransformer(replace(BARE, size_px=84)), 3)
    begin_with_weights(model, path, list)
    assert model.backbone.position.shape == (1, 37, 12)
    assert torch.equal(model.backbone.position[:, 0], expected["backbone.position"][:, 0])
    assert all(torch.equal(token, expected["class_token"]) for token in model.class_tokens)
    assert torch.equal(model.backbone.blocks[1].mlp[2].bias, expected["backbone.blocks.1.mlp.2.bias"])


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (replace(BARE, depth=3), r"lacks 16 weight\(s\) of this ViT, such as 'encoder\.layer\.2\.layernorm_before"),
        (replace(BARE, depth=1), "has more than the 1 blocks of this ViT"),
        (replace(BARE, mlp_ratio=4), r"has 'encoder\.layer\.0\.intermediate.*' of \[24, 12\], this ViT \[48, 12\]"),
        (replace(BARE, patch_px=28), "this ViT"),
    ],
)
def test_a_vit_model_of_another_shape_is_refused_with_what_differs(
    wanted: ViTShape, words: str, tmp_path: Path
) -> None:
    path = write_vit_model(tmp_path / "model.safetensors", state_of(BARE))
    with pytest.raises(DataError, match=words):
        begin_with_weights(PlainTransformer(VisionTransformer(wanted), 3), path, list)


def test_a_file_that_is_no_vit_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"no weights")
    with pytest.raises(DataError, match="does not hold the published weights of a ViT of width 12"):
        begin_with_weights(PlainTransformer(VisionTransformer(BARE), 3), path, list)


def test_weights_of_half_precision_are_read_as_single(tmp_path: Path) -> None:
    path = write_vit_model(tmp_path / "model.safetensors", state_of(BARE))
    save_file({name: tensor.half() for name, tensor in load_file(path).items()}, path)
    assert {tensor.dtype for tensor in read_vit(path, VisionTransformer(BARE)).values()} == {torch.float32}
