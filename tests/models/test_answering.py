"""Learning to answer, on tiny materials: what is asked, what is looked at, how a run goes, what its evaluation says."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from typer.testing import CliRunner

import models.cli
from models.backbones import SPECS, MobileNet
from models.evaluation import answering
from models.evaluation.answering import (
    COMMONEST,
    Answerer,
    Measured,
    commonest,
    examine,
    groups_of,
    judge,
    measure_runs,
    to_markdown,
)
from models.hard_attention import HardAttention
from models.preprocess import preprocess
from models.training.answering import course
from models.training.answering.best import BEST_NAME, BestEpoch
from models.training.answering.course import Request, Validation, train_answerer
from models.training.answering.lessons import Lessons
from models.training.answering.record import load_answerer
from models.training.answering.replies import reply
from models.training.answering.sources import read_material
from models.training.data import DataError
from models.training.loop import HISTORY_NAME
from models.training.questions import Question
from models.training.recipes import answering as recipes
from models.training.recipes.answering import Design
from models.training.records import read_state
from models.training.views import to_tensor
from tests.photosets import TINY
from tests.published_weights import write_efficientnet_lite

pytestmark = pytest.mark.usefixtures("one_thread")

ROOMS = (("what colour is the wall", "red"), ("what is on the table", "lamp, cup"), ("how many chairs", "2"))
PAIRS = Design("han", 4, "pairwise")


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small networks, two short epochs, and cells of a tiny backbone: 40 px give 10 x 10."""
    monkeypatch.setitem(SPECS, "tiny", TINY)
    for name, changes in {
        "sort_of_clevr": {"epoch_questions": 40},
        "daquar": {"backbone": "tiny", "channels": 8, "size_px": 40, "word_minimum": 1},
    }.items():
        old = recipes.RECIPES[name]  # type: ignore[index]
        schedule = replace(old.schedule, sizes_px=(1, 1), batch=10, warmup_steps=1, ema_decay=0.5)
        small = replace(old, embedding=8, question=8, width=8, hidden=(8, 8), schedule=schedule, **changes)  # type: ignore[arg-type]
        monkeypatch.setitem(recipes.RECIPES, name, small)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like DAQUAR's: nine photos to learn from, two of them to validate, and two to test on."""
    root = tmp_path_factory.mktemp("daquar")
    (root / "photos").mkdir()
    for split, numbers in (("train", range(12)), ("test", range(20, 22))):
        with (root / f"qa_{split}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["photo", "question", "answer"])
            writer.writerows((f"image{number}", *asked) for number in numbers for asked in ROOMS)
        for number in numbers:
            pixels = np.random.default_rng(number).integers(0, 256, (40, 50, 3), np.uint8)
            Image.fromarray(pixels).save(root / "photos" / f"image{number}.webp", lossless=True)
    return root


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny backbone in the form in which its large relative is published."""
    torch.manual_seed(3)
    return write_efficientnet_lite(tmp_path_factory.mktemp("weights") / "tiny.pth", MobileNet(TINY))


def test_a_run_continued_in_its_folder_ends_as_one_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = Request("sort_of_clevr", tmp_path / "whole", PAIRS, limit=4, epochs=3)
    whole = train_answerer(request)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(course, "_validate", stop)
        with pytest.raises(KeyboardInterrupt):
            train_answerer(replace(request, out=tmp_path / "parts"))
    continued = train_answerer(replace(request, out=tmp_path / "parts"))
    assert all(torch.equal(whole.state_dict()[name], tensor) for name, tensor in continued.state_dict().items())
    assert whole.shape.keep == continued.shape.keep == 4
    lines = [json.loads(line) for line in (tmp_path / "whole" / HISTORY_NAME).read_text().splitlines()]
    assert lines[-1]["kept"] == pytest.approx(0.04)
    assert {"all", "relational nearest", "non-relational left"} <= lines[-1]["validation"].keys()


def test_of_equally_good_epochs_the_first_is_the_best(tmp_path: Path) -> None:
    model, best = torch.nn.Linear(1, 1), BestEpoch(tmp_path)
    for epoch, accuracy in enumerate((0.0, 0.5, 0.4, 0.5, 0.2), 1):
        torch.nn.init.constant_(model.weight, epoch)
        best.offer(model, epoch, accuracy)
    for found in (best, BestEpoch(tmp_path)):
        found.restore(model)
        assert (found.epoch, found.accuracy, model.weight.item()) == (2, 0.5, 2.0)


def grade(monkeypatch: pytest.MonkeyPatch, folder: Path, marks: dict[int, float]) -> dict[int, dict[str, torch.Tensor]]:
    """Let the epochs of a run validate as told; gives the averaged weights after each."""
    weights = {}

    def validate(model: HardAttention, _: Lessons) -> Validation:
        epoch = int(read_state(folder)["epoch"])
        weights[epoch] = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        return Validation({"all": marks[epoch]}, 0.5)

    monkeypatch.setattr(course, "_validate", validate)
    return weights


def are_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_a_run_is_used_as_its_best_epoch_left_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = grade(monkeypatch, tmp_path, {1: 0.2, 2: 0.6, 3: 0.4})
    model = train_answerer(Request("sort_of_clevr", tmp_path, PAIRS, limit=3, epochs=3))
    trained = load_answerer(tmp_path)
    assert (trained.epochs, trained.best) == (3, 2)
    assert are_equal(weights[2], trained.model.state_dict())
    assert are_equal(weights[2], model.state_dict())
    lines = [json.loads(line) for line in (tmp_path / HISTORY_NAME).read_text().splitlines()]
    assert [line["best"] for line in lines if "best" in line] == [1, 2, 2]
    assert are_equal(weights[3], read_state(tmp_path)["averaged"])
    (tmp_path / BEST_NAME).unlink()  # as runs were left before
    assert load_answerer(tmp_path).best == 3
    assert are_equal(weights[3], load_answerer(tmp_path).model.state_dict())


def test_a_run_that_stopped_before_its_best_epoch_was_validated_does_not_lose_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    request = Request("sort_of_clevr", tmp_path, PAIRS, limit=3, epochs=2)
    monkeypatch.setattr(course, "_validate", stop)
    with pytest.raises(KeyboardInterrupt):
        train_answerer(request)
    assert load_answerer(tmp_path).best == 1
    weights = grade(monkeypatch, tmp_path, {1: 0.6, 2: 0.4})
    train_answerer(request)
    assert load_answerer(tmp_path).best == 1
    assert are_equal(weights[1], load_answerer(tmp_path).model.state_dict())


def test_an_epoch_with_fewer_cells_than_the_run_ends_with_is_not_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grade(monkeypatch, tmp_path, {1: 0.9, 2: 0.3, 3: 0.2})
    train_answerer(Request("sort_of_clevr", tmp_path, Design("han", 25, "relation"), limit=2, epochs=3))
    assert load_answerer(tmp_path).best == 2


def test_the_control_by_the_photo_alone_is_always_asked_the_same(tmp_path: Path) -> None:
    design = Design("han", 9, is_wordless=True)
    train_answerer(Request("sort_of_clevr", tmp_path, design, limit=2, epochs=1))
    (run,) = examine([("wordless", tmp_path)], None, None, "test", 2).runs
    batch = run.lessons.batch(run.lessons.rows("test"))
    assert len(batch.tokens.unique(dim=0)) == 1
    assert batch.mask.sum() == 3 * len(batch.tokens)
    assert len(batch.targets.argmax(1).unique()) > 1
    assert len({one.text for one in examine([("wordless", tmp_path)], None, None, "test", 2).questions}) > 1


def test_a_run_may_begin_with_anothers_weights(tmp_path: Path) -> None:
    first = train_answerer(Request("sort_of_clevr", tmp_path / "sum", Design("han", 9), limit=3, epochs=1))
    request = Request("sort_of_clevr", tmp_path / "next", PAIRS, init=tmp_path / "sum", limit=3, epochs=1)
    record = course._record(request, 1, first.shape.words, load_answerer(tmp_path / "sum").record.answers)
    begun = course._begin(request, record)
    assert torch.equal(begun.fusion.cell.weight, first.fusion.cell.weight)
    assert record.weights == "run sum"
    assert record.is_continued, "its recipe is that of a run that goes on"


def test_photos_are_answered_from_cells_that_runs_share(rooms: Path, weights: Path, tmp_path: Path) -> None:
    request = Request("daquar", tmp_path / "one", Design("han", 9), rooms, tmp_path / "cells", weights, epochs=1)
    train_answerer(request)
    (kept,) = (tmp_path / "cells").iterdir()
    made = kept.stat().st_mtime_ns
    train_answerer(replace(request, out=tmp_path / "two", seed=1))
    train_answerer(replace(request, out=tmp_path / "blind", design=Design("han", 9, is_blind=True), weights=None))
    assert [path.stat().st_mtime_ns for path in (tmp_path / "cells").iterdir()] == [made]

    trained = load_answerer(tmp_path / "one")
    lessons = course.gather_lessons(
        read_material("daquar", rooms), trained.record, trained.vocabulary, trained.model, tmp_path / "cells"
    )
    pixels = preprocess((rooms / "photos" / "image20.webp").read_bytes(), 40, "squash")[0]
    kept_cells = lessons.batch(lessons.rows("test")[:1]).seen
    with torch.inference_mode():
        assert torch.allclose(kept_cells, trained.model.look(to_tensor([pixels])), rtol=2e-3, atol=2e-3)
    found = reply(trained.model, lessons, lessons.rows("test"))
    assert found.kept.tolist() == [0.09] * 6

    names = [("seen", tmp_path / "one"), ("seen", tmp_path / "two"), ("blind", tmp_path / "blind")]
    measured = measure_runs(examine(names, rooms, tmp_path / "cells", "test"))
    assert [(one.name, len(one.runs)) for one in measured.answerers] == [("seen", 2), ("blind", 1), (COMMONEST, 1)]
    text = to_markdown(measured, "blind")
    assert "seen, mean of 2 seeds" in text
    assert "commonest answer minus blind, points" in text
    assert "seen minus blind, points" in text


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"data": None}, "needs --data: the folder of DAQUAR"),
        ({"weights": None}, "needs --weights: the published ones of tiny"),
        ({"cells": None}, "needs --cells"),
        ({"material": "sort_of_clevr"}, "leave --weights out"),
    ],
)
def test_what_does_not_go_together_is_refused(
    rooms: Path, weights: Path, tmp_path: Path, changes: dict[str, object], fault: str
) -> None:
    request = Request("daquar", tmp_path / "run", Design(), rooms, tmp_path / "cells", weights)
    with pytest.raises(DataError, match=fault):
        train_answerer(replace(request, **changes))  # type: ignore[arg-type]


def test_a_folder_takes_no_second_run(tmp_path: Path) -> None:
    request = Request("sort_of_clevr", tmp_path / "run", limit=2, epochs=1)
    train_answerer(request)
    with pytest.raises(DataError, match="a run with other keep, aggregation, seed"):
        train_answerer(replace(request, seed=1, design=PAIRS))


def question(photo: str, kind: str, *answers: str) -> Question:
    return Question(Path(), photo, "test", "what", answers, kind)


def test_rows_of_the_table_are_sources_kinds_and_all() -> None:
    asked = [
        question("a", "rooms thing", "x"),
        question("a", "rooms count", "1", "2"),
        question("b", "scenes side", "no"),
    ]
    assert {name: mask.tolist() for name, mask in groups_of(asked).items()} == {
        "rooms": [True, True, False],
        "rooms, one answer": [True, False, False],
        "rooms count": [False, True, False],
        "rooms thing": [True, False, False],
        "scenes": [False, False, True],
        "scenes side": [False, False, True],
        "generated": [False, False, True],
        "all": [True, True, True],
    }


def test_the_table_tells_what_the_photo_is_worth() -> None:
    asked = tuple(question(f"p{n}", "rooms thing", "x") for n in range(40))
    right, half = np.ones((5, 40), bool), np.tile([False, True], (5, 20))
    near, unseen = np.ones((2, 40)), (np.arange(40) < 8).astype(float)
    measured = Measured(
        asked,
        tuple(
            Answerer(name, runs, np.full(40, 0.25), near, unseen) for name, runs in (("seen", right), ("blind", half))
        ),
        lacks_wordnet=False,
    )
    text = to_markdown(measured, "blind")
    assert "blind, mean of 5 seeds (50.00, 50.00, 50.00, 50.00, 50.00; sd 0.00 over all)" in text
    assert (
        "| rooms       |     40 |   100.00 | 100.00 - 100.00 |       25.0 |          20.0 |   100.00 |   100.00 |"
        in text
    )
    assert "+50.00" in text
    assert "No WUPS" not in text


def test_seeds_that_differ_much_leave_a_difference_open() -> None:
    asked = tuple(question(f"p{n}", "rooms thing", "x") for n in range(200))
    near = np.zeros((0, 200))
    runs = np.array([[place < right for place in range(200)] for right in (60, 100, 140)])
    shaky, steady = (
        Answerer(name, found, np.ones(200), near, np.zeros(200)) for name, found in (("a", runs), ("b", runs[1:2]))
    )
    text = to_markdown(Measured(asked, (shaky, steady), lacks_wordnet=False), "b")
    low, high = map(float, text.splitlines()[-1].split("|")[3].split(" to "))
    assert low < -10 < 10 < high
    assert "(30.00, 50.00, 70.00; sd 20.00 over all)" in text


def test_the_commonest_answer_is_that_of_a_kind() -> None:
    asked = [
        question("a", "count", "2"),
        question("b", "count", "1"),
        question("c", "count", "1"),
        question("d", "colour", "red", "blue"),
        question("e", "colour", "blue", "red"),
        question("f", "colour", "white"),
    ]
    assert commonest(asked) == {"count": "1", "colour": "white"}


def test_an_answer_is_unseen_if_an_item_of_it_is_in_no_list() -> None:
    asked = [question("a", "thing", "x"), question("b", "thing", "y"), question("c", "thing", "x", "y")]
    found = judge("one", asked, ["x", "x", "x"], np.ones(3), None, ["x", "z"])
    assert found.unseen.tolist() == [0, 1, 1]
    assert found.right.tolist() == [1, 0, 0]


def test_without_wordnet_the_table_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(answering, "WORDNET_FOLDER", tmp_path / "none")
    asked = (question("p", "rooms thing", "x"),)
    assert answering.nouns_for(asked) is None
    assert answering.lacks_nouns(asked, None)
    measured = Measured(asked, (judge("seen", asked, ["x"], np.ones(1), None, ["x"]),), lacks_wordnet=True)
    assert "Debian's wordnet-base" in to_markdown(measured)


def test_the_commands_train_and_print_a_table(tmp_path: Path) -> None:
    app = typer.Typer()
    models.cli.register(app)
    trained = ["train-answers", "--material", "sort_of_clevr", "--limit", "2", "--epochs", "1"]
    run = ["--out", str(tmp_path / "run"), "--mode", "soft"]
    assert CliRunner().invoke(app, [*trained, *run]).exit_code == 0
    assert load_answerer(tmp_path / "run").record.design == Design("all", 100, "soft")
    found = CliRunner().invoke(app, ["evaluate-answers", f"soft={tmp_path / 'run'}", "--limit", "2"])
    assert "| relational nearest" in found.output
    for option in (["--against", "none"], ["--keep", "5,101"], ["--keep", "5,"]):
        assert CliRunner().invoke(app, ["evaluate-answers", f"soft={tmp_path / 'run'}", *option]).exit_code == 2
    stacked = ["--out", str(tmp_path / "stacked"), "--aggregation", "stacked", "--wordless"]
    assert CliRunner().invoke(app, [*trained, *stacked]).exit_code == 2
    assert CliRunner().invoke(app, [*trained, *stacked, "--mode", "soft"]).exit_code == 0
    assert load_answerer(tmp_path / "stacked").record.design == Design("all", 100, "stacked", is_wordless=True)
