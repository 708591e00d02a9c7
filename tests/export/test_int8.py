"""A bundle's second graph, in 8 bits: made from the first, as good within stated bounds, served when it is asked for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import typer
from typer.testing import CliRunner

import models.cli
from export import cli, int8
from export.int8 import INT8_NAME, QuantizeOrder, quantize_bundle
from export.quantize import QuantizationError, quantize
from export.runtime import Graph, Inputs
from models.answerers import EngineAnswers
from models.bundle import check_bundle
from models.manifest import BundleError, read_manifest
from models.preprocess import Pixels
from models.training.data import DataError
from service.cli.checking import check_folder
from service.engine.backends.base import StartError
from service.engine.engine import Engine
from tests.bundles import rewrite_manifest
from tests.export.conftest import Exported
from tests.photosets import COLOURS, write_photo
from tests.system_bundles import make_system_bundle


@pytest.fixture(scope="module")
def fast(bundle: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny bundle with a graph in 8 bits; so small a network gains nothing by it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(int8, "SPEEDUP_NEED", 0.0)
        return quantize_bundle(QuantizeOrder(bundle, photos, "1.1.0", tmp_path_factory.mktemp("fast")))


def test_the_new_version_has_both_graphs_and_no_fault(bundle: Path, fast: Path) -> None:
    assert check_bundle(fast) == []
    assert (fast / "model.onnx").read_bytes() == (bundle / "model.onnx").read_bytes()
    manifest = read_manifest(fast)
    exact, quick = manifest.variants
    assert (manifest.version, exact, quick.computes) == ("1.1.0", read_manifest(bundle).variants[0], "int8")
    assert [(row.threads, row.batch) for row in quick.latency][:4] == [(1, 1), (1, 2), (1, 4), (1, 8)]
    assert quick.accuracy_loss is not None
    assert quick.accuracy_loss <= int8.LOSS_LIMIT
    card = (fast / "card.md").read_text()
    assert card.startswith("# colours 1.1.0\n")
    assert "## In 8 bits" in card
    assert card.count("| test whole ") == 2


def test_convolutions_but_the_first_compute_in_seven_bits(fast: Path) -> None:
    proto = onnx.load(fast / INT8_NAME)
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    made_by = {output: node for node in proto.graph.node for output in node.output}
    convolutions = [node for node in proto.graph.node if node.op_type == "Conv"]
    kinds = [made_by[node.input[1]].op_type if node.input[1] in made_by else "" for node in convolutions]
    assert kinds[0] == ""
    assert set(kinds[1:]) == {"DequantizeLinear"}
    for node in convolutions[1:]:
        stored = weights[made_by[node.input[1]].input[0]]
        assert stored.dtype == np.int8
        assert np.abs(stored.astype(int)).max() <= 64
    assert {entry.domain for entry in proto.opset_import} == {""}


def test_it_answers_when_8_bits_are_asked_for(fast: Path, tmp_path: Path) -> None:
    store = fast.parents[1]
    photos = [write_photo(tmp_path / f"{name}.png", colour, 5).read_bytes() for name, colour in COLOURS.items()]
    exact, quick = Engine([store]), Engine([store], arithmetic="int8")
    assert [engine.catalog.models[0].variant for engine in (exact, quick)] == ["fp32", "int8 arithmetic"]
    for usual, eighth in zip(exact.classify(photos), quick.classify(photos), strict=True):
        assert usual.predictions[0].label == eighth.predictions[0].label
    usual_logits, eighth_logits = (
        EngineAnswers(store, "classify/colours", arithmetic=arithmetic)(photos[0]).logits
        for arithmetic in ("exact", "int8")
    )
    assert not np.array_equal(usual_logits, eighth_logits)


def test_its_calibration_is_its_own(fast: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(fast, tmp_path / "colours" / "1.1.0"))
    variants = json.loads((folder / "manifest.json").read_text())["variants"]
    variants[1]["calibration"]["temperature"] = 90.0
    rewrite_manifest(folder, variants=variants)
    photo = write_photo(tmp_path / "red.png", COLOURS["red"], 5).read_bytes()
    exact, quick = Engine([tmp_path]), Engine([tmp_path], arithmetic="int8")
    (sure,), (unsure,) = (engine.classify([photo]) for engine in (exact, quick))
    assert sure.predictions[0].probability > 0.9
    assert unsure.predictions[0].probability < 0.5


def test_bundles_without_such_a_graph_serve_beside_it_as_they_are(bundle: Path) -> None:
    assert Engine([bundle.parents[1]], arithmetic="int8").catalog.models[0].variant == "fp32"


@pytest.fixture
def wrong(fast: Path, tmp_path: Path) -> Path:
    """The bundle whose second graph does not say what its samples expect."""
    folder = Path(shutil.copytree(fast, tmp_path / "colours" / "1.1.0"))
    with np.load(folder / "samples.int8.npz") as archive:
        samples = dict(archive)
    np.savez(folder / "samples.int8.npz", allow_pickle=False, **samples | {"logits": samples["logits"] + 5})
    rewrite_manifest(folder)
    return folder


def test_a_graph_that_says_something_else_here_is_refused(wrong: Path) -> None:
    entry = Engine(wrong.parents[1]).catalog.models[0]
    assert (entry.status, entry.variant) == ("serving", "fp32")
    with pytest.raises(StartError, match="does not compute here what it did when it was exported"):
        Engine(wrong.parents[1], arithmetic="int8")


def test_checking_a_bundle_looks_at_both_graphs(fast: Path, wrong: Path) -> None:
    assert [checked.faults for checked in check_folder(fast)] == [[]]
    ((fault,),) = (checked.faults for checked in check_folder(wrong))
    assert fault.startswith("in 8 bits: self-check: logits of sample 0 is off by more than 0.3")


@pytest.mark.parametrize(
    ("bound", "value", "words"),
    [
        (
            "LOSS_LIMIT",
            -2.0,
            r"cost colours@1\.0\.0 .* points of top-1 on held-out photos; at most -200\.0 are allowed",
        ),
        ("ECE_RISE_LIMIT", -2.0, r"raise the calibration error .* at most -2\.000 are allowed"),
        ("SPEEDUP_NEED", 1e6, "times as fast on this processor; below 1000000.0 a second graph is not worth its place"),
    ],
)
def test_what_costs_too_much_or_gains_too_little_is_not_kept(
    bundle: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, value: float, words: str
) -> None:
    monkeypatch.setattr(int8, "SPEEDUP_NEED", 0.0)
    monkeypatch.setattr(int8, bound, value)
    with pytest.raises(QuantizationError, match=words):
        quantize_bundle(QuantizeOrder(bundle, photos, "1.1.0", tmp_path, limit=3))
    assert not list(tmp_path.rglob("manifest.json"))


def test_both_graphs_must_fit_in_a_bundle(
    bundle: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8, "size_limit_bytes", lambda _system: 1 << 10)
    with pytest.raises(QuantizationError, match=r"colours@1\.0\.0 would weigh .* MiB; 0 are allowed"):
        quantize_bundle(QuantizeOrder(bundle, photos, "1.1.0", tmp_path))


def test_what_cannot_compute_in_8_bits_is_told(
    fast: Path, bundle: Path, photos: Path, tmp_path: Path, exported: Exported, images: Pixels
) -> None:
    teacher = make_system_bundle(tmp_path / "store", "pma", name="teacher")
    with pytest.raises(QuantizationError, match="no classifier of photos alone"):
        quantize_bundle(QuantizeOrder(teacher, photos, "2.0.0", tmp_path))
    with pytest.raises(QuantizationError, match="has a graph in 8 bits already"):
        quantize_bundle(QuantizeOrder(fast, photos, "2.0.0", tmp_path))
    other = tmp_path / "other"
    for name in ("cat", "dog"):
        write_photo(other / name / "1.png", (9, 9, 9), 0)
    with pytest.raises(DataError, match="has other classes than"):
        quantize_bundle(QuantizeOrder(bundle, other, "2.0.0", tmp_path))
    proto = onnx.helper.make_model(
        onnx.helper.make_graph(
            [onnx.helper.make_node("Relu", ["image"], ["logits"])],
            "no_layers",
            [onnx.helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["B", 3])],
            [onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["B", 3])],
        ),
        opset_imports=[onnx.helper.make_opsetid("", 18)],
    )
    onnx.save(proto, tmp_path / "none.onnx")
    with pytest.raises(QuantizationError, match=r"none\.onnx has no convolutions"):
        quantize(tmp_path / "none.onnx", [])


def test_the_command_writes_a_new_version_once(
    bundle: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8, "SPEEDUP_NEED", 0.0)
    app = typer.Typer()
    models.cli.register(app)
    cli.register(app)
    asked = ["quantize", bundle, "--data", photos, "--out", tmp_path, "--limit", 3, "--version", "1.1.0"]
    made, again = (CliRunner().invoke(app, [str(argument) for argument in asked]) for _ in range(2))
    assert made.output.splitlines()[-1] == str(tmp_path / "colours" / "1.1.0")
    assert "At most 3 photos of each part were measured: a trial." in (tmp_path / "colours/1.1.0/card.md").read_text()
    assert again.exit_code == 1
    assert "a version is never overwritten" in " ".join(again.output.split())


def test_a_manifest_with_half_a_variant_is_refused(fast: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(fast, tmp_path / "colours" / "1.1.0"))
    manifest = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(manifest.replace('"samples": "samples.int8.npz"', '"samples": null'))
    with pytest.raises(BundleError, match="has a calibration and samples of its own"):
        read_manifest(folder)


def test_seven_bits_stay_close_to_the_graph_they_came_from(exported: Exported, images: Pixels, tmp_path: Path) -> None:
    onnx.save(quantize(exported.path, [Inputs(images[:8])]), tmp_path / "int8.onnx")
    usual, rounded = exported.graph(Inputs(images)), Graph(tmp_path / "int8.onnx", computes="int8")(Inputs(images))
    scale = float(np.abs(usual["logits"]).max())
    assert 0 < float(np.abs(usual["logits"] - rounded["logits"]).max()) < 0.15 * scale
