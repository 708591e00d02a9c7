"""What the recipes of answerers come to: which questions and cells an epoch has, how loud a run begins, what it pays for."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from models.training.answering.course import raise_voice
from models.training.answering.lessons import QuestionBatch
from models.training.answering.record import AnswerRecord, build_answerer
from models.training.answering.replies import AnswerLoss, answer_batch
from models.training.losses import Moment
from models.training.recipes.answering import Design, recipe_of

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_question_begins_as_loud_as_its_recipe_says() -> None:
    record = AnswerRecord("sort_of_clevr", Design(), ("yes", "no"), words=20, epochs=1, seed=0)
    model = build_answerer(record)
    usual = {name: weight.clone() for name, weight in model.state_dict().items()}
    raise_voice(model, replace(record.recipe, word_gain=3.0, question_gain=2.0))
    gains = {"questions.embedding.weight": 3.0, "fusion.question.weight": 2.0}
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, usual[name] * gains.get(name, 1)), name


def test_a_relation_also_hears_its_cells_and_its_question_as_loud_as_its_recipe_says() -> None:
    record = AnswerRecord("sort_of_clevr", Design(aggregation="relation"), ("yes", "no"), words=20, epochs=1, seed=0)
    model = build_answerer(record)
    usual = {name: weight.clone() for name, weight in model.aggregator.state_dict().items()}
    raise_voice(model, replace(record.recipe, pair_gain=9.0))
    gains = {"first.weight": 9.0, "second.weight": 9.0, "question.weight": 3.0}
    for name, weight in model.aggregator.state_dict().items():
        assert torch.equal(weight, usual[name] * gains.get(name, 1)), name


def test_relations_open_kind_by_kind_with_few_cells_and_end_with_all_cells_and_kinds() -> None:
    design = Design("han", 25, "relation")
    recipe = recipe_of("sort_of_clevr", design)
    told = [(recipe.keep(n, design), recipe.taught(n)) for n in range(recipe.schedule.epochs)]
    kinds = ["relational farthest", "relational nearest", ""]
    assert list(dict.fromkeys(told)) == [*((16, kind) for kind in kinds), (25, "")]
    short = recipe_of("sort_of_clevr", design, epochs=3)
    assert [short.keep(n, design) for n in range(3)] == [16, 25, 25], "a trial ends with all cells, too"
    photos = recipe_of("daquar", design, epochs=5)
    assert (photos.taught(0), photos.schedule.rates) == ("", ()), (
        "nothing there is asked about relations, and all is new"
    )
    assert recipe_of("sort_of_clevr", Design("han", 25, "sum"), epochs=2).opening == ()


def test_a_run_that_goes_on_has_the_first_questions_behind_it_and_presses_its_cells() -> None:
    first, second = (recipe_of("sort_of_clevr", Design(), is_continued=goes_on) for goes_on in (False, True))
    assert (first.taught(0), first.quiet) == ("non-relational", 0.0)
    assert second.taught(0) == ""
    assert second.quiet > 0
    photos = [recipe_of("daquar", Design(), is_continued=goes_on) for goes_on in (False, True)]
    assert photos[0] == photos[1]


def test_a_cell_that_says_nothing_is_pressed_to_become_short() -> None:
    record = AnswerRecord("sort_of_clevr", Design("han", 1), ("yes", "no"), words=20, epochs=1, seed=0)
    torch.manual_seed(0)
    model = build_answerer(record)
    cells = torch.randn(1, model.shape.cells, model.shape.channels)
    batch = QuestionBatch(
        cells, False, torch.tensor([0]), torch.tensor([[2, 3]]), torch.ones(1, 2), torch.tensor([[1.0, 0.0]])
    )
    moment = Moment(0, 1, torch.Generator())

    def lengths() -> Tensor:
        return answer_batch(model, batch, torch.Generator()).relevance

    before = lengths().detach()
    plain, quiet = (AnswerLoss(0.0, weight)(model, batch, moment) for weight in (0.0, 0.5))
    assert quiet.item() == pytest.approx(plain.item() + 0.5 * before.mean().item())
    (quiet - plain).backward()
    torch.optim.SGD(model.fusion.parameters(), lr=0.05).step()
    assert (lengths() < before).all(), "dropped cells, too, which answers teach nothing"
