"""The bundle of a system that reads texts: vocabulary, samples and figures with each photo's own words."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from export import bundle as bundling
from export.bundle import Order, export_bundle
from export.runtime import Graph, Inputs
from models.bundle import check_bundle
from models.manifest import TextInput, read_manifest
from models.systems import System
from models.text import VOCABULARY_NAME, Vocabulary, read_vocabulary, write_vocabulary
from models.training.loop import STATE_NAME
from models.training.runs import RunRecord, write_record
from tests.export.conftest import CLASSES, WORDS, Exported
from tests.photosets import TINY_PX, write_photo

pytestmark = pytest.mark.timeout(600)  # an export takes minutes where others use the processor

COLOURS = ("red", "green", "blue", "black", "white", "grey", "brown")
HEADS = ("crown", "wing", "belly", "bird")
FILLER = tuple(f"word{number}" for number in range(WORDS - 2 - len(COLOURS) - len(HEADS)))
VOCABULARY = Vocabulary(words=(*COLOURS, *HEADS, *FILLER), heads=HEADS, alone=("crown",))


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
def bundle(
    run: Path, index: Path, export_of: Callable[[System], Exported], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What the export makes of the run; the graph is the one that was exported already."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundling, "export_graph", lambda *_: export_of("pma").proto)
        order = Order(run, index, tmp_path_factory.mktemp("store"), "described", "1.0.0", licence="CC0-1.0")
        return export_bundle(order)


def test_the_vocabulary_of_the_run_is_in_the_bundle(bundle: Path) -> None:
    assert VOCABULARY.size == WORDS
    assert len(COLOURS) == CLASSES
    assert check_bundle(bundle) == []
    assert read_vocabulary(bundle / VOCABULARY_NAME) == VOCABULARY
    assert read_manifest(bundle).text == TextInput(phrases=12, words=6, file=VOCABULARY_NAME)


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
