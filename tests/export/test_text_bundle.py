"""The bundle of a system that reads texts: all that it is measured with are each photo's own words."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from export import bundle as bundling
from export.bundle import export_bundle
from export.order import Order
from export.runtime import Graph, Inputs
from export.trust.companions import Folders
from models.bundle import check_bundle
from models.calibration.conflict import PHRASE_TABLE_NAME
from models.manifest import read_manifest
from models.sections import TextInput
from models.systems import System
from models.text import VOCABULARY_NAME, Vocabulary, read_vocabulary, write_vocabulary
from models.training.loop import STATE_NAME
from models.training.records import write_record
from models.training.runs import RunRecord
from service.engine.backends.ort import OrtBackend
from service.engine.bundle import load_bundle
from tests.bundles import make_bundle, rewrite_manifest
from tests.export.conftest import CLASSES, WORDS, Exported
from tests.photosets import TINY_PX, write_photo

pytestmark = pytest.mark.timeout(600)  # an export takes minutes where others use the processor

COLOURS = ("red", "green", "blue", "black", "white", "grey", "brown")
HEADS = ("crown", "wing", "belly", "bird")
FILLER = tuple(f"word{number}" for number in range(WORDS - 2 - len(COLOURS) - len(HEADS)))
VOCABULARY = Vocabulary(words=(*COLOURS, *HEADS, *FILLER), heads=HEADS, alone=("crown",), phrases=24)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of seven classes, each with a text of its own."""
    root = tmp_path_factory.mktemp("described")
    rows = [["path", "label", "split", "text"]]
    for split, count in (("train", 1), ("validation", 2), ("test", 1)):
        for place, name in enumerate(COLOURS):
            for number in range(count):
                file = f"{split}-{name}-{number}.png"
                write_photo(root / file, (30 * place, 200 - 20 * place, 40 + 15 * place), 100 * place + number)
                rows.append([file, name, split, f"A {name} crown and a {COLOURS[number]} wing."])
    with (root / "index.csv").open("w", newline="", encoding="utf-8") as file_:
        csv.writer(file_).writerows(rows)
    return root / "index.csv"


@pytest.fixture(scope="module")
def run(export_of: Callable[[System], Exported], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that ended with the random weights of the tiny model."""
    folder = tmp_path_factory.mktemp("runs") / "pma"
    one = export_of("pma")
    record = RunRecord(
        system="pma",
        recipe="pma",
        dataset="folder",
        class_ids=tuple(sorted(COLOURS)),
        backbone=one.build.backbone,
        size_px=TINY_PX,
        fit="squash",
        epochs=1,
        seed=0,
        words=WORDS,
    )
    write_record(folder, record)
    write_vocabulary(folder / VOCABULARY_NAME, VOCABULARY)
    torch.save({"averaged": one.state, "epoch": 1, "blend": None}, folder / STATE_NAME)
    return folder


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image-only bundle of the same classes."""
    folder = make_bundle(tmp_path_factory.mktemp("students"), name="student", classes=CLASSES)
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["class_id", "label"], *([name, name] for name in sorted(COLOURS))])
    rewrite_manifest(folder, levels=[], system="pma_student", calibration={"temperature": 2.0})
    return folder


@pytest.fixture(scope="module")
def bundle(
    run: Path,
    index: Path,
    student: Path,
    export_of: Callable[[System], Exported],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """What the export makes of the run beside its student; the graph is the one that was exported already."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundling, "export_graph", lambda *_: export_of("pma").proto)
        patch.setattr(bundling, "damping_of", lambda *_: None)  # that graph damps nothing
        order = Order(
            run,
            index,
            tmp_path_factory.mktemp("store"),
            "described",
            "1.0.0",
            licence="CC0-1.0",
            explain=4,
            companions=Folders(student=student),
        )
        return export_bundle(order)


def test_the_vocabulary_of_the_run_is_in_the_bundle(bundle: Path) -> None:
    assert VOCABULARY.size == WORDS
    assert len(COLOURS) == CLASSES
    assert check_bundle(bundle) == []
    assert read_vocabulary(bundle / VOCABULARY_NAME) == VOCABULARY
    assert read_manifest(bundle).text == TextInput(phrases=24, words=6, file=VOCABULARY_NAME)


def test_the_outputs_of_the_manifest_have_their_kinds(bundle: Path) -> None:
    kinds = {output.name: (output.dtype, output.shape[0]) for output in read_manifest(bundle).outputs}
    assert kinds["stage_block"] == ("int64", 3)
    assert kinds["phrase_weight"] == ("float32", 3)


def test_samples_hold_a_long_a_short_and_no_text(bundle: Path) -> None:
    samples = np.load(bundle / "samples.npz")
    phrases = (samples["phrases"] != 0).any(axis=2).sum(axis=1)
    assert phrases.tolist() == [len(HEADS), 1, 0]
    found = Graph(bundle / "model.onnx")(Inputs(samples["image"], samples["phrases"]))
    assert np.allclose(found["logits"], samples["logits"], atol=1e-5)


def test_figures_are_of_photos_with_their_own_words(bundle: Path) -> None:
    training = read_manifest(bundle).training
    assert training is not None
    assert training.metrics["test whole, own text/photos"] == CLASSES
    assert "with a text to each photo" in (bundle / "card.md").read_text()


def test_texts_that_do_not_fit_are_told_by_the_student_s_sight(bundle: Path) -> None:
    manifest = read_manifest(bundle)
    assert PHRASE_TABLE_NAME in manifest.files
    loaded = load_bundle(bundle, lambda _: OrtBackend(), 16)
    assert loaded.phrase_table is not None
    assert loaded.phrase_table.traits == ("wing red",)  # all seven training photos have one, and nothing else in common
    assert manifest.calibration.text_conflict_below is not None
    card = (bundle / "card.md").read_text(encoding="utf-8")
    assert "judged by what student@1.0.0 sees" in card
    assert "Of 7 photos (test whole, own text)" in card
    assert "does not tell when a text does not fit" not in card


def test_explanations_are_judged_with_the_photo_s_own_words(bundle: Path) -> None:
    explanation = read_manifest(bundle).explanation
    assert explanation is not None
    card = (bundle / "card.md").read_text(encoding="utf-8")
    assert "Photos: test whole, own text." in card
    assert ("4 photos: the explanation is faithful." in card) is explanation.faithful
    assert "was not measured by the export" not in card
