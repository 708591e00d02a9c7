"""Tiny bundles with the border of every system, made in a moment: text in, explanation parts out.

They are no trained models: the mean colour decides as in `tests.bundles`, a colour word in a phrase adds to its class,
and each explanation part is computed from the photo, so that a test can tell what it should be. `make_system_bundle`
writes one; graphs that the exporter made of real systems are tested in `tests/export`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import NodeProto, TensorProto, helper, numpy_helper

from models.manifest import System
from models.sections import Output, TextInput
from models.text import VOCABULARY_NAME, Vocabulary, write_vocabulary
from tests.bundles import COLOURS, make_bundle, rewrite_manifest

SIZE_PX = 64
BLOCK_PX = 32
BLOCKS = (SIZE_PX // BLOCK_PX) ** 2
STAGES = 3
GRID = 31
TEXT = TextInput(phrases=4, words=3)
#: What a colour word adds to its class's score; more than any photo of one colour has over another.
WORD_SCORE = 20.0
VOCABULARY = Vocabulary(
    phrases=TEXT.phrases,
    length=TEXT.words,
    words=("red", "green", "blue", "crown", "wing"),
    heads=("crown", "wing"),
    alone=("crown",),
    synonyms={"scarlet": "red"},
)


def make_system_bundle(store: Path, system: System, **fields: Any) -> Path:
    """Write a bundle of a system below `store` and return its folder; `fields` as for `make_bundle`.

    The manifest's `text` and `vocabulary.json` come with the system `pma` alone.
    """
    folder = make_bundle(store, **{"name": system.replace("_", "-"), "size_px": SIZE_PX} | fields)
    graph = system_graph(system, int(fields.get("classes", len(COLOURS))))
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
    changes: dict[str, Any] = {"system": system, "outputs": [o.model_dump(mode="json") for o in outputs_of(graph)]}
    files = {path.name: "" for path in folder.iterdir() if path.name != "manifest.json"}
    if system == "pma":
        write_vocabulary(folder / VOCABULARY_NAME, VOCABULARY)
        changes["text"] = TEXT.model_dump()
        files[VOCABULARY_NAME] = ""
    _write_samples(folder, system)
    rewrite_manifest(folder, files=files)  # the digests are filled in by the second pass
    rewrite_manifest(folder, **changes)
    return folder


def system_graph(system: System, classes: int) -> onnx.ModelProto:
    """The graph: `image`, and `phrases` for `pma`, to `logits`, `features` and the system's explanation parts."""
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(3, max(classes, 3))).astype(np.float32)
    directions[:, :3] = 12 * np.eye(3, dtype=np.float32) - 4
    constants = {
        "scale": np.float32(1 / 255),
        "directions": directions[:, :classes],
        "plane_axes": np.array([2, 3]),
        "one": np.array([1]),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], "to_float", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["scaled"], "scale_pixels"),
        helper.make_node("Transpose", ["scaled"], ["planes"], "to_planes", perm=[0, 3, 1, 2]),
        helper.make_node("ReduceMean", ["planes", "plane_axes"], ["features"], "mean_colour", keepdims=0),
        helper.make_node("MatMul", ["features", "directions"], ["seen"], "class_scores"),
        helper.make_node("ReduceMax", ["planes", "one"], ["bright"], "brightness"),
    ]
    outputs: dict[str, tuple[int, ...]] = {"logits": (classes,), "features": (3,)}
    logits = "seen"
    if system in ("pma", "pma_visual"):
        _add_stages(nodes, constants, outputs)
    if system == "pma":
        _add_phrases(nodes, constants, outputs, classes)
        logits = "told"
    elif system == "s3n":
        _add_peaks(nodes, constants, outputs)
    elif system == "rams_trans":
        _add_region(nodes, constants, outputs)
    elif system in ("plain", "pma_student"):
        _add_activation(nodes, outputs)
    nodes.append(helper.make_node("Identity", [logits], ["logits"], "answer"))
    return _model(nodes, constants, outputs, reads_text=system == "pma")


def _add_stages(nodes: list[NodeProto], constants: dict[str, Any], outputs: dict[str, tuple[int, ...]]) -> None:
    """The three brightest blocks, with their shares of all brightness as weights."""
    constants |= {"stages": np.array([STAGES]), "row": np.array([0, BLOCKS])}
    nodes += [
        _pool("bright", "block_means", BLOCK_PX),
        helper.make_node("Reshape", ["block_means", "row"], ["blocks"], "flatten_blocks"),
        helper.make_node("Softmax", ["blocks"], ["shares"], "shares", axis=1),
        helper.make_node("TopK", ["shares", "stages"], ["stage_weight", "stage_block"], "stages", axis=1),
    ]
    outputs |= {"stage_block": (STAGES,), "stage_weight": (STAGES,)}


def _add_phrases(
    nodes: list[NodeProto], constants: dict[str, Any], outputs: dict[str, tuple[int, ...]], classes: int
) -> None:
    """A colour word adds to its class; every stage gives each phrase its share of the words."""
    table = np.zeros((VOCABULARY.size, classes), np.float32)
    for word, column in zip(("red", "green", "blue"), range(classes), strict=False):
        table[VOCABULARY.encode([word])[0, 0], column] = WORD_SCORE
    constants |= {
        "table": table,
        "pad": np.array(0, np.int64),
        "text_axes": np.array([1, 2]),
        "last": np.array([2]),
        "least": np.float32(1e-6),
        "each_stage": np.ones((1, STAGES, 1), np.float32),
    }
    nodes += [
        helper.make_node("Gather", ["table", "phrases"], ["word_scores"], "look_up"),
        helper.make_node("ReduceSum", ["word_scores", "text_axes"], ["text_scores"], "sum_words", keepdims=0),
        helper.make_node("Add", ["seen", "text_scores"], ["told"], "add_text"),
        helper.make_node("Greater", ["phrases", "pad"], ["is_word"], "is_word"),
        helper.make_node("Cast", ["is_word"], ["word"], "word_count", to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["word", "last"], ["words"], "words_a_phrase", keepdims=0),
        helper.make_node("ReduceSum", ["words", "one"], ["all_words"], "words_a_text"),
        helper.make_node("Max", ["all_words", "least"], ["divisor"], "at_least"),
        helper.make_node("Div", ["words", "divisor"], ["phrase_shares"], "phrase_shares"),
        helper.make_node("Unsqueeze", ["phrase_shares", "one"], ["phrase_row"], "phrase_row"),
        helper.make_node("Mul", ["phrase_row", "each_stage"], ["phrase_weight"], "to_stages"),
    ]
    outputs["phrase_weight"] = (STAGES, TEXT.phrases)


def _add_peaks(nodes: list[NodeProto], constants: dict[str, Any], outputs: dict[str, tuple[int, ...]]) -> None:
    """Two bumps, at a quarter and at three quarters of both sides, as high as the photo is bright."""
    cells = np.arange(GRID)
    bumps = [np.exp(-((cells - at * (GRID - 1)) ** 2) / 18) for at in (0.25, 0.75)]
    constants |= {
        "bumps": np.stack([np.outer(bump, bump) for bump in bumps]).astype(np.float32)[None],
        "places": np.array([[[0.25, 0.25, 0, 1], [0.75, 0.75, 0, 1]]], np.float32),
        "value": np.array([[[0, 0, 1, 0], [0, 0, 0.5, 0]]], np.float32),
        "spread_axes": np.array([1, 2]),
    }
    nodes += [
        helper.make_node("ReduceMean", ["bright", "plane_axes"], ["level4"], "level"),
        helper.make_node("Mul", ["level4", "bumps"], ["attention"], "attention"),
        helper.make_node("ReduceMean", ["level4", "one"], ["level3"], "drop_plane", keepdims=0),
        helper.make_node("Mul", ["level3", "value"], ["values"], "peak_values"),
        helper.make_node("Add", ["values", "places"], ["peaks"], "peaks"),
    ]
    outputs |= {"peaks": (2, 4), "attention": (2, GRID, GRID)}


def _add_region(nodes: list[NodeProto], constants: dict[str, Any], outputs: dict[str, tuple[int, ...]]) -> None:
    """The upper left quarter, wherever the photo is not."""
    constants |= {"box": np.array([[0.0, 0.0, 0.5, 0.5]], np.float32), "nothing": np.zeros((3, 4), np.float32)}
    nodes += [
        helper.make_node("MatMul", ["features", "nothing"], ["zeros"], "zeros"),
        helper.make_node("Add", ["zeros", "box"], ["region"], "region"),
    ]
    outputs["region"] = (4,)


def _add_activation(nodes: list[NodeProto], outputs: dict[str, tuple[int, ...]]) -> None:
    nodes += [
        _pool("bright", "cells", BLOCK_PX),
        helper.make_node("Squeeze", ["cells", "one"], ["activation"], "activation"),
    ]
    outputs["activation"] = (SIZE_PX // BLOCK_PX, SIZE_PX // BLOCK_PX)


def _pool(source: str, target: str, side: int) -> NodeProto:
    return helper.make_node("AveragePool", [source], [target], target, kernel_shape=[side, side], strides=[side, side])


def _model(
    nodes: list[NodeProto], constants: dict[str, Any], outputs: dict[str, tuple[int, ...]], reads_text: bool
) -> onnx.ModelProto:
    inputs = [helper.make_tensor_value_info("image", TensorProto.UINT8, ["B", SIZE_PX, SIZE_PX, 3])]
    if reads_text:
        shape = ["B", TEXT.phrases, TEXT.words]
        inputs.append(helper.make_tensor_value_info("phrases", TensorProto.INT64, shape))
    made = [
        helper.make_tensor_value_info(
            name, TensorProto.INT64 if name == "stage_block" else TensorProto.FLOAT, ["B", *shape]
        )
        for name, shape in outputs.items()
    ]
    read = {name for node in nodes for name in node.input}
    stored = [numpy_helper.from_array(np.ascontiguousarray(v), k) for k, v in constants.items() if k in read]
    graph = helper.make_graph(nodes, "system", inputs, made, stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def outputs_of(model: onnx.ModelProto) -> list[Output]:
    """The graph's outputs as a manifest lists them."""
    return [
        Output(
            name=value.name,
            dtype="int64" if value.type.tensor_type.elem_type == TensorProto.INT64 else "float32",
            shape=tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim[1:]),
        )
        for value in model.graph.output
    ]


def _write_samples(folder: Path, system: System) -> None:
    images = np.stack([np.full((SIZE_PX, SIZE_PX, 3), colour, np.uint8) for colour in COLOURS.values()])
    inputs = {"image": images}
    if system == "pma":
        texts = (["red crown"], ["green wing", "blue crown"], [])
        inputs["phrases"] = np.stack([VOCABULARY.encode(phrases) for phrases in texts])
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    logits, features = session.run(["logits", "features"], inputs)
    np.savez_compressed(folder / "samples.npz", **inputs, logits=logits, features=features)
