"""Expressions about the bird of a whole photo, from the photo's own ticks, and two birds in one scene to choose from.

A photo of CUB-200-2011 shows one bird with a box, so any true words mean it. Beside another photo the words must tell the two
apart: at least one thing that is said was ticked for the one and is known not to have been ticked for the other. What is
known of a class is never read. Ticks are people's and noisy; `?` proves nothing and is not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from models.training.ticks import Attributes

#: Noun -> the group of its colours; of the bird itself the colour stands before the noun.
PARTS = {
    "bird": "has_primary_color",
    "crown": "has_crown_color",
    "throat": "has_throat_color",
    "belly": "has_belly_color",
    "breast": "has_breast_color",
    "wings": "has_wing_color",
    "bill": "has_bill_color",
    "back": "has_back_color",
    "eyes": "has_eye_color",
}
_PARTS_SAID = 3
_PLURALS = frozenset({"wings", "eyes"})


@dataclass(frozen=True, slots=True)
class Tick:
    """That a photo's bird, or a part of it, has a colour."""

    part: str
    colour: str


def ticks_of(states: str, attributes: Attributes) -> list[Tick]:
    """The colours that were ticked for a photo."""
    return [Tick(part, colour) for part, group in PARTS.items() for colour in attributes.ticked(states, group)]


def telling(one: str, other: str, attributes: Attributes) -> list[Tick]:
    """The colours that were ticked for one photo and are known not to have been ticked for another."""
    denied = {
        Tick(part, value)
        for part, group in PARTS.items()
        for position, value in attributes.groups.get(group, ())
        if other[position] == "0"
    }
    return [tick for tick in ticks_of(one, attributes) if tick in denied]


def bird_expression(states: str, attributes: Attributes, rng: Random, beside: str | None = None) -> str | None:
    """Words for the bird of a photo; true of it and not of the bird `beside` it, given the states of both photos.

    None where the ticks cannot tell the two apart. Without a neighbour "bird" alone is always true.
    """
    first = [] if beside is None else telling(states, beside, attributes)
    if beside is not None and not first:
        return None
    said = [rng.choice(first)] if first else []
    limit = rng.randint(0, _PARTS_SAID)
    ticks = ticks_of(states, attributes)
    rng.shuffle(ticks)
    for tick in ticks:
        if len(said) < limit and tick.part not in {known.part for known in said}:
            said.append(tick)
    return _worded(said, rng)


def absent_bird_expression(states: Sequence[str], attributes: Attributes, rng: Random) -> str | None:
    """Words that mean none of the birds in a scene, given the states of their photos: a colour that is known of none.

    None where no colour is known to be absent.
    """
    absent = [
        Tick(part, value)
        for part, group in PARTS.items()
        for position, value in attributes.groups.get(group, ())
        if all(one[position] == "0" for one in states)
    ]
    return _worded([rng.choice(absent)], rng) if absent else None


def _worded(said: Sequence[Tick], rng: Random) -> str:
    body = next((f"{tick.colour} bird" for tick in said if tick.part == "bird"), "bird")
    parts = [tick for tick in said if tick.part != "bird"]
    listed = " and ".join(_with_article(tick) for tick in parts)
    article = rng.choice(("the ", ""))
    if not parts:
        return f"{article}{body}"
    if body == "bird" and len(parts) == 1 and rng.random() < 0.25:
        return f"{article}bird whose {parts[0].part} {'are' if parts[0].part in _PLURALS else 'is'} {parts[0].colour}"
    return f"{article}{body} {rng.choice(('with', 'that has', 'having'))} {listed}"


def _with_article(tick: Tick) -> str:
    if tick.part in _PLURALS:
        return f"{tick.colour} {tick.part}"
    return f"{'an' if tick.colour[0] in 'aeiou' else 'a'} {tick.colour} {tick.part}"
