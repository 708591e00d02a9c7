"""A published YOLOX as the graph of a detector: bytes in, boxes and scores out, for the classes that belong to a domain.

The published file takes one picture as planes of blue, green and red in 0..255 and gives, for each place of three grids, a
centre and size relative to the place, an objectness and the probabilities of its classes. Here the photo comes as bytes, the
batch is free, boxes are decoded inside, and only the wanted classes are left. Initialisers keep their names.

Source: Ge et al., "YOLOX: Exceeding YOLO Series in 2021", arXiv 2107.08430 (decoupled head, anchor-free).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper, version_converter

from export.onnx import BATCH_AXIS, OPSET
from export.weights import CONSTANT_PREFIX

STRIDES = (8, 16, 32)
_BOX, _OBJECTNESS, _CLASSES = 4, 4, 5  # box values, and the columns that follow
_KEEP = 0  # in a Reshape: as long as the input's axis

Floats = npt.NDArray[np.float32]


def make_detector(published: ModelProto, classes: Sequence[int], facts: Mapping[str, str]) -> ModelProto:
    """Turn the published file into the graph `image` -> `boxes` f32 [B, N, 4], `scores` f32 [B, N, classes].

    Boxes are cx, cy, w, h in 0..1 of the square; a score is objectness times class. `facts` become the file's metadata.

    Raises:
        ValueError: the file has another border than a YOLOX for squares.
    """
    proto = version_converter.convert_version(published, OPSET)
    graph = proto.graph
    (source,), (found,) = graph.input, graph.output
    _, planes, height, width = (dim.dim_value for dim in source.type.tensor_type.shape.dim)
    places = found.type.tensor_type.shape.dim[1].dim_value
    cells, steps = grid(width)
    if planes != 3 or height != width or places != len(cells):
        raise ValueError(f"a detector of {places} places for {planes} planes of {height} x {width} px is no YOLOX")
    _free_batch(proto)
    constants = {
        "blue_first": np.array([2, 1, 0]),
        "cells": cells[None],
        "steps": (steps / width)[None],
        "classes": np.asarray(classes, np.int64) + _CLASSES,
        **{f"column_{at}": np.array([at]) for at in (0, 2, _BOX, _BOX + 1)},
        "axis": np.array([2]),
    }
    border = [*_take(source.name), *graph.node, *_give(found.name)]
    del graph.node[:], graph.input[:], graph.output[:], graph.value_info[:]
    graph.node.extend(border)
    graph.initializer.extend(numpy_helper.from_array(value, _constant(name)) for name, value in constants.items())
    graph.input.append(helper.make_tensor_value_info("image", TensorProto.UINT8, [BATCH_AXIS, height, width, 3]))
    graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [BATCH_AXIS, places, size])
        for name, size in (("boxes", _BOX), ("scores", len(classes)))
    )
    graph.name = "fieldmark"
    for key, value in sorted(facts.items()):
        proto.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def grid(size_px: int) -> tuple[Floats, Floats]:
    """The cell of each place as column and row, f32 [N, 2], and its stride in pixels, f32 [N, 1]; the finest grid first."""
    cells, steps = [], []
    for stride in STRIDES:
        side = size_px // stride
        rows, columns = np.divmod(np.arange(side * side), side)
        cells.append(np.stack([columns, rows], 1))
        steps.append(np.full((side * side, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(steps).astype(np.float32)


def _take(name: str) -> list[NodeProto]:
    """From bytes to the planes that the published graph takes."""
    return [
        helper.make_node("Cast", ["image"], ["border/float"], "border/to_float", to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["border/float"], ["border/planes"], "border/to_planes", perm=[0, 3, 1, 2]),
        helper.make_node("Gather", ["border/planes", _constant("blue_first")], [name], "border/blue_first", axis=1),
    ]


def _give(name: str) -> list[NodeProto]:
    """From relative boxes to boxes of the square, and from two probabilities to one score."""

    def columns(start: int, end: int, to: str) -> NodeProto:
        bounds = [_constant(f"column_{start}"), _constant(f"column_{end}"), _constant("axis")]
        return helper.make_node("Slice", [name, *bounds], [to], f"{to}_of_all")

    return [
        columns(0, 2, "border/offset"),
        columns(2, _BOX, "border/logarithm"),
        columns(_OBJECTNESS, _OBJECTNESS + 1, "border/objectness"),
        helper.make_node("Add", ["border/offset", _constant("cells")], ["border/place"], "border/add_cell"),
        helper.make_node("Mul", ["border/place", _constant("steps")], ["border/centre"], "border/scale_centre"),
        helper.make_node("Exp", ["border/logarithm"], ["border/relative"], "border/exp"),
        helper.make_node("Mul", ["border/relative", _constant("steps")], ["border/sides"], "border/scale_sides"),
        helper.make_node("Concat", ["border/centre", "border/sides"], ["boxes"], "border/boxes", axis=2),
        helper.make_node("Gather", [name, _constant("classes")], ["border/classes"], "border/wanted", axis=2),
        helper.make_node("Mul", ["border/classes", "border/objectness"], ["scores"], "border/scores"),
    ]


def _free_batch(proto: ModelProto) -> None:
    """Let each Reshape keep the batch that it is given; the published file has a batch of one."""
    shapes = {node.input[1] for node in proto.graph.node if node.op_type == "Reshape"}
    for tensor in proto.graph.initializer:
        if tensor.name in shapes:
            shape = numpy_helper.to_array(tensor).copy()
            shape[0] = _KEEP
            tensor.CopyFrom(numpy_helper.from_array(shape, tensor.name))


def _constant(name: str) -> str:
    return f"{CONSTANT_PREFIX}{name}"
