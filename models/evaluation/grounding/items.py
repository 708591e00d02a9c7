"""What a grounding model is asked when it is measured: the test set, words that mean nothing, shuffled words, people's phrases.

Owns the parts and their order. People's phrases are those of Flickr30k Entities; the ones whose head noun training knows
are told apart from the others. A few expressions were written by hand for test photos as a user would, clothes and doings
among them; `by_hand.csv` holds them with boxes of the set's annotation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Literal

from models.evaluation.grounding.test_set import SEED, TestExpression
from models.preprocess import decode
from models.training.claims import Claim, Layout
from models.training.colours import coloured_layout
from models.training.data import Box, DataError, read_csv
from models.training.expressions import draw_absent, draw_expressions, word_claim
from models.training.nouns import NOUNS, UNPROVEN
from models.training.voc import Scene

Part = Literal[
    "test",
    "shuffled",
    "mirrored",
    "absent",
    "absent, next to",
    "absent, other relations",
    "by hand",
    "people",
    "people, dressed nouns",
    "people, other nouns",
]

BY_HAND = Path(__file__).with_name("by_hand.csv")
_SIDES = ("x1", "y1", "x2", "y2")

#: What ends the first noun phrase of a phrase.
_END = re.compile(r"\b(?:of|with|in|on|at|from|by|near|behind|and|that|who|which|wearing|holding)\b|[^\w\s'-]")
#: Relations that training says only of what is there.
OTHER_RELATIONS = ("left of", "right of", "above", "below")
RELATION_PHOTOS = 300


@dataclass(frozen=True, slots=True)
class Item:
    """An expression and the box in 0..1 of the photo that it means, None where it means nothing there.

    `group`, `rivals` and `name` are those of the test set; phrases of people have none.
    """

    part: Part
    path: Path
    photo: str
    text: str
    box: Box | None
    group: str = ""
    rivals: int = 0
    name: str = ""

    @property
    def area(self) -> float:
        """The target's share of the photo; 0 where there is none."""
        if self.box is None:
            return 0.0
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)


def test_items(expressions: Iterable[TestExpression], voc: Path) -> list[Item]:
    """The fixed test, about the photos of a folder of VOC."""
    return [
        Item(
            "test", voc / "photos" / f"{one.photo}.webp", one.photo, one.text, one.box, one.group, one.rivals, one.name
        )
        for one in expressions
    ]


def shuffled_items(items: Sequence[Item]) -> list[Item]:
    """The same photos and boxes, each with the words of another: a model that reads must lose."""
    order = list(range(len(items)))
    Random(SEED).shuffle(order)
    turned = dict(zip(order, order[1:] + order[:1], strict=True))
    return [replace(item, part="shuffled", text=items[turned[place]].text) for place, item in enumerate(items)]


def said_items(scenes: Sequence[Scene], true: int = 3, absent: int = 2) -> list[Item]:
    """For each photo some expressions that mean one thing and some that mean nothing, drawn from the test's seed."""
    found: list[Item] = []
    for scene in scenes:
        photo, rng = scene.path.stem, Random(f"{SEED}/said/{scene.path.stem}")
        layout = coloured_layout(scene.things, decode(scene.path.read_bytes()).pixels)
        for one in [*draw_expressions(layout, rng, true), *draw_absent(layout, rng, absent)]:
            thing = None if one.target is None else scene.things[one.target]
            box, name = (None, "") if thing is None else (thing.box, thing.name)
            part: Part = "absent" if thing is None else "test"
            found.append(Item(part, scene.path, photo, one.text, box, one.kind, one.rivals, name))
    return found


def absent_items(scenes: Sequence[Scene]) -> list[Item]:
    """For each photo an expression that means nothing in it, drawn from the test's seed."""
    found: list[Item] = []
    for scene in scenes:
        photo = scene.path.stem
        layout = coloured_layout(scene.things, decode(scene.path.read_bytes()).pixels)
        drawn = draw_absent(layout, Random(f"{SEED}/{photo}"), 1)
        found += [Item("absent", scene.path, photo, one.text, None, one.kind, one.rivals) for one in drawn]
    return found


def relation_items(scenes: Sequence[Scene], count: int = RELATION_PHOTOS) -> list[Item]:
    """For each of `count` drawn photos two relations of a thing that it shows to one that it does not, or the other way round.

    The first is "next to", the second another one of the same two things: what sets them apart is the relation's words alone.
    """
    rng = Random(f"{SEED}/relations")
    found: list[Item] = []
    for scene in rng.sample(scenes, min(count, len(scenes))):
        layout = Layout(scene.things)
        shown = [noun for noun in NOUNS if layout.meant_by(noun)]
        pair = [rng.choice(shown), rng.choice([noun for noun in NOUNS if noun not in shown])]
        rng.shuffle(pair)
        noun, other = pair
        asked: tuple[tuple[Part, str], ...] = (
            ("absent, next to", "next to"),
            ("absent, other relations", rng.choice(OTHER_RELATIONS)),
        )
        for part, relation in asked:
            text = word_claim(Claim("relation", noun, None, 0, (relation, other)), rng)
            found.append(Item(part, scene.path, scene.path.stem, text, None, "relation"))
    return found


def hand_items(voc: Path) -> list[Item]:
    """The expressions that were written by hand, about the photos of a folder of VOC."""
    return [
        Item("by hand", voc / "photos" / f"{line['photo']}.webp", line["photo"], line["expression"], _box(line))
        for line in read_csv(BY_HAND, ("photo", "expression", *_SIDES))
    ]


def people_items(folder: Path, split: str) -> list[Item]:
    """People's phrases of a folder of Flickr30k Entities.

    Raises:
        DataError: the table is missing or a box is none.
    """
    found = []
    for line in read_csv(folder / "phrases.csv", ("photo", "split", "phrase", *_SIDES)):
        if line["split"] != split:
            continue
        part = part_of(line["phrase"])
        path = folder / "photos" / f"{line['photo']}.webp"
        found.append(Item(part, path, line["photo"], line["phrase"], _box(line)))
    return found


def _box(line: Mapping[str, str]) -> Box:
    try:
        left, top, right, bottom = (float(line[side]) for side in _SIDES)
    except ValueError as error:
        raise DataError(f"photo {line['photo']}: a box cannot be read ({error})") from error
    return left, top, right, bottom


def head_noun(phrase: str) -> str:
    """The last word of a phrase's first part: "a brown dog with a ball" -> "dog"."""
    words = _END.split(phrase.lower(), maxsplit=1)[0].split()
    return words[-1] if words else ""


def part_of(phrase: str) -> Part:
    """Whether training speaks of the phrase's head noun, or its singular, by the classes or in people's words.

    Both are in `models.training.nouns`; the second only where expressions were dressed (`models.training.dressing`).
    """
    head = head_noun(phrase)
    forms = {head, head.removesuffix("s"), head.removesuffix("es")}
    if forms & _HEADS:
        return "people"
    return "people, dressed nouns" if forms & UNPROVEN.keys() else "people, other nouns"


_HEADS = {noun.split()[-1] for noun in NOUNS}
