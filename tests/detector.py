"""A tiny detector with the border of a published YOLOX: a red cell is a bird, a green one a car; and its bundle.

The graph has three grids and nothing learnt: a cell's mean colour gives its scores, and its box is the cell itself.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from export.detection.bundle import DetectorOrder, make_detector_bundle

SIZE_PX = 64
STRIDES = (8, 16, 32)
CLASSES = ("person", "bird", "bus", "car", "truck")
PLACES = sum((SIZE_PX // stride) ** 2 for stride in STRIDES)
_SHARP = 40.0
_WEIGHT, _BIAS = "head.cls_preds.weight", "head.cls_preds.bias"  # what tells predictors in the published file


def published_detector(size_px: int = SIZE_PX, classes: Sequence[str] = CLASSES) -> onnx.ModelProto:
    """`images` f32 [1, 3, S, S], blue first, in 0..255 -> `output` f32 [1, places, 5 + classes]."""
    columns, places = 5 + len(classes), sum((size_px // stride) ** 2 for stride in STRIDES)
    weight, bias = np.zeros((columns, 3, 1, 1), np.float32), np.zeros(columns, np.float32)
    red, green = (channel / 255 for channel in (_SHARP, _SHARP))
    weight[4, :, 0, 0] = 0, green, red  # something is there
    weight[5 + classes.index("bird"), 2], weight[5 + classes.index("car"), 1] = red, green
    bias[:2], bias[4:] = 0.5, -_SHARP / 2
    constants = {_WEIGHT: weight, _BIAS: bias, "shape": np.array([1, columns, -1])}
    nodes, rows = [], []
    for stride in STRIDES:
        sides = {"kernel_shape": [stride] * 2, "strides": [stride] * 2}
        nodes += [
            helper.make_node("AveragePool", ["images"], [f"mean{stride}"], f"pool{stride}", **sides),
            helper.make_node("Conv", [f"mean{stride}", _WEIGHT, _BIAS], [f"raw{stride}"], f"head{stride}"),
            helper.make_node("Reshape", [f"raw{stride}", "shape"], [f"row{stride}"], f"flatten{stride}"),
        ]
        rows.append(f"row{stride}")
    constants |= {"zero": np.array([0]), "four": np.array([4]), "all": np.array([columns]), "rows": np.array([1])}
    nodes += [
        helper.make_node("Concat", rows, ["columns"], "grids", axis=2),
        helper.make_node("Slice", ["columns", "zero", "four", "rows"], ["box"], "box"),
        helper.make_node("Slice", ["columns", "four", "all", "rows"], ["logits"], "logits"),
        helper.make_node("Sigmoid", ["logits"], ["sure"], "sure"),
        helper.make_node("Concat", ["box", "sure"], ["both"], "both", axis=1),
        helper.make_node("Transpose", ["both"], ["output"], "output", perm=[0, 2, 1]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, size_px, size_px])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, places, columns])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=7)


def make_detector_files(folder: Path) -> DetectorOrder:
    """Write the published file, its classes and two photos; the bundle would go below `folder`/store."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(published_detector(), folder / "published.onnx")
    (folder / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    (folder / "red.png").write_bytes(spot((255, 0, 0)))
    (folder / "green.png").write_bytes(spot((0, 255, 0), at=(64, 32)))
    photos = [folder / "red.png", folder / "green.png"]
    return DetectorOrder(folder / "published.onnx", folder / "classes.txt", photos, folder / "store")


def make_tiny_detector(folder: Path, store: Path) -> Path:
    """Write the bundle into a store."""
    order = make_detector_files(folder)
    return make_detector_bundle(DetectorOrder(order.weights, order.classes, order.samples, store))


def spot(colour: tuple[int, int, int], *, at: tuple[int, int] = (0, 0), side: int = 32, size: int = 128) -> bytes:
    """A black photo with a square of one colour, as a PNG."""
    picture = Image.new("RGB", (size, size))
    picture.paste(colour, (*at, at[0] + side, at[1] + side))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
