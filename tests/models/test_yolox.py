"""YOLOX-Nano's maps: shapes, and the reader of the published file."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from models.yolox import YoloxStages, _doubled, load_yolox


def write_published(stages: YoloxStages, path: Path, left_out: int = 0) -> None:
    """A file as published: convolutions in the order in which they run, weights named by numbers, a predictor among them."""
    nodes, tensors = [], []
    convolutions = [module for module in stages.modules() if isinstance(module, nn.Conv2d)]
    names = [str(1000 + number) for number in range(len(convolutions) - left_out)]
    for name, convolution in zip(names, convolutions, strict=False):
        tensors.append(numpy_helper.from_array(convolution.weight.detach().numpy(), name))
        assert convolution.bias is not None
        tensors.append(numpy_helper.from_array(convolution.bias.detach().numpy(), f"{name}b"))
        nodes.append(helper.make_node("Conv", ["x", name, f"{name}b"], [f"y{name}"]))
    nodes.insert(80, helper.make_node("Conv", ["x", "head.cls_preds.0.weight", "head.cls_preds.0.bias"], ["p"]))
    graph = helper.make_graph(
        nodes, "yolox", [helper.make_tensor_value_info("x", TensorProto.FLOAT, None)], [], tensors
    )
    onnx.save(helper.make_model(graph), path)


@torch.inference_mode()
def test_the_file_is_read_in_the_order_in_which_it_runs(tmp_path: Path, one_thread: None) -> None:
    torch.manual_seed(0)
    theirs, ours = YoloxStages().eval(), YoloxStages().eval()
    write_published(theirs, tmp_path / "yolox.onnx")
    load_yolox(ours, tmp_path / "yolox.onnx")
    image = torch.rand(1, 3, 64, 64) * 255
    for found, expected in zip(ours(image), theirs(image.flip(1)), strict=True):  # they take BGR
        assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert [tuple(map_.shape[1:]) for map_ in ours(image)] == [(128, 8, 8), (128, 4, 4), (128, 2, 2)]


def test_a_coarse_map_is_doubled_cell_by_cell() -> None:
    coarse = torch.arange(12.0).reshape(1, 2, 2, 3)
    expected = nn.functional.interpolate(coarse, scale_factor=2.0, mode="nearest")
    assert torch.equal(_doubled(coarse), expected)


def test_another_file_is_refused(tmp_path: Path) -> None:
    stages = YoloxStages()
    write_published(stages, tmp_path / "cut.onnx", left_out=2)
    with pytest.raises(ValueError, match=r"has 102 convolutions besides its predictors; 104 are needed"):
        load_yolox(stages, tmp_path / "cut.onnx")
