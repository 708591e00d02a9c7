"""From a published detector to a bundle: graph, labels with their domains, card, samples, manifest; all or nothing.

Owns which of the published classes belong to a domain, the threshold of a proposal, and the folder. Nothing is trained and
nothing is measured here: the weights are their authors'.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from export.detection.graph import make_detector
from export.folder import new_bundle
from export.manifest import GRAPH_NAME, outputs_of
from export.operators import check_graph
from models.bundle import check_bundle
from models.manifest import MANIFEST_NAME, BundleError, Manifest, file_sha256
from models.preprocess import ImageError, Pixels, preprocess
from models.sections import Calibration, ImageInput, Licence, Training, Variant
from models.training.data import DataError

#: Of the 80 classes of COCO, those that are of a domain.
DOMAINS = {"bird": "birds", "car": "cars", "truck": "cars", "bus": "cars"}
#: A proposal below this is none: the confidence at which the authors' demonstration shows a box.
LEAST_SCORE = 0.3
LICENCE = "Apache-2.0 (YOLOX-Nano)"
CREDIT = (
    "Z. Ge, S. Liu, F. Wang, Z. Li, J. Sun: YOLOX: Exceeding YOLO Series in 2021. Megvii, Apache-2.0; trained on COCO."
)


@dataclass(frozen=True, slots=True)
class DetectorOrder:
    """The published file and its classes, one a line; where the bundle goes, and photos for its samples."""

    weights: Path
    classes: Path
    samples: Sequence[Path]
    store: Path
    name: str = "detector"
    version: str = "1.0.0"


def make_detector_bundle(order: DetectorOrder) -> Path:
    """Make the bundle and return its folder.

    Raises:
        DataError: a file cannot be used, or the version exists.
        BundleError: the graph or the folder breaks a rule; it names all of them.
    """
    with new_bundle(order.store, order.name, order.version) as (partial, folder):
        _fill_folder(partial, order)
    return folder


def _read_names(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text in UTF-8; it must name a class a line") from error


def _fill_folder(folder: Path, order: DetectorOrder) -> None:
    """Write every file, the manifest last, and check the whole."""
    names = _read_names(order.classes)
    if missing := DOMAINS.keys() - set(names):
        raise DataError(f"{order.classes} lacks {', '.join(sorted(missing))}")
    try:
        published = onnx.load(order.weights)
    except DecodeError as error:
        raise DataError(f"{order.weights} is no ONNX file") from error
    try:
        proto = make_detector(published, [names.index(name) for name in DOMAINS], {"system": "detector"})
    except ValueError as error:
        raise DataError(f"{order.weights}: {error}") from error
    if faults := check_graph(proto):
        raise BundleError(order.name, faults)
    onnx.save(proto, folder / GRAPH_NAME)
    size_px = proto.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    _write_samples(folder, order.samples, size_px)
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["class_id", "label", "domain"])
        table.writerows([name, name, domain] for name, domain in DOMAINS.items())
    (folder / "card.md").write_text(_card(order), encoding="utf-8")
    manifest = Manifest(
        name=order.name,
        version=order.version,
        system="detector",
        task="locate",
        default=True,
        image=ImageInput(size_px=size_px, fit="letterbox"),
        outputs=outputs_of(proto),
        graphs={"main": GRAPH_NAME},
        variants=(Variant(file=GRAPH_NAME, precision="fp32"),),
        files={entry.name: file_sha256(entry) for entry in sorted(folder.iterdir())},
        levels=("domain",),
        calibration=Calibration(absent_below=LEAST_SCORE),
        training=Training(data="coco", split="official", seed=0, recipe="published weights", backbone="yolox_nano"),
        licence=Licence(name=LICENCE, research_only=False, attribution=(CREDIT,)),
    )
    (folder / MANIFEST_NAME).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if faults := check_bundle(folder):
        raise BundleError(order.name, faults)


def _write_samples(folder: Path, photos: Sequence[Path], size_px: int) -> None:
    images = np.stack([_read_photo(photo, size_px) for photo in photos])
    session = onnxruntime.InferenceSession(folder / GRAPH_NAME, providers=["CPUExecutionProvider"])
    rows = [session.run(["boxes", "scores"], {"image": images[row : row + 1]}) for row in range(len(images))]
    boxes, scores = (np.concatenate([row[place] for row in rows]) for place in (0, 1))
    np.savez_compressed(folder / "samples.npz", allow_pickle=False, image=images, boxes=boxes, scores=scores)


def _read_photo(path: Path, size_px: int) -> Pixels:
    try:
        return preprocess(path.read_bytes(), size_px, "letterbox")[0]
    except ImageError as error:
        raise DataError(f"{path}: {error}") from error


def _card(order: DetectorOrder) -> str:
    classes = ", ".join(f"{name} ({domain})" for name, domain in DOMAINS.items())
    return f"""# {order.name} {order.version}

YOLOX-Nano, as published: it proposes boxes of {classes}, of which the best one is cut out and classified where `locate` is
asked for. A proposal scores {LEAST_SCORE} at least.

- Weights: trained by their authors on COCO; the graph around them is Fieldmark's, the numbers are theirs.
- Licence: {LICENCE}. {CREDIT}
- The export measures nothing: neither how often it finds a photo's subject, nor what that does for the classifiers.
"""
