"""The rule for texts that do not fit: fitted on tiny texts, it flags the other class's and spares a photo's own."""

from __future__ import annotations

from random import Random

import numpy as np

from models.evaluation.conflicts import fit_rule, fit_table, judge_rule, scores_of
from models.evaluation.figures import Scored
from models.evaluation.items import Item, Part
from models.text import Vocabulary
from models.training.data import Row
from models.training.wording import Noise

WORDS = ("bill", "red", "grey", "crown", "wing", "black")
VOCABULARY = Vocabulary(words=WORDS, heads=("bill", "crown", "wing"), synonyms={"beak": "bill"})
CLASSES = {"a": ["red bill", "black crown"], "b": ["grey bill", "black wing"]}


class ClassTexts:
    """Every photo says what its class looks like; its name begins with the class."""

    def said(self, photo: str) -> list[str]:
        """Two phrases."""
        return CLASSES[photo[0]]

    def text(self, photo: str) -> str:
        """The phrases, a sentence each."""
        return ". ".join(self.said(photo))

    def bent(self, photo: str, rng: Random, noise: Noise) -> list[str]:
        """The same, in another order."""
        assert noise.phrase == 0
        return self.said(photo)[::-1]


def part(count: int) -> Scored:
    """Photos of both classes; the image-only model is right and rather sure."""
    items = tuple(Item(bytes, "ab"[number % 2], f"{'ab'[number % 2]}{number}") for number in range(count))
    labels = np.arange(count) % 2
    return Scored(Part("test crop", items), np.where(np.arange(2) == labels[:, None], 4.0, 0.0), labels)


def test_another_class_s_text_is_caught_and_the_own_is_not() -> None:
    rows = [Row(None, "x", "train", f"{'ab'[number % 2]}t{number}") for number in range(40)]  # type: ignore[arg-type]
    labels = [number % 2 for number in range(40)]
    rule = fit_rule(rows, labels, part(50), 1.0, ClassTexts(), VOCABULARY)
    assert rule.table.traits == ("bill grey", "bill red", "crown black", "wing black")
    found = judge_rule(rule, part(60), 1.0, ClassTexts(), VOCABULARY)
    assert (found.photos, found.false_alarms, found.caught, found.auroc.value) == (60, 0.0, 1.0, 1.0)


def test_rare_traits_are_left_out_and_traits_speak_for_the_classes_that_have_them() -> None:
    described = [{"crest", "bill grey"}, {"crest", "bill red"}] * 5 + [{"tail long"}] * 4
    table = fit_table(described, [0, 1] * 7, 2)
    assert table.traits == ("bill grey", "bill red", "crest")
    grey, red, crest = table.evidence[:, 0] - table.evidence[:, 1]
    assert red < -0.5 < 0.5 < grey
    assert abs(crest) < 0.3


def test_a_text_without_a_known_trait_fits_any_photo() -> None:
    rows = [Row(None, "x", "train", f"{'ab'[number % 2]}t{number}") for number in range(40)]  # type: ignore[arg-type]
    rule = fit_rule(rows, [number % 2 for number in range(40)], part(50), 1.0, ClassTexts(), VOCABULARY)
    told = ["my holiday", "a red beak", "a grey beak"]
    scores = scores_of(rule.table, VOCABULARY, np.array([[4.0, 0.0]] * 3), 1.0, told)
    assert scores[0] > 1e6
    assert scores[1] > 0 > scores[2]
    assert scores[2] < rule.below
