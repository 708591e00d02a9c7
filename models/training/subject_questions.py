"""Questions about a bird or a car that its annotation answers: what colour is the crown, what make is it.

A bird's answers come from that photo's own ticks and never from what is known of its species; a part is asked about
where exactly one colour was ticked for it. A car's make and body type are those of its class; photos that exist twice
under two classes are not asked about.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

from models.training.data import read_csv, read_dataset
from models.training.questions import Question, part_of
from models.training.ticks import Attributes, read_attributes, read_states

QUESTIONS_A_BIRD = 3

#: The parts of a bird by their group of ticks, in words and whether these are plural.
PARTS: dict[str, tuple[str, bool]] = {
    "has_crown_color": ("crown", False),
    "has_bill_color": ("bill", False),
    "has_throat_color": ("throat", False),
    "has_breast_color": ("breast", False),
    "has_belly_color": ("belly", False),
    "has_back_color": ("back", False),
    "has_wing_color": ("wings", True),
    "has_leg_color": ("legs", True),
    "has_eye_color": ("eyes", True),
}
_COLOUR = (
    "what colour {be} the {part}?",
    "what colour {be} the bird's {part}?",
    "what color {be} the {part}?",
    "which colour {do} the {part} have?",
)
_MAKE = ("what make is the car?", "what make is this car?", "which make is it?", "who made this car?")
_BODY = ("what body type is the car?", "what type of car is this?", "what kind of car is it?")


def bird_questions(root: Path, seed: int) -> list[Question]:
    """Questions about the whole photos of CUB-200-2011, at most three each; the same seed gives the same ones.

    Raises:
        DataError: a table of the set cannot be read.
    """
    attributes = read_attributes(root / "attributes.csv")
    states = read_states(root / "image_attributes.csv.gz")
    found: list[Question] = []
    for row in read_dataset("cub_birds", root).rows:
        if row.framing == "whole" and row.photo in states:
            asked = colour_questions(states[row.photo], attributes, Random(f"{seed}/{row.photo}"))
            where = (row.subject,) if row.subject else ()
            found += (
                Question(row.path, row.photo, row.split, text, (colour,), "colour", where) for text, colour in asked
            )
    return found


def colour_questions(states: str, attributes: Attributes, rng: Random) -> Iterator[tuple[str, str]]:
    """Questions with their answers from a photo's states, about parts with one ticked colour each."""
    ticked = {group: attributes.ticked(states, group) for group in PARTS}
    plain = [group for group, colours in ticked.items() if len(colours) == 1]
    for group in rng.sample(plain, min(len(plain), QUESTIONS_A_BIRD)):
        part, is_plural = PARTS[group]
        verbs = {"be": "are", "do": "do"} if is_plural else {"be": "is", "do": "does"}
        yield rng.choice(_COLOUR).format(part=part, **verbs), ticked[group][0]


def car_questions(root: Path, seed: int) -> list[Question]:
    """Two questions about each crop of Stanford Cars, make and body type; the same seed gives the same ones.

    Raises:
        DataError: a table of the set cannot be read.
    """
    doubtful = set(_doubtful(root))
    found: list[Question] = []
    for line in read_csv(root / "index.csv", ("path", "split", "make", "body_group", "whole")):
        photo, split = line["path"], line["split"]
        if photo in doubtful or (split == "train" and line["whole"]):  # those whole photos are a test of their own
            continue
        rng = Random(f"{seed}/{photo}")
        for kind, wordings, column in (("make", _MAKE, "make"), ("body", _BODY, "body_group")):
            text = rng.choice(wordings)
            found.append(Question(root / photo, photo, part_of(split, photo), text, (line[column],), kind))
    return found


def _doubtful(root: Path) -> Iterator[str]:
    """Photos that exist twice under two classes."""
    for line in read_csv(root / "near_duplicates.csv", ("path_a", "path_b", "same_class")):
        if line["same_class"] == "0":
            yield from (line["path_a"], line["path_b"])
