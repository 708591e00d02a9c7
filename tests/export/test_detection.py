"""A published detector as a bundle: the same numbers behind a border of bytes, boxes and the classes of domains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest

from export.detection.bundle import DOMAINS, DetectorOrder, make_detector_bundle
from export.detection.graph import grid, make_detector
from export.operators import check_graph
from models.bundle import check_bundle
from models.labels import read_labels
from models.manifest import read_manifest
from models.training.data import DataError
from tests.detector import CLASSES, PLACES, SIZE_PX, make_detector_files, published_detector

WANTED = [CLASSES.index(name) for name in DOMAINS]


def run(proto: onnx.ModelProto, name: str, values: npt.NDArray[np.generic]) -> list[npt.NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs: list[npt.NDArray[np.float32]] = session.run(None, {name: values})
    return outputs


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_the_numbers_are_the_published_ones(batch: int) -> None:
    images = np.random.default_rng(3).integers(0, 256, (batch, SIZE_PX, SIZE_PX, 3), np.uint8)
    boxes, scores = run(make_detector(published_detector(), WANTED, {}), "image", images)
    cells, steps = grid(SIZE_PX)
    assert boxes.shape == (batch, PLACES, 4)
    for row in range(batch):
        planes = images[row, :, :, ::-1].transpose(2, 0, 1)[None].astype(np.float32)
        (raw,) = run(published_detector(), "images", planes)
        centre, sides = (raw[0, :, :2] + cells) * steps / SIZE_PX, np.exp(raw[0, :, 2:4]) * steps / SIZE_PX
        assert boxes[row] == pytest.approx(np.concatenate([centre, sides], 1), abs=1e-5)
        assert scores[row] == pytest.approx(raw[0][:, [5 + place for place in WANTED]] * raw[0][:, 4:5], abs=1e-5)


def test_the_grids_go_row_by_row_from_the_finest() -> None:
    cells, steps = grid(64)
    assert cells[:3].tolist() == [[0, 0], [1, 0], [2, 0]]
    assert cells[8].tolist() == [0, 1]
    assert [steps[place, 0] for place in (0, 63, 64, 79, 80, 83)] == [8, 8, 16, 16, 32, 32]


def test_the_graph_keeps_every_rule() -> None:
    proto = make_detector(published_detector(), WANTED, {"system": "detector"})
    assert check_graph(proto) == []
    assert {entry.key: entry.value for entry in proto.metadata_props} == {"system": "detector"}


def test_a_bundle_is_whole_and_never_overwritten(tmp_path: Path) -> None:
    order = make_detector_files(tmp_path)
    folder = make_detector_bundle(order)
    assert check_bundle(folder) == []
    manifest = read_manifest(folder)
    assert (manifest.system, manifest.task, manifest.image.fit) == ("detector", "locate", "letterbox")
    labels = read_labels(folder / "labels.csv", manifest.levels)
    assert {label.label: label.levels["domain"] for label in labels} == DOMAINS
    with pytest.raises(DataError, match="never overwritten"):
        make_detector_bundle(order)


def test_files_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    order = make_detector_files(tmp_path)
    order.classes.write_text("person\ncar\n")
    with pytest.raises(DataError, match="lacks bird, bus, truck"):
        make_detector_bundle(order)
    order.classes.write_text("\n".join(CLASSES))
    other = published_detector()
    other.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 32
    onnx.save(other, tmp_path / "other.onnx")
    with pytest.raises(DataError, match="is no YOLOX"):
        make_detector_bundle(DetectorOrder(tmp_path / "other.onnx", order.classes, order.samples, order.store))
    assert not (order.store / order.name / order.version).exists()


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    order = make_detector_files(tmp_path)
    strange = tmp_path / "strange"
    strange.write_bytes(b"\xff\xfe no file of these")
    for changes, sentence in (
        ({"weights": strange}, "strange is no ONNX file"),
        ({"classes": strange}, "strange is no text in UTF-8; it must name a class a line"),
        ({"samples": [strange]}, "strange: "),
        ({"version": "two"}, "version 'two' is none of PEP 440; write one such as 1.0.0"),
        ({"name": "A bird"}, "name 'A bird' cannot be a bundle's: it has up to 64 of a-z"),
    ):
        with pytest.raises(DataError, match=sentence):
            make_detector_bundle(replace(order, **changes))
    assert not list(order.store.rglob("manifest.json"))
