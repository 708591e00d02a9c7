"""An answerer's bundle: complete, honest about when it is unsure, and loaded by the engine that serves it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from export.answers import bundle as bundling
from export.answers.asking import Questions, check_answers, margins
from export.answers.bundle import AnswerOrder, make_answer_bundle
from export.answers.evidence import doubtful_below
from export.parity import ParityError
from export.runtime import Graph
from models.bundle import check_bundle
from models.hard_attention import HardAttention
from models.labels import read_labels
from models.layers.cell_encoders import SceneCells
from models.manifest import read_manifest
from models.sections import WordsInput
from models.text.questions import QuestionVocabulary
from models.text.word_files import read_words
from models.training.answering.course import Request, train_answerer
from models.training.answering.record import load_answerer
from models.training.data import DataError
from models.training.recipes import answering as recipes
from models.training.recipes.answering import Design
from tests.export.test_answering import SHAPE

pytestmark = pytest.mark.timeout(600)  # an export takes minutes where others use the processor


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A short run on a few drawn scenes."""
    folder = tmp_path_factory.mktemp("runs") / "drawn"
    old = recipes.SORT_OF_CLEVR
    schedule = replace(old.schedule, batch=40, warmup_steps=1, ema_decay=0.5)
    small = replace(old, embedding=8, question=8, width=16, hidden=(16, 16), schedule=schedule)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(recipes.RECIPES, "sort_of_clevr", small)
        train_answerer(Request("sort_of_clevr", folder, Design("han", 9), limit=6, epochs=1))
        yield folder


@pytest.fixture(scope="module")
def bundle(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_answer_bundle(AnswerOrder(run, tmp_path_factory.mktemp("store"), "drawn", "1.0.0", is_default=True))


def test_the_bundle_has_no_fault_and_says_what_it_reads(run: Path, bundle: Path) -> None:
    assert check_bundle(bundle) == []
    manifest = read_manifest(bundle)
    assert (manifest.system, manifest.task, manifest.default) == ("hard_attention", "answer", True)
    assert manifest.text == WordsInput(kind="question", length=14)
    assert [output.name for output in manifest.outputs] == ["logits", "kept", "relevance"]
    trained = load_answerer(run)
    assert read_words(bundle / "vocabulary.json", QuestionVocabulary) == trained.vocabulary
    assert tuple(label.class_id for label in read_labels(bundle / "labels.csv", ())) == trained.record.answers
    assert manifest.training is not None
    assert {"test all/accuracy", "test relational/accuracy"} <= manifest.training.metrics.keys()
    assert list(manifest.batch_curve_ms) == [1, 2, 4, 8]


def test_the_card_tells_every_kind_of_question_and_a_trial_from_a_result(bundle: Path) -> None:
    card = (bundle / "card.md").read_text()
    assert "the 9 of 100 cells whose vectors" in card
    assert "| relational nearest" in card
    assert "| answer unseen |" in card
    assert "1 of 1 epochs, the moving average of the weights after epoch 1 is stored" in card
    assert "Only 6 photos of each part were used: a trial." in card
    assert "It knows such drawings only." in card


def test_the_samples_give_the_logits_that_are_expected_of_them(bundle: Path) -> None:
    with np.load(bundle / "samples.npz") as samples:
        asked = Questions(samples["image"], samples["tokens"], samples["token_mask"])
        assert np.allclose(Graph(bundle / "model.onnx")(asked)["logits"], samples["logits"], atol=1e-5)
        assert len(asked) == 3
        assert asked.mask.any(axis=1).all()


def test_a_version_that_exists_and_a_control_are_refused(run: Path, bundle: Path, tmp_path: Path) -> None:
    order = AnswerOrder(run, bundle.parents[1], "drawn", "1.0.0")
    with pytest.raises(DataError, match="never overwritten"):
        make_answer_bundle(order)
    for name, design in (("blind", Design(is_blind=True)), ("wordless", Design(is_wordless=True))):
        train_answerer(Request("sort_of_clevr", tmp_path / name, design, limit=6, epochs=1))
        with pytest.raises(DataError, match="is a control"):
            make_answer_bundle(replace(order, run=tmp_path / name, name=name))


def test_nothing_is_left_of_an_export_that_fails(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ParityError("it drifts")

    monkeypatch.setattr(bundling, "gather_answers", fail)
    monkeypatch.setattr(bundling, "_write_graph", lambda *_: bundling.Stored("fp32", None))  # type: ignore[arg-type]
    monkeypatch.setattr(bundling, "Graph", lambda _: None)
    with pytest.raises(ParityError):
        make_answer_bundle(AnswerOrder(run, tmp_path, "drawn", "1.0.0"))
    assert list((tmp_path / "drawn").iterdir()) == []


def test_the_threshold_leaves_out_where_most_are_wrong() -> None:
    best = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert doubtful_below(best, np.array([False, False, True, False, True, True])) == 0.3
    assert doubtful_below(best, np.array([True, False, True, True, True, True])) == 0.0
    assert doubtful_below(best, np.zeros(6, bool)) == 1.0


def test_margins_tell_where_rounding_may_choose() -> None:
    model = HardAttention(SHAPE, SceneCells())
    relevance = np.linspace(1.0, 2.0, 100)[None].repeat(2, 0).astype(np.float32)
    relevance[1, 74:76] = 1.75  # the 25th and the 26th from above
    plain, equal = margins(model, relevance)
    assert plain == pytest.approx(1 - relevance[0, 74] / relevance[0, 75], abs=1e-6)
    assert equal == 0.0


def test_a_file_that_answers_otherwise_is_refused(run: Path, bundle: Path) -> None:
    model, graph = load_answerer(run).model, Graph(bundle / "model.onnx")
    images = np.random.default_rng(0).integers(0, 256, (8, 15, 15, 3), np.uint8).repeat(5, 1).repeat(5, 2)
    asked = Questions(images, np.full((8, 14), 2, np.int64), np.ones((8, 14), np.float32))
    assert check_answers(model, graph, asked)["logits"] < 1e-4
    with torch.no_grad():
        model.classifier[-1].bias += 1.0  # type: ignore[operator, union-attr]
    with pytest.raises(ParityError, match="logits differs from torch"):
        check_answers(model, graph, asked)
