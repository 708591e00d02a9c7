"""Questions as batches: what is seen once, what is asked in which order, and what is taught."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from models.text.questions import build_question_vocabulary
from models.training.answering.lessons import Lessons
from models.training.answering.sights import Nothing, Pictures
from models.training.answering.sources import drawn_scenes
from models.training.questions import Question, answer_list
from models.training.recipes.answering import Design, recipe_of


def drawn_lessons(scenes: int, encoder_sees: bool = True) -> Lessons:
    asked = drawn_scenes(scenes)
    assert asked.drawn is not None
    place = {photo: number for number, photo in enumerate(dict.fromkeys(one.photo for one in asked.questions))}
    places = np.array([place[one.photo] for one in asked.questions])
    vocabulary = build_question_vocabulary((one.text for one in asked.questions), length=14)
    sights = Pictures(asked.drawn) if encoder_sees else Nothing(100, 32)
    return Lessons(asked.questions, vocabulary, answer_list(asked.questions), places, sights)


def test_each_picture_of_a_batch_is_seen_once() -> None:
    lessons = drawn_lessons(4)
    for batch in lessons.epoch(lessons.taught(), 20, 4, seed=1):
        assert batch.seen.shape == (1, 3, 75, 75)
        assert batch.which.tolist() == [0] * 20
        assert batch.mask.sum(1).max() == batch.tokens.shape[1]
        assert batch.targets.sum(1).tolist() == [1.0] * 20


def test_pictures_come_again_for_portions_of_their_questions() -> None:
    lessons = drawn_lessons(4)
    batches = list(lessons.epoch(lessons.taught(), 20, 4, seed=1, portion=4))
    asked = [np.unique(batch.which, return_counts=True)[1] for batch in batches]
    assert all((counts % 4 == 0).all() for counts in asked)
    assert max(map(len, asked)) > 1, "several pictures in a batch"
    assert sum(counts.sum() for counts in asked) == len(lessons.taught())


def test_an_epoch_has_every_question_once_in_an_order_of_its_own() -> None:
    lessons = drawn_lessons(3)
    first, second = (
        torch.cat([batch.targets.argmax(1) for batch in lessons.epoch(lessons.taught(), 20, 3, seed)])
        for seed in (1, 2)
    )
    assert sorted(first.tolist()) == sorted(second.tolist())
    assert first.tolist() != second.tolist()


def test_a_question_sees_its_own_picture() -> None:
    lessons = drawn_lessons(3)
    rows = lessons.rows("train")[[0, 25, 45, 5]]
    batch = lessons.batch(rows)
    pictures = drawn_scenes(3).drawn
    assert pictures is not None
    for row, which in zip(rows, batch.which.tolist(), strict=True):
        own = torch.from_numpy(pictures[row // 20]).permute(2, 0, 1).float()
        assert torch.equal(batch.seen[which], own)


def test_the_control_sees_nothing() -> None:
    batch = drawn_lessons(2, encoder_sees=False).batch(np.arange(30))
    assert not batch.seen.any()
    assert batch.seen.shape == (2, 100, 32)


def test_simple_questions_are_taught_first() -> None:
    lessons = drawn_lessons(3)
    recipe = recipe_of("sort_of_clevr", Design(), epochs=20)
    first, later = (lessons.taught(recipe.taught(epoch)) for epoch in (7, 8))
    assert {lessons.questions[row].kind.split()[0] for row in first} == {"non-relational"}
    assert len(first) == len(later) / 2


def test_what_has_no_answer_in_the_list_is_not_taught() -> None:
    asked = [Question(Path(), f"p{n}", "train", "what is it", (answer,), "thing") for n, answer in enumerate("abb")]
    vocabulary = build_question_vocabulary(["what is it"])
    lessons = Lessons(asked, vocabulary, answer_list(asked, minimum=2), np.arange(3), Nothing(100, 4))
    assert lessons.taught().tolist() == [1, 2]
