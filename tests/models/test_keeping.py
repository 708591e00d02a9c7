"""What a choice of cells is worth: other cells for a trained network, and whether those that it keeps lie on the thing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import models.cli
from models.evaluation.answering import Examination, examine, measure_runs
from models.evaluation.keeping import (
    Reading,
    Sweep,
    cells_on,
    keeping,
    shares_on,
    sweep,
    time_answers,
    to_markdown,
)
from models.training.answering.course import Request, train_answerer
from models.training.data import Box, DataError
from models.training.questions import Question
from models.training.recipes import answering as recipes
from models.training.recipes.answering import Design

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Three short runs on a few drawn scenes: two seeds that keep 9 cells, and one with soft weights."""
    folder, old = tmp_path_factory.mktemp("runs"), recipes.SORT_OF_CLEVR
    schedule = replace(old.schedule, batch=10, warmup_steps=1, ema_decay=0.5)
    small = replace(old, embedding=8, question=8, width=8, hidden=(8, 8), schedule=schedule)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(recipes.RECIPES, "sort_of_clevr", small)
        request = Request("sort_of_clevr", folder / "0", Design("han", 9), limit=4, epochs=1)
        train_answerer(request)
        train_answerer(replace(request, out=folder / "1", seed=1))
        train_answerer(replace(request, out=folder / "soft", design=Design("all", 100, "soft")))
        yield folder


@pytest.fixture(scope="module")
def examination(runs: Path) -> Examination:
    return examine([("nine", runs / "0"), ("nine", runs / "1")], None, None, "test", 4)


def asked(photo: str, kind: str, *where: Box) -> Question:
    return Question(Path(), photo, "test", "what", ("x",), kind, where)


def test_a_network_is_read_with_other_cells_and_then_with_its_own(examination: Examination) -> None:
    model = examination.runs[0].trained.model
    own = model.shape
    with keeping(model, 5, "centre"):
        assert (model.shape.keep, model.shape.selection) == (5, "centre")
    assert model.shape == own


def test_every_number_of_cells_has_three_sorts_and_all_cells_have_one(examination: Examination) -> None:
    (drawn,) = examination.material
    middle = tuple(replace(one, where=((0.3, 0.3, 0.7, 0.7),)) for one in drawn.questions)  # 16 of the cells
    (found,) = sweep(examination._replace(material=[replace(drawn, questions=middle)]), [9, 100])
    assert [(one.keep, one.choice) for one in found.readings] == [
        (9, "han"),
        (9, "centre"),
        (9, "random"),
        (100, "han"),
    ]
    assert list(found.times_ms) == [9, 100]
    longest, centre, drawn_cells, every = found.readings
    assert np.array_equal(longest.right, measure_runs(examination).answerers[0].right)  # they were trained with nine
    assert (centre.on_it == 1).all()
    assert every.on_it == pytest.approx(0.16)
    assert 0.1 < drawn_cells.on_it.mean() < 0.22
    assert len(np.unique(drawn_cells.on_it)) > 3


def test_soft_weights_keep_no_cells_to_choose_others_for(runs: Path) -> None:
    with pytest.raises(DataError, match="soft weighs all cells and keeps none"):
        sweep(examine([("soft", runs / "soft")], None, None, "test", 4), [5])


def test_a_cell_is_on_a_thing_if_either_has_the_other_s_middle() -> None:
    wide = (0.26, 0.0, 0.9, 0.25)  # of 4 x 4 cells: middles are at 1/8, 3/8, 5/8, 7/8
    small = (0.0, 0.9, 0.05, 0.95)
    assert np.flatnonzero(cells_on([wide], 4)).tolist() == [1, 2, 3]
    assert np.flatnonzero(cells_on([small], 4)).tolist() == [12]
    assert np.flatnonzero(cells_on([wide, small], 4)).tolist() == [1, 2, 3, 12]
    assert np.flatnonzero(cells_on([(1.0, 1.0, 1.0, 1.0)], 4)).tolist() == [15]


def test_the_share_of_the_kept_cells_on_the_thing() -> None:
    questions = [asked("a", "thing", (0.0, 0.0, 0.5, 0.5)), asked("b", "thing")]
    kept = np.zeros((2, 16), bool)
    kept[:, [0, 1, 2, 15, 4]] = True
    shares = shares_on(questions, kept)
    assert shares[0] == pytest.approx(3 / 5)
    assert np.isnan(shares[1])


def test_the_tables_tell_cells_by_source_and_the_time() -> None:
    questions = [asked("a", "rooms thing"), asked("b", "scenes side", (0, 0, 1, 1))]
    readings = (
        Reading(25, "han", np.array([0.0, 1.0]), np.array([np.nan, 0.75])),
        Reading(25, "random", np.array([0.5, 0.5]), np.array([np.nan, 0.25])),
    )
    text = to_markdown([Sweep("one", readings, {25: 1.5})], questions)
    assert "one with other cells" in text
    assert "| rooms     |    25 | longest |     0.00 |     0.00 - 0.00 |                  |" in text
    assert "| scenes    |    25 | longest |   100.00 | 100.00 - 100.00 |             75.0 |" in text
    assert "| scenes    |    25 |  random |    50.00 |   50.00 - 50.00 |             25.0 |" in text
    assert "| generated |" in text
    assert "| all       |" in text
    assert "scenes side" not in text
    assert "| 25            | 1.50 |" in text


def test_the_time_is_the_median_of_single_questions(examination: Examination) -> None:
    _, trained, lessons = examination.runs[0]
    clock = (call**2 / 1000 for call in count()).__next__  # the n-th call takes 4 n + 1 ms
    found = time_answers(trained.model, lessons, lessons.rows("test"), 5, clock)
    assert found == pytest.approx(4 * (10 + 49.5) + 1)


def test_the_command_prints_both_tables(runs: Path) -> None:
    app = typer.Typer()
    models.cli.register(app)
    found = CliRunner().invoke(app, ["evaluate-answers", f"nine={runs / '0'}", "--limit", "2", "--keep", "100,5"])
    assert found.exit_code == 0
    assert "| relational nearest" in found.output
    tables = found.output.partition("nine with other cells")[2]
    assert (
        tables.index("|     5 | longest |") < tables.index("|     5 |  middle |") < tables.index("|   100 | longest |")
    )
    assert "on what is asked" not in tables
    assert "one question at a time, 1 thread" in tables
