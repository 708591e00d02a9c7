"""A tiny grounding run becomes a bundle: complete, calibrated, refused where it must be."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import pytest

from export.grounding import bundle as bundling
from export.grounding.bundle import GroundOrder, export_grounding_bundle
from export.grounding.calibrating import calibrate
from export.grounding.graphs import Fed, Graphs, prepare
from export.provenance import GROUNDING_BACKBONES
from export.weights import load_state
from models import referring
from models.backbones import SPECS
from models.bundle import check_bundle
from models.evaluation.grounding.answers import Answered
from models.evaluation.grounding.cli import EngineGrounder
from models.evaluation.grounding.items import Item, said_items
from models.evaluation.grounding.test_set import TestExpression
from models.manifest import Manifest, read_manifest
from models.text.expressions import PieceVocabulary
from models.text.word_files import read_words
from models.training.data import DataError
from models.training.grounding import course, pictures
from models.training.grounding.record import load_grounding
from models.training.records import RECORD_NAME
from models.training.voc import read_voc
from tests.ground_sets import RECIPE, SIZE_PX, request, write_language, write_voc
from tests.grounding import SHALLOW_TEXT, TINY_STAGES


class Made(NamedTuple):
    """A bundle, what it was made from, and its manifest."""

    root: Path
    folder: Path
    manifest: Manifest


def order_of(root: Path, name: str = "tiny-ground") -> GroundOrder:
    return GroundOrder(root / "run", root / "voc", root / "store", name, "1.0.0", is_default=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    root = tmp_path_factory.mktemp("ground-bundle")
    write_voc(root / "voc", train=12)
    write_language(root / "words")
    tests = [
        TestExpression("000012", "left car", "side", 1, "car", (0.05, 0.2, 0.3, 0.5)),
        TestExpression("000013", "dog", "class", 0, "dog", (0.05, 0.2, 0.3, 0.5)),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SPECS, "tiny_stages", TINY_STAGES)
        patch.setattr(referring, "_LAYERS_A_GROUP", 1)
        patch.setattr(referring, "_FUSION_LAYERS", 2)  # one layer, and the last, of which only [CLS] is read
        patch.setattr(pictures, "VALIDATION_PHOTOS", 6)
        patch.setattr(course, "load_stages", lambda stages, path: None)
        patch.setattr(bundling, "read_test_set", lambda: tests)
        patch.setattr(bundling, "hand_items", lambda _voc: [])
        patch.setitem(GROUNDING_BACKBONES, "tiny_stages", "Nobody.")
        course.train_grounding(request(root, root / "run", replace(RECIPE, text=SHALLOW_TEXT)))
        folder = export_grounding_bundle(order_of(root))
        yield Made(root, folder, read_manifest(folder))


def test_a_bundle_is_whole_and_says_what_it_takes(made: Made) -> None:
    manifest = made.manifest
    assert check_bundle(made.folder) == []
    assert (manifest.system, manifest.task, manifest.default) == ("referring", "ground", True)
    assert manifest.text is not None
    assert manifest.text.kind == "expression"
    assert {output.name: output.shape for output in manifest.outputs} == {
        "features": (36, 24),
        "box": (4,),
        "conf": (2,),
    }
    assert 0 <= (manifest.calibration.absent_below or -1) <= 1
    assert manifest.calibration.quality_temperature is not None


def test_the_card_tells_the_test_and_what_the_model_cannot_do(made: Made) -> None:
    card = (made.folder / "card.md").read_text(encoding="utf-8")
    assert "| test: side or ordinal" in card
    assert "Presence: AUROC" in card
    assert "other nouns are guesses" in card


def test_the_stored_words_are_small_and_read_back_exactly(made: Made) -> None:
    fuse = made.folder / "fuse.onnx"
    kinds = {tensor.name: tensor.data_type for tensor in onnx.load(fuse).graph.initializer}
    assert kinds["language.words.weight"] == onnx.TensorProto.INT8
    assert kinds["fusion.0.vision.feed_forward.inner.weight"] == onnx.TensorProto.FLOAT16
    state = load_state(fuse)
    trained = load_grounding(made.root / "run").model.state_dict()
    scale = trained["language.words.weight"].abs().amax(1, keepdim=True) / 127
    assert ((state["language.words.weight"] - trained["language.words.weight"]).abs() <= scale * 0.51).all()


def test_the_samples_are_what_the_files_answer(made: Made) -> None:
    words = read_words(made.folder / "vocabulary.json", PieceVocabulary)
    graphs = Graphs(made.folder, words, SIZE_PX)
    with np.load(made.folder / "samples.npz") as samples:
        scene = read_voc(made.root / "voc")[0]
        assert samples["image"].shape[1:] == (SIZE_PX, SIZE_PX, 3)
        found = graphs(scene.path, ["car", "dog"])
        asked = prepare([scene.path] * 2, ["car", "dog"], words, SIZE_PX)
        assert np.abs(found.conf - graphs.run(asked)["conf"]).max() < 1e-5
        assert samples["box"].shape == (len(samples["image"]), 4)


def test_known_answer_7_padding_and_bars_change_nothing_in_the_files(made: Made) -> None:
    words = read_words(made.folder / "vocabulary.json", PieceVocabulary)
    graphs = Graphs(made.folder, words, SIZE_PX)
    asked = prepare([read_voc(made.root / "voc")[0].path] * 2, ["car", "the red dog"], words, SIZE_PX)
    features = graphs.vision(Fed(image=asked.image))["features"]
    bars = np.arange(features.shape[1]) >= features.shape[1] - 6
    masked = asked.words | {"cell_mask": np.where(bars, np.float32(0), asked.cell_mask)}
    found = graphs.fuse(Fed(features=features, **masked))
    strange = np.where(asked.token_mask > 0, asked.tokens, asked.tokens + 3)
    painted = features + np.float32(3) * bars[:, None].astype(np.float32)
    again = graphs.fuse(Fed(features=painted, **masked | {"tokens": strange}))
    assert all(np.array_equal(found[name], again[name]) for name in ("box", "conf"))


def test_the_engine_that_serves_it_gives_the_same_boxes(made: Made) -> None:
    words = read_words(made.folder / "vocabulary.json", PieceVocabulary)
    scene, texts = read_voc(made.root / "voc")[1], ["the red dog", "car on the right"] * 12
    served = EngineGrounder(made.folder)(scene.path, texts)
    found = Graphs(made.folder, words, SIZE_PX)(scene.path, texts)
    assert np.array(served.boxes) == pytest.approx(np.array(found.boxes), abs=0.01)
    fitted = made.manifest.calibration
    warm = found.conf / np.array([fitted.temperature, fitted.quality_temperature or 1.0])
    assert served.conf == pytest.approx(warm, abs=0.02)


def test_a_version_that_exists_is_refused(made: Made) -> None:
    with pytest.raises(DataError, match="a version is never overwritten"):
        export_grounding_bundle(order_of(made.root))


@pytest.mark.parametrize("reads", ["reads_text", "sees_photo"])
def test_a_control_is_no_bundle(made: Made, tmp_path: Path, reads: str) -> None:
    run = shutil.copytree(made.root / "run", tmp_path / "run")
    record = (run / RECORD_NAME).read_text(encoding="utf-8")
    (run / RECORD_NAME).write_text(record.replace(f'"{reads}": true', f'"{reads}": false'), encoding="utf-8")
    with pytest.raises(DataError, match="a control, and no bundle"):
        export_grounding_bundle(replace(order_of(made.root), run=run, version="2.0.0"))


def answered(presence: list[float], quality: list[float], iou: list[float | None]) -> Answered:
    box = (0.0, 0.0, 1.0, 1.0)
    items = [Item("test", Path("a"), "a", "dog", None if one is None else box) for one in iou]
    covered = np.array([one or 0.0 for one in iou])
    return Answered(items, [box] * len(items), covered, np.stack([presence, quality], 1))


def test_one_in_ten_of_what_is_absent_passes() -> None:
    rng = np.random.default_rng(0)
    presence = np.concatenate([rng.normal(2, 2, 300), rng.normal(-2, 2, 300)])
    iou: list[float | None] = [0.5] * 300 + [None] * 300
    fitted = calibrate(answered(presence.tolist(), [0.0] * 600, iou))
    chance = 1 / (1 + np.exp(-presence[300:] / fitted.temperature))
    assert fitted.absent_below is not None
    assert (chance >= fitted.absent_below).mean() == pytest.approx(0.1, abs=0.005)


def test_a_quality_that_boasts_is_cooled() -> None:
    iou: list[float | None] = [0.6, 0.4] * 50 + [None]
    modest = calibrate(answered([0.0] * 101, [0.4, -0.4] * 50 + [0.0], iou))
    boastful = calibrate(answered([0.0] * 101, [8.0, -8.0] * 50 + [0.0], iou))
    assert modest.quality_temperature == pytest.approx(1.0, abs=0.1)
    assert boastful.quality_temperature == pytest.approx(20.0, rel=0.1)


def test_calibration_needs_both_sorts() -> None:
    with pytest.raises(ValueError, match="others that mean nothing"):
        calibrate(answered([0.0], [0.0], [0.5]))


def test_validation_says_things_of_both_sorts(made: Made) -> None:
    items = said_items(read_voc(made.root / "voc"))
    assert {item.part for item in items} == {"test", "absent"}
