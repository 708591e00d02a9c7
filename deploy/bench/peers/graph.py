"""The bundle's graph as a tutorial would have it: float planes in, with the normalisation left to numpy.

Fieldmark's graphs take uint8 pixels and normalise them inside. A tutorial's server does that in numpy, so it gets the
same network cut behind the normalisation, and the mean and deviation that the cut part applied. Needs the `onnx`
package of the dev environment.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx.utils import Extractor

from models.manifest import read_manifest

_NORMALISING = {"Transpose", "Cast", "Sub", "Add", "Mul", "Div"}


def plain_graph(bundle: Path, folder: Path) -> None:
    """Write `plain.onnx`, its `recipe.json` (mean, std of RGB in 0..1, size, temperature) and `labels.csv`."""
    manifest = read_manifest(bundle)
    model = onnx.load(bundle / manifest.graphs["main"])
    border = _end_of_normalisation(model.graph)
    model = onnx.shape_inference.infer_shapes(model)
    extractor = Extractor(model)
    head = extractor.extract_model(["image"], [border])
    offset, slope = _affine(head, manifest.image.size_px)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(extractor.extract_model([border], ["logits"]), folder / "plain.onnx")
    recipe = {
        "size_px": manifest.image.size_px,
        "temperature": manifest.calibration.temperature,
        "mean": (-offset / slope / 255.0).tolist(),
        "std": (1.0 / slope / 255.0).tolist(),
    }
    (folder / "recipe.json").write_text(json.dumps(recipe))
    shutil.copyfile(bundle / "labels.csv", folder / "labels.csv")


def _end_of_normalisation(graph: onnx.GraphProto) -> str:
    """Follow the input through what only casts, moves and scales it."""
    name = "image"
    while True:
        users = [node for node in graph.node if name in node.input]
        if len(users) != 1 or users[0].op_type not in _NORMALISING:
            return name
        name = users[0].output[0]


def _affine(head: onnx.ModelProto, size_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Offset and slope per channel of the cut part, found by sending it a black and a white picture."""
    session = onnxruntime.InferenceSession(head.SerializeToString(), providers=["CPUExecutionProvider"])
    black, white = (
        session.run(None, {"image": np.full((1, size_px, size_px, 3), value, np.uint8)})[0][0].mean(axis=(1, 2))
        for value in (0, 255)
    )
    return black.astype(np.float64), (white.astype(np.float64) - black) / 255.0
