"""Tiny but complete bundles, made in a moment: the weights with which the service is tested.

The ONNX ones tell colours apart (a photo that is mostly red is `Red`), the fakes follow
`service/engine/backends/testing.py`. `make_bundle` writes one, `rewrite_manifest` spoils one on purpose,
`solid_photo` makes the photo to ask it about.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from models.manifest import MANIFEST_NAME, Backend, Manifest, file_sha256
from models.sections import Calibration, ImageInput, Licence, Output, Variant
from service.engine.backends.testing import brightness_output

COLOURS = {"Red": (255, 0, 0), "Green": (0, 255, 0), "Blue": (0, 0, 255)}
CELL_PX = 8
FEATURES = 3


def make_bundle(
    store: Path,
    *,
    name: str = "colours",
    version: str = "1.0.0",
    domain: str = "colours",
    classes: int = 3,
    default: bool = True,
    backend: Backend = "onnx",
    size_px: int = 32,
    **fields: Any,
) -> Path:
    """Write a complete bundle below `store` and return its folder, `store/name/version`.

    `fields` are other fields of the manifest, or replace them: `fake`, `calibration`, `batch_curve_ms`, `licence` ...
    """
    folder = store / name / version
    folder.mkdir(parents=True)
    cells = size_px // CELL_PX
    outputs = (
        Output(name="logits", shape=(classes,)),
        Output(name="features", shape=(FEATURES,)),
        Output(name="activation", shape=(cells, cells)),
    )
    _write_labels(folder / "labels.csv", classes)
    (folder / "card.md").write_text(f"# {name} {version}\n\nMade by the tests.\n")
    if backend == "onnx":
        model = colour_graph(classes, size_px)
        (folder / "model.onnx").write_bytes(model.SerializeToString())
        fields = {
            "graphs": {"main": "model.onnx"},
            "variants": (Variant(file="model.onnx", precision="fp32"),),
        } | fields
        _write_samples(folder, size_px)
    else:
        _write_fake_samples(folder, size_px, outputs)
    values = {
        "system": "plain" if backend == "onnx" else "testing",
        "task": "classify",
        "levels": ("warmth", "hue"),
        "image": ImageInput(size_px=size_px, fit="squash"),
        "calibration": Calibration(),
        "licence": Licence(name="CC0-1.0", research_only=False),
    } | fields
    files = {path.name: file_sha256(path) for path in sorted(folder.iterdir())}
    manifest = Manifest(
        name=name, version=version, domain=domain, default=default, outputs=outputs, files=files,
        backend=backend, **values,
    )  # fmt: skip
    (folder / MANIFEST_NAME).write_text(manifest.model_dump_json(indent=2))
    return folder


def rewrite_manifest(folder: Path, **changes: Any) -> None:
    """Replace fields of a bundle's manifest, valid or not, and bring its file digests up to date."""
    path = folder / MANIFEST_NAME
    values = json.loads(path.read_text())
    values["files"] = {file: file_sha256(folder / file) for file in values["files"] if (folder / file).is_file()}
    path.write_text(json.dumps(values | changes))


def solid_photo(
    colour: tuple[int, int, int] = (255, 0, 0), *, width: int = 64, height: int = 48, image_format: str = "JPEG"
) -> bytes:
    """A photo of one colour, encoded."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, image_format)
    return buffer.getvalue()


def colour_graph(classes: int, size_px: int) -> onnx.ModelProto:
    """A classifier with the borders of a real one: the mean colour decides, and each cell shows its evidence."""
    directions = np.random.default_rng(0).normal(size=(FEATURES, max(classes, FEATURES))).astype(np.float32)
    directions[:, :FEATURES] = 12 * np.eye(FEATURES, dtype=np.float32) - 4
    cells = size_px // CELL_PX
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], "to_float", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["scaled"], "scale_pixels"),
        helper.make_node("Transpose", ["scaled"], ["planes"], "to_planes", perm=[0, 3, 1, 2]),
        helper.make_node("ReduceMean", ["planes", "plane_axes"], ["features"], "mean_colour", keepdims=0),
        helper.make_node("MatMul", ["features", "directions"], ["logits"], "class_scores"),
        helper.make_node(
            "AveragePool", ["planes"], ["cells"], "pool", kernel_shape=[CELL_PX] * 2, strides=[CELL_PX] * 2
        ),
        helper.make_node("ReduceMax", ["cells", "channel_axis"], ["activation"], "evidence", keepdims=0),
    ]
    constants = [
        numpy_helper.from_array(np.float32(1 / 255), "scale"),
        numpy_helper.from_array(directions[:, :classes].copy(), "directions"),
        numpy_helper.from_array(np.array([2, 3]), "plane_axes"),
        numpy_helper.from_array(np.array([1]), "channel_axis"),
    ]
    inputs = [helper.make_tensor_value_info("image", TensorProto.UINT8, ["B", size_px, size_px, 3])]
    outputs = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", classes]),
        helper.make_tensor_value_info("features", TensorProto.FLOAT, ["B", FEATURES]),
        helper.make_tensor_value_info("activation", TensorProto.FLOAT, ["B", cells, cells]),
    ]
    graph = helper.make_graph(nodes, "colours", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def _write_labels(path: Path, classes: int) -> None:
    names = [*COLOURS, *(f"Hue {index}" for index in range(len(COLOURS), classes))][:classes]
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["class_id", "label", "warmth", "hue"])
        for index, label in enumerate(names):
            table.writerow(
                [f"{index:03d}.{label.replace(' ', '_')}", label, "warm" if index == 0 else "cool", label.lower()]
            )


def _write_samples(folder: Path, size_px: int) -> None:
    images = np.stack([np.full((size_px, size_px, 3), colour, np.uint8) for colour in COLOURS.values()])
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    logits, features, activation = session.run(["logits", "features", "activation"], {"image": images})
    np.savez_compressed(folder / "samples.npz", image=images, logits=logits, features=features, activation=activation)


def _write_fake_samples(folder: Path, size_px: int, outputs: tuple[Output, ...]) -> None:
    """One black photo: no trigger at or above 0 is struck by it, so a bundle whose faults are triggered loads."""
    expected = {output.name: brightness_output(np.zeros(1), output.shape) for output in outputs}
    np.savez_compressed(folder / "samples.npz", image=np.zeros((1, size_px, size_px, 3), np.uint8), **expected)
