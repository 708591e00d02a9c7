"""Answers through the engine: the best ones, the cells they were read from, and the words of the question."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from models.sections import Calibration
from service.answers import EvidenceMap, ImageSize, Parameters
from service.engine.backends.providers import RUN_LIMIT
from service.engine.bundle import load_bundle
from service.engine.loader import Loader
from service.engine.tasks.answer import AnswerPlan
from service.errors import InvalidParameter
from service.replies import QuestionAnswer
from tests.pointing_bundles import ANSWERS, make_answer_bundle, two_halves

WHAT = "What is the thing?"


def photo(left: tuple[int, int, int], right: tuple[int, int, int] = (0, 0, 0)) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(two_halves(left, right)).resize((128, 64)).save(buffer, "PNG")
    return buffer.getvalue()


RED = photo((255, 0, 0))


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> AnswerPlan:
    return make_plan(tmp_path_factory.mktemp("store"), uncertain_below=0.5)


def make_plan(store: Path, **fitted: float) -> AnswerPlan:
    folder = make_answer_bundle(store, calibration=Calibration(**fitted))  # type: ignore[arg-type]
    return AnswerPlan("answer/auto", load_bundle(folder, Loader()._choose_backend, RUN_LIMIT))


def ask(plan: AnswerPlan, question: str = WHAT, picture: bytes = RED, **wishes: int) -> QuestionAnswer:
    prepared = plan.prepare([picture], Parameters(question=question, **wishes))
    return plan.finish(prepared, plan.infer([prepared])[0]).answer


def test_the_best_answer_comes_first_and_all_sum_to_one(plan: AnswerPlan) -> None:
    answer = ask(plan)
    assert (answer.question, answer.answers[0].answer, answer.image) == (WHAT, "red", ImageSize(128, 64))
    assert len(answer.answers) == len(ANSWERS)
    assert sum(choice.probability for choice in answer.answers) == pytest.approx(1, abs=1e-3)
    assert len(ask(plan, top_k=2).answers) == 2


def test_the_kept_cells_are_those_that_were_read(plan: AnswerPlan) -> None:
    kept = ask(plan).kept
    assert (kept.rows, kept.columns) == (4, 4)
    assert kept.values == [1, 1, 0, 0] * 4


def test_relevance_comes_with_an_explanation_alone(plan: AnswerPlan) -> None:
    assert not isinstance(ask(plan).relevance, EvidenceMap)
    relevance = ask(plan, explain=True).relevance
    assert isinstance(relevance, EvidenceMap)
    assert max(relevance.values) == 1


def test_an_unsure_answer_says_so(plan: AnswerPlan, tmp_path: Path) -> None:
    assert (ask(plan).uncertain, ask(plan).reason) == (False, None)
    unsure = ask(plan, picture=photo((255, 0, 0), (0, 255, 0)))
    assert unsure.uncertain is True
    assert "0.500 is certain enough" in str(unsure.reason)
    assert not isinstance(ask(make_plan(tmp_path)).uncertain, bool)


def test_words_that_were_cut_or_are_unknown_are_told(plan: AnswerPlan) -> None:
    answer = ask(plan, "what is the purple thing " * 2)
    assert (answer.read, answer.unknown_words) == ("what is the purple thing what is the", ["purple"])


def test_a_question_without_a_known_word_is_refused(plan: AnswerPlan) -> None:
    with pytest.raises(InvalidParameter, match=r"no word that teller@1\.0\.0 knows"):
        ask(plan, "\u8fd9\u662f\u4ec0\u4e48")


def test_requests_share_a_run_and_are_answered_as_if_alone(plan: AnswerPlan) -> None:
    asked = [(WHAT, RED), ("the blue thing", RED), (WHAT, photo((0, 0, 255)))]
    prepared = [plan.prepare([picture], Parameters(question=question)) for question, picture in asked]
    together = [plan.finish(p, f).answer for p, f in zip(prepared, plan.infer(prepared), strict=True)]
    assert together == [ask(plan, question, picture) for question, picture in asked]
