"""YOLOX-Nano's maps: shapes, and the reader of the published file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from models.yolox import YoloxStages, _doubled, load_yolox
from tests.published_weights import write_yolox


@torch.inference_mode()
def test_the_file_is_read_in_the_order_in_which_it_runs(tmp_path: Path, one_thread: None) -> None:
    torch.manual_seed(0)
    theirs, ours = YoloxStages().eval(), YoloxStages().eval()
    write_yolox(theirs, tmp_path / "yolox.onnx")
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
    write_yolox(stages, tmp_path / "cut.onnx", left_out=2)
    with pytest.raises(ValueError, match=r"has 102 convolutions besides its predictors; 104 are needed"):
        load_yolox(stages, tmp_path / "cut.onnx")
