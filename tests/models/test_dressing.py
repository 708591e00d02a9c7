"""Generated expressions in people's words: what is taken over, and what is left to the boxes."""

from __future__ import annotations

from random import Random

import pytest

from models.training.dressing import Dress, Wardrobe, read_wardrobe


@pytest.mark.parametrize(
    ("said", "dresses"),
    [
        ("Old man in a red shirt", {"person": (Dress("old", "man", "in a red shirt"),)}),
        ("the woman", {"person": (Dress("", "woman", ""),)}),
        ("a sleeping cat", {"cat": (Dress("sleeping", "cat", ""),)}),
        ("person", {}),  # nothing is added
        ("man on the left", {}),  # places,
        ("largest dog sitting", {}),  # sizes,
        ("leftmost guy", {}),
        ("highest bird", {}),
        ("guy furthest from us", {}),
        ("second guy with hat", {}),  # order,
        ("red car parked", {}),  # own colours
        ("man next to a dog", {}),  # and other things are what boxes prove
        ("kid without shoes", {}),
        ("animal lying down", {}),  # no one class
        ("man who is about to throw a frisbee", {}),  # too long
        ("tablecloth", {}),  # no noun: a word is whole
        ("", {}),
    ],
)
def test_what_boxes_cannot_prove_is_taken_over(said: str, dresses: dict[str, tuple[Dress, ...]]) -> None:
    assert read_wardrobe([said]).dresses == dresses


@pytest.mark.parametrize(
    ("text", "dressed"),
    [
        ("the person on the left", "the old man in a red shirt on the left"),
        ("2nd person from right", "2nd old man in a red shirt from right"),
        ("person next to the dog", "person next to the dog"),  # two nouns: whose would it be?
        ("the cat", "the cat"),  # nobody said anything of one
        ("the animal", "the animal"),
        ("dining table", "dining table"),
    ],
)
def test_one_noun_is_dressed_in_its_place(text: str, dressed: str) -> None:
    wardrobe = Wardrobe({"person": (Dress("old", "man", "in a red shirt"),)})
    assert wardrobe.dress(text, Random(0)) == dressed
