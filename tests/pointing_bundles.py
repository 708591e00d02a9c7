"""Tiny bundles that read words, made in a moment: one finds a colour in a photo, the other says which colour there is.

They are no trained models: each cell of the photo has its mean colour, a colour word of an expression or a question chooses
the channel, and what is asked for is where that channel is strong, so that a test can tell what the answer should be. Graphs
that the exporter made of real systems are tested in `tests/export`.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import NodeProto, TensorProto, helper, numpy_helper

from models.canvas import visible_cells
from models.manifest import MANIFEST_NAME, Manifest, file_sha256
from models.sections import Calibration, ImageInput, Licence, Output, Variant, WordsInput
from models.text import VOCABULARY_NAME
from models.text.expressions import PieceVocabulary
from models.text.questions import QuestionVocabulary
from models.text.word_files import write_words

SIZE_PX = 64
CELL_PX = 16
SIDE = SIZE_PX // CELL_PX
CELLS = SIDE**2
LENGTH = 8
COLOURS = ("red", "green", "blue")
#: 16 cells of 64 px; a person's ten by ten would be the same.
PIECES = PieceVocabulary(length=LENGTH, pieces=("the", *COLOURS, "thing", "##s"))
QUESTIONS = QuestionVocabulary(length=LENGTH, words=("what", "is", "the", "thing", *COLOURS))
ANSWERS = ("nothing", *COLOURS)
SHARP = 20.0


def make_ground_bundle(store: Path, *, name: str = "pointer", **fields: Any) -> Path:
    """Write a bundle that finds the part of a photo that has a named colour; presence is above 0 where there is one."""
    folder = _folder(store, name)
    graphs = {"vision": vision_graph(), "fuse": fuse_graph()}
    for graph, proto in graphs.items():
        (folder / f"{graph}.onnx").write_bytes(proto.SerializeToString())
    write_words(folder / VOCABULARY_NAME, PIECES)
    said = [PIECES.encode(expression) for expression in ("the red thing", "blue")]
    samples = {
        "image": np.stack([two_halves((255, 0, 0), (0, 0, 255)), two_halves((0, 255, 0), (0, 0, 255))]),
        "tokens": np.stack([expression.tokens for expression in said]),
        "token_mask": np.stack([expression.mask for expression in said]),
        "cell_mask": np.stack([visible_cells(SIZE_PX, SIZE_PX, SIZE_PX, CELL_PX)] * 2),
    }
    features = _run(graphs["vision"], {"image": samples["image"]})
    words = {key: value for key, value in samples.items() if key != "image"}
    np.savez_compressed(folder / "samples.npz", **samples, **_run(graphs["fuse"], features | words))
    return _write_manifest(
        folder,
        system="referring",
        task="ground",
        image=ImageInput(size_px=SIZE_PX, fit="letterbox"),
        text=WordsInput(kind="expression", length=LENGTH),
        outputs=(
            Output(name="features", shape=(CELLS, 3)),
            Output(name="box", shape=(4,)),
            Output(name="conf", shape=(2,)),
        ),
        graphs={"vision": "vision.onnx", "fuse": "fuse.onnx"},
        **fields,
    )


def make_answer_bundle(store: Path, *, name: str = "teller", **fields: Any) -> Path:
    """Write a bundle that says which colour is strongest in a photo, and keeps the cells that have any."""
    folder = _folder(store, name)
    proto = answer_graph()
    (folder / "model.onnx").write_bytes(proto.SerializeToString())
    write_words(folder / VOCABULARY_NAME, QUESTIONS)
    with (folder / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["class_id", "label"])
        table.writerows([answer, answer] for answer in ANSWERS)
    said = QUESTIONS.encode("What is the thing?")
    samples = {
        "image": two_halves((255, 0, 0), (0, 0, 0))[None],
        "tokens": said.tokens[None],
        "token_mask": said.mask[None],
    }
    np.savez_compressed(folder / "samples.npz", **samples, **_run(proto, samples))
    return _write_manifest(
        folder,
        system="hard_attention",
        task="answer",
        image=ImageInput(size_px=SIZE_PX, fit="squash"),
        text=WordsInput(kind="question", length=LENGTH),
        outputs=(
            Output(name="logits", shape=(len(ANSWERS),)),
            Output(name="kept", shape=(CELLS,)),
            Output(name="relevance", shape=(CELLS,)),
        ),
        graphs={"main": "model.onnx"},
        **fields,
    )


def two_halves(left: tuple[int, int, int], right: tuple[int, int, int], size_px: int = SIZE_PX) -> Any:
    """A square of two colours side by side: uint8 [size_px, size_px, 3]."""
    pixels = np.empty((size_px, size_px, 3), np.uint8)
    pixels[:, : size_px // 2], pixels[:, size_px // 2 :] = left, right
    return pixels


def vision_graph() -> onnx.ModelProto:
    """`image` -> `features`, the mean colour of each cell in 0..1."""
    constants = {"scale": np.float32(1 / 255), "flat": np.array([0, 3, CELLS])}
    return _model(_cells("seen"), constants, [("image", TensorProto.UINT8, _IMAGE)], {"seen": ("features", (CELLS, 3))})


def fuse_graph() -> onnx.ModelProto:
    """The colour that the words name, against half of the two others, by cell: where it is and whether it is anywhere."""
    table = np.full((PIECES.size, 3), 0.0, np.float32)
    for channel, colour in enumerate(COLOURS):
        row = PIECES.encode(colour).tokens[1]
        table[row] = -0.5
        table[row, channel] = 1.0
    place = (np.arange(SIDE) + 0.5) / SIDE
    centres = np.stack([np.tile(place, SIDE), np.repeat(place, SIDE)], 1).astype(np.float32)
    constants = {
        "table": table, "centres": centres, "words_axis": np.array([1]), "last": np.array([2]), "sharp": np.float32(SHARP),
        "bars": np.float32(1e4), "one": np.float32(1), "half": np.float32(0.5), "cells_axis": np.array([1]),
        "spread": np.float32(3.464), "rows": np.array([0, 1, CELLS]), "pair": np.array([0, 2]), "least": np.float32(1e-4),
    }  # fmt: skip
    nodes = [
        helper.make_node("Gather", ["table", "tokens"], ["word_colours"], "look_up"),
        helper.make_node("Unsqueeze", ["token_mask", "last"], ["mask3"], "mask_words"),
        helper.make_node("Mul", ["word_colours", "mask3"], ["heard"], "hear"),
        helper.make_node("ReduceSum", ["heard", "words_axis"], ["wanted"], "sum_words", keepdims=1),
        helper.make_node("Mul", ["features", "wanted"], ["by_channel"], "compare"),
        helper.make_node("ReduceSum", ["by_channel", "last"], ["evidence"], "evidence", keepdims=0),
        helper.make_node("Mul", ["evidence", "sharp"], ["logits"], "sharpen"),
        helper.make_node("Sub", ["cell_mask", "one"], ["outside"], "outside"),
        helper.make_node("Mul", ["outside", "bars"], ["masked"], "far_down"),
        helper.make_node("Add", ["logits", "masked"], ["scores"], "leave_bars_out"),
        helper.make_node("Softmax", ["scores"], ["share"], "share", axis=1),
        helper.make_node("Reshape", ["share", "rows"], ["share_row"], "share_row"),
        helper.make_node("MatMul", ["share_row", "centres"], ["mean3"], "mean_place"),
        helper.make_node("Reshape", ["mean3", "pair"], ["centre"], "centre"),
        helper.make_node("Sub", ["centres", "mean3"], ["apart"], "apart"),
        helper.make_node("Mul", ["apart", "apart"], ["squared"], "square"),
        helper.make_node("MatMul", ["share_row", "squared"], ["variance3"], "variance"),
        helper.make_node("Reshape", ["variance3", "pair"], ["variance"], "drop_row"),
        helper.make_node("Add", ["variance", "least"], ["positive"], "positive"),
        helper.make_node("Sqrt", ["positive"], ["deviation"], "deviation"),
        helper.make_node("Mul", ["deviation", "spread"], ["sides"], "sides"),
        helper.make_node("Concat", ["centre", "sides"], ["box"], "box", axis=1),
        helper.make_node("ReduceMax", ["evidence", "cells_axis"], ["strongest"], "strongest", keepdims=1),
        helper.make_node("Sub", ["strongest", "half"], ["beyond"], "beyond"),
        helper.make_node("Mul", ["beyond", "sharp"], ["presence"], "presence"),
        helper.make_node("Concat", ["presence", "strongest"], ["conf"], "conf", axis=1),
    ]
    inputs = [
        ("features", TensorProto.FLOAT, (CELLS, 3)),
        ("tokens", TensorProto.INT64, (LENGTH,)),
        ("token_mask", TensorProto.FLOAT, (LENGTH,)),
        ("cell_mask", TensorProto.FLOAT, (CELLS,)),
    ]
    return _model(nodes, constants, inputs, {"box": ("box", (4,)), "conf": ("conf", (2,))})


def answer_graph() -> onnx.ModelProto:
    """The strongest channel of the mean colour, or nothing; the cells with any colour are kept. A colour word counts, too."""
    table = np.zeros((QUESTIONS.size, len(ANSWERS)), np.float32)
    for column, colour in enumerate(COLOURS, 1):
        table[QUESTIONS.encode(colour).tokens[0], column] = 1.0
    constants = {
        "scale": np.float32(1 / 255), "flat": np.array([0, 3, CELLS]), "table": table, "cells_axis": np.array([1]),
        "last": np.array([2]), "sharp": np.float32(SHARP), "some": np.float32(0.2), "bias": np.full((1, 1), 0.1, np.float32),
    }  # fmt: skip
    nodes = [
        *_cells("cells"),
        helper.make_node("ReduceMean", ["cells", "cells_axis"], ["colour"], "mean_colour", keepdims=0),
        helper.make_node("ReduceMax", ["colour", "cells_axis"], ["any"], "any", keepdims=1),
        helper.make_node("Mul", ["any", "bias"], ["nothing"], "nothing"),
        helper.make_node("Concat", ["nothing", "colour"], ["seen"], "seen", axis=1),
        helper.make_node("Gather", ["table", "tokens"], ["word_colours"], "look_up"),
        helper.make_node("Unsqueeze", ["token_mask", "last"], ["mask3"], "mask_words"),
        helper.make_node("Mul", ["word_colours", "mask3"], ["heard"], "hear"),
        helper.make_node("ReduceSum", ["heard", "cells_axis"], ["told"], "sum_words", keepdims=0),
        helper.make_node("Add", ["seen", "told"], ["both"], "both"),
        helper.make_node("Mul", ["both", "sharp"], ["logits"], "logits"),
        helper.make_node("ReduceMax", ["cells", "last"], ["relevance"], "relevance", keepdims=0),
        helper.make_node("Greater", ["relevance", "some"], ["is_kept"], "is_kept"),
        helper.make_node("Cast", ["is_kept"], ["kept"], "kept", to=TensorProto.FLOAT),
    ]
    inputs = [
        ("image", TensorProto.UINT8, _IMAGE),
        ("tokens", TensorProto.INT64, (LENGTH,)),
        ("token_mask", TensorProto.FLOAT, (LENGTH,)),
    ]
    outputs = {"logits": (len(ANSWERS),), "kept": (CELLS,), "relevance": (CELLS,)}
    return _model(nodes, constants, inputs, {name: (name, shape) for name, shape in outputs.items()})


_IMAGE = (SIZE_PX, SIZE_PX, 3)


def _cells(name: str) -> list[NodeProto]:
    """From `image` to the mean colour of each cell, f32 [N, cells, 3]."""
    return [
        helper.make_node("Cast", ["image"], ["float"], "to_float", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["scaled"], "scale_pixels"),
        helper.make_node("Transpose", ["scaled"], ["planes"], "to_planes", perm=[0, 3, 1, 2]),
        helper.make_node(
            "AveragePool", ["planes"], ["pooled"], "pool", kernel_shape=[CELL_PX] * 2, strides=[CELL_PX] * 2
        ),
        helper.make_node("Reshape", ["pooled", "flat"], ["by_plane"], "flatten"),
        helper.make_node("Transpose", ["by_plane"], [name], "to_cells", perm=[0, 2, 1]),
    ]


def _model(
    nodes: list[NodeProto],
    constants: dict[str, Any],
    inputs: list[tuple[str, int, tuple[int, ...]]],
    outputs: dict[str, tuple[str, tuple[int, ...]]],
) -> onnx.ModelProto:
    """A checked model; `outputs` maps what a node makes to the output's name and shape."""
    renamed = {made: name for made, (name, _) in outputs.items()}
    for node in nodes:
        node.output[:] = [renamed.get(output, output) for output in node.output]
        node.input[:] = [renamed.get(source, source) for source in node.input]
    graph = helper.make_graph(
        nodes,
        "pointing",
        [helper.make_tensor_value_info(name, kind, ["B", *shape]) for name, kind, shape in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", *shape]) for name, shape in outputs.values()],
        [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def _run(proto: onnx.ModelProto, inputs: dict[str, Any]) -> dict[str, Any]:
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def _folder(store: Path, name: str) -> Path:
    folder = store / name / "1.0.0"
    folder.mkdir(parents=True)
    (folder / "card.md").write_text(f"# {name}\n\nMade by the tests.\n")
    return folder


def _write_manifest(folder: Path, **fields: Any) -> Path:
    values = {
        "calibration": Calibration(),
        "licence": Licence(name="CC0-1.0", research_only=False),
        "variants": tuple(Variant(file=file, precision="fp32") for file in fields["graphs"].values()),
    } | fields
    files = {path.name: file_sha256(path) for path in sorted(folder.iterdir())}
    manifest = Manifest(name=folder.parent.name, version=folder.name, default=True, files=files, **values)
    (folder / MANIFEST_NAME).write_text(manifest.model_dump_json(indent=2))
    return folder
