"""What a bundle says beside its classes: how it tells the unknown, whether it explains faithfully, how far it is behind."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

import numpy as np
import onnx
import pytest
import torch
import typer
from onnx import ModelProto, numpy_helper
from typer.testing import CliRunner

from export import bundle as bundling
from export import cli
from export.bundle import export_bundle
from export.order import Order
from export.trust import uncertainty
from export.trust.companions import Folders
from models.bundle import check_bundle
from models.calibration import Auroc, ScoreChoice
from models.calibration.unknowns import DIRECTIONS_NAME
from models.manifest import read_manifest
from models.training.data import HOLD_OUT_SEED, DataError
from models.training.loop import STATE_NAME
from service.engine.engine import Engine
from tests.export.conftest import change_run
from tests.photosets import COLOURS, write_photo

SIZES = {"train": 8, "validation": 4, "test": 3}


@pytest.fixture
def graph(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> ModelProto:
    """The graph of the trained run, which is not exported again."""
    proto = onnx.load(bundle / "model.onnx")
    monkeypatch.setattr(bundling, "export_graph", lambda *_: proto)
    monkeypatch.setattr(bundling, "damping_of", lambda *_: None)  # that graph damps nothing
    return proto


@pytest.fixture
def more_photos(photos: Path, tmp_path: Path) -> Path:
    """The photos with a fourth class, the one that is set aside where one is."""
    names = ("amber", "cyan", "lilac", "violet")
    (extra,) = (name for name in names if Random(HOLD_OUT_SEED).sample(sorted([*COLOURS, name]), 1) == [name])
    root = shutil.copytree(photos, tmp_path / "more")
    for split, count in SIZES.items():
        for number in range(count):
            write_photo(root / split / extra / f"{split}{number:02d}.png", (120, 120, 120), 900 + number)
    return root


def test_a_run_that_set_classes_aside_chooses_its_own_score(
    run: Path, more_photos: Path, graph: ModelProto, tmp_path: Path
) -> None:
    partial = change_run(run, tmp_path / "run", held_out=1)
    folder = export_bundle(Order(partial, more_photos, tmp_path / "store", "three", "1.0.0", licence="CC0-1.0"))
    manifest = read_manifest(folder)
    assert (DIRECTIONS_NAME in manifest.files) is (manifest.calibration.score == "distance")
    card = (folder / "card.md").read_text(encoding="utf-8")
    assert "1 classes were set aside and not taught." in card
    assert "chosen on 15 photos of 1 classes that three@1.0.0 was not taught, beside 12 held-out photos" in card


def test_a_distance_is_compared_with_the_directions_that_the_bundle_stores(
    run: Path, photos: Path, more_photos: Path, graph: ModelProto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = ScoreChoice("distance", {"distance": Auroc(0.9, (0.8, 1.0))})
    monkeypatch.setattr(uncertainty, "choose", lambda *_: choice)
    partial = change_run(run, tmp_path / "run", held_out=1)
    folder = export_bundle(Order(partial, more_photos, tmp_path / "store", "three", "1.0.0", licence="CC0-1.0"))
    assert check_bundle(folder) == []
    manifest = read_manifest(folder)
    directions = np.load(folder / DIRECTIONS_NAME)
    (width,) = next(output.shape for output in manifest.outputs if output.name == "features")
    assert (directions.dtype, directions.shape) == (np.float16, (3, width))
    assert manifest.calibration.score == "distance"
    assert "where the photo's likeness to the nearest class is below" in (folder / "card.md").read_text()
    held_out = [path.read_bytes() for path in sorted((photos / "validation").rglob("*.png"))]
    answers = Engine([tmp_path / "store"]).classify(held_out)
    assert [answer.uncertain for answer in answers] == [False] * 12  # type: ignore[union-attr]


def test_nothing_is_said_of_what_was_not_asked_for(bundle: Path) -> None:
    manifest = read_manifest(bundle)
    assert manifest.explanation is None
    assert not manifest.experimental
    assert manifest.calibration.score == "max_softmax"
    card = (bundle / "card.md").read_text(encoding="utf-8")
    assert "was not measured by the export" in card
    assert "Explanations" not in card
    assert "probed" not in card


def test_the_command_explains_and_calls_a_bundle_far_behind_experimental(
    run: Path, bundle: Path, photos: Path, graph: ModelProto, tmp_path: Path
) -> None:
    app = typer.Typer()
    cli.register(app)
    named = ["export", "--data", photos, "--out", tmp_path, "--name", "dull", "--licence", "CC0-1.0"]
    asked = [*named, "--run", dull(run, graph, tmp_path), "--explain", 3, "--plain", bundle, "--unknown", bundle]
    refused = CliRunner().invoke(app, [*map(str, asked)])
    assert refused.exit_code == 1
    assert "photos of classes that colours@1.0.0 was taught and of others; it has 12 and 0" in refused.output
    made = CliRunner().invoke(app, [*map(str, asked[:-2])])
    assert made.exit_code == 0, made.output
    manifest = read_manifest(tmp_path / "dull" / "1.0.0")
    assert manifest.experimental
    assert manifest.explanation is not None
    assert not manifest.explanation.faithful  # it says the same of every photo
    card = (tmp_path / "dull" / "1.0.0" / "card.md").read_text(encoding="utf-8")
    assert "**Experimental**: more than 8 points below the plain bundle of its domain." in card
    assert "points below that of colours@1.0.0" in card
    assert "3 photos: the explanation is not shown to be faithful." in card


def dull(run: Path, graph: ModelProto, folder: Path) -> Path:
    """A run, and its graph, whose head has forgotten everything."""
    for tensor in graph.graph.initializer:
        if tensor.name.startswith("classifier."):
            tensor.CopyFrom(numpy_helper.from_array(np.zeros_like(numpy_helper.to_array(tensor)), tensor.name))
    copy = shutil.copytree(run, folder / "dull-run")
    state = torch.load(copy / STATE_NAME, weights_only=True)
    for name, weight in state["averaged"].items():
        if name.startswith("classifier."):
            weight.zero_()
    torch.save(state, copy / STATE_NAME)
    return copy


def test_a_bundle_that_is_as_good_as_the_plain_one_is_none(
    run: Path, bundle: Path, photos: Path, graph: ModelProto, tmp_path: Path
) -> None:
    order = Order(run, photos, tmp_path, "again", "1.0.0", licence="CC0-1.0", companions=Folders(plain=bundle))
    folder = export_bundle(order)
    assert not read_manifest(folder).experimental
    assert "0.00 points above that of colours@1.0.0" in (folder / "card.md").read_text(encoding="utf-8")


def test_without_test_photos_there_is_nothing_to_compare_or_explain(
    run: Path, bundle: Path, photos: Path, tmp_path: Path
) -> None:
    untested = shutil.copytree(photos, tmp_path / "untested")
    shutil.rmtree(untested / "test")
    order = Order(run, untested, tmp_path, "again", "1.0.0", licence="CC0-1.0", companions=Folders(plain=bundle))
    with pytest.raises(DataError, match=r"no test photos to compare with colours@1.0.0 on"):
        export_bundle(order)
    with pytest.raises(DataError, match="no test photos to judge explanations on; leave --explain out"):
        export_bundle(Order(run, untested, tmp_path, "again", "1.0.0", licence="CC0-1.0", explain=3))
