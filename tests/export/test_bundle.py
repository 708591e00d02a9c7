"""The bundle that an export makes: complete, served as it is, and never half there."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import typer
from typer.testing import CliRunner, Result

import models.cli
from export import bundle as bundling
from export import cli, evidence
from export.bundle import export_bundle
from export.order import Order
from export.parity import ParityError
from export.runtime import Graph, Inputs
from models.bundle import check_bundle
from models.calibration import Damping, damp
from models.labels import read_labels
from models.manifest import read_manifest
from models.training.data import DataError
from models.training.recipes.plain import RECIPES
from models.training.runs import read_record
from service.engine.engine import Engine
from tests.photosets import COLOURS, RECIPE, write_photo


def test_the_bundle_has_no_fault(bundle: Path) -> None:
    assert check_bundle(bundle) == []
    assert sorted(path.name for path in bundle.iterdir()) == [
        "card.md",
        "labels.csv",
        "manifest.json",
        "model.onnx",
        "samples.npz",
    ]


def test_the_manifest_says_what_was_measured(bundle: Path) -> None:
    manifest = read_manifest(bundle)
    assert (manifest.identity, manifest.domain, manifest.default) == ("colours@1.0.0", "colours", True)
    assert manifest.training is not None
    assert manifest.training.metrics["test whole/photos"] == 9
    assert manifest.training.metrics["test whole/top1"] == manifest.variants[0].accuracy
    assert manifest.variants[0].parity_max is not None
    latency = [(row.threads, row.batch) for row in manifest.variants[0].latency]
    assert latency == [(1, 1), (1, 2), (1, 4), (1, 8), (2, 1), (2, 4), (2, 8)]
    assert list(manifest.batch_curve_ms) == [1, 2, 4, 8]
    assert set(manifest.calibration.conformal) == {"0.9", "0.95"}
    assert manifest.licence.name == "CC0-1.0"
    assert not manifest.licence.research_only


def test_labels_are_the_class_folders(bundle: Path) -> None:
    assert [label.class_id for label in read_labels(bundle / "labels.csv", ())] == sorted(COLOURS)


def test_samples_hold_the_outputs_that_the_file_gives(bundle: Path) -> None:
    samples = np.load(bundle / "samples.npz")
    assert samples["image"].dtype == np.uint8
    assert np.allclose(Graph(bundle / "model.onnx")(Inputs(samples["image"]))["logits"], samples["logits"], atol=1e-5)
    assert (bundle / "samples.npz").stat().st_size < samples["image"].nbytes * 4


def test_the_engine_serves_it(bundle: Path, tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "red.png", COLOURS["red"], seed=1)
    (answer,) = Engine([bundle.parents[1]]).classify([photo.read_bytes()])
    assert answer.predictions[0].class_id == "red"  # type: ignore[union-attr]


def test_the_card_tells_figures_calibration_speed_limits_and_terms(bundle: Path) -> None:
    card = (bundle / "card.md").read_text()
    manifest = read_manifest(bundle)
    for words in (
        "# colours 1.0.0",
        "| test whole ",
        f"temperature {manifest.calibration.temperature:.4f}",
        f"| {manifest.variants[0].latency[0].median_ms:.1f} ms |",
        "seed 0, 12 of 12 epochs",
        "fit `squash`",
        "## Limits",
        "CC0-1.0. See the terms.",
        "- Made by the tests, CC0-1.0.",
    ):
        assert words in card, words


def order(run: Path, photos: Path, store: Path) -> Order:
    return Order(run, photos, store, "colours", "1.0.0", licence="CC0-1.0")


def test_a_version_is_never_overwritten(run: Path, photos: Path, bundle: Path) -> None:
    with pytest.raises(DataError, match="a version is never overwritten"):
        export_bundle(order(run, photos, bundle.parents[1]))


def test_an_export_that_fails_leaves_nothing(
    run: Path, photos: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drift(*_: object) -> None:
        raise ParityError("logits differs")

    proto = onnx.load(bundle / "model.onnx")
    monkeypatch.setattr(bundling, "export_graph", lambda *_: proto)
    monkeypatch.setattr(evidence, "check_parity", drift)
    with pytest.raises(ParityError):
        export_bundle(order(run, photos, tmp_path))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert list(Path(tmp_path / "colours").iterdir()) == []


def test_logits_are_damped_in_the_file_as_held_out_photos_ask(
    run: Path, photos: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundling, "damping_of", lambda *_: Damping(0.5, 4.0))
    folder = export_bundle(order(run, photos, tmp_path))
    assert check_bundle(folder) == []
    assert "height above their mean, in units of 4.00, to the power 0.50" in (folder / "card.md").read_text(
        encoding="utf-8"
    )
    assert "to the power" not in (bundle / "card.md").read_text(encoding="utf-8")
    assert (read_manifest(bundle).calibration.score, read_manifest(folder).calibration.score) == (
        "max_softmax",
        "height",
    )
    inputs = Inputs(np.load(bundle / "samples.npz")["image"])
    bare, damped = (Graph(one / "model.onnx")(inputs)["logits"] for one in (bundle, folder))
    np.testing.assert_allclose(damped, damp(bare, Damping(0.5, 4.0)), rtol=1e-4)


def test_other_classes_than_the_run_has_are_refused(run: Path, photos: Path, tmp_path: Path) -> None:
    other = shutil.copytree(photos, tmp_path / "photos")
    (other / "train" / "blue").rename(other / "train" / "azure")
    with pytest.raises(DataError, match="has other classes than the run was trained on"):
        export_bundle(order(run, other, tmp_path / "store"))


def test_own_photos_need_stated_terms(run: Path, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--licence NAME"):
        export_bundle(replace(order(run, photos, tmp_path), licence=None))


def test_too_few_photos_to_check_with_are_refused(run: Path, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2 validation photos; checking and calibrating need 8"):
        export_bundle(replace(order(run, photos, tmp_path), limit=2))


def invoke(*arguments: str | Path) -> Result:
    app = typer.Typer()
    cli.register(app)
    models.cli.register(app)
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_the_commands_go_from_photos_to_a_bundle_and_on_from_it(
    photos: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RECIPES, "own", RECIPE)
    run, store = tmp_path / "run", tmp_path / "store"
    trained = invoke("train", "--data", photos, "--out", run, "--epochs", 1, "--init", bundle)
    assert trained.exit_code == 0, trained.output
    assert read_record(run).weights == "colours@1.0.0"
    exported = invoke(
        "export",
        "--run",
        run,
        "--data",
        photos,
        "--out",
        store,
        "--name",
        "hues",
        "--licence",
        "CC0-1.0",
        "--limit",
        12,
    )
    assert exported.exit_code == 0, exported.output
    assert exported.output.strip() == str(store / "hues" / "1.0.0")
    assert json.loads((store / "hues" / "1.0.0" / "manifest.json").read_text())["domain"] == "hues"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("export",), 2, "--run, --data and --name are needed"),
        (("export", "--run", "nowhere", "--data", "x", "--name", "y"), 1, "nowhere holds no training run"),
        (("train", "--data", "nowhere", "--out", "run"), 1, "nowhere is neither a folder of class folders"),
        (("train", "--data", "x", "--out", "y", "--weights", "a", "--init", "b"), 2, "--weights or --init, not both"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(arguments: tuple[str, ...], status: int, words: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == status
    assert words in " ".join(result.output.split())


def test_tensorrt_engines_need_the_device(bundle: Path) -> None:
    result = invoke("export", "--tensorrt", bundle)
    assert result.exit_code == 1
    assert "--device tensorrt needs TensorrtExecutionProvider" in result.output
    assert len(result.output.strip().splitlines()) == 1


@pytest.mark.gpu
def test_tensorrt_engines_are_built_into_the_cache(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert invoke("export", "--tensorrt", bundle).exit_code == 0
    assert list(tmp_path.rglob("*.engine"))
