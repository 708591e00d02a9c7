"""Reads an expression and looks which boxes it could mean: written apart from the generator, from the words alone.

It gives two sets: what the words surely mean, and what they might mean to someone who does not see differences below the
margins (0.05 of the photo between centres, 1.3 between areas). An expression is sound if both are the same single thing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from models.training.voc import Thing

NAMES = {
    "aeroplane": "plane airplane aircraft vehicle",
    "bicycle": "bicycle bike vehicle",
    "bird": "bird animal",
    "boat": "boat vehicle",
    "bottle": "bottle",
    "bus": "bus vehicle",
    "car": "car vehicle",
    "cat": "cat kitty animal",
    "chair": "chair seat",
    "cow": "cow animal",
    "diningtable": "table",
    "dog": "dog animal",
    "horse": "horse animal",
    "motorbike": "motorbike motorcycle bike vehicle",
    "person": "person human",
    "pottedplant": "plant houseplant",
    "sheep": "sheep animal",
    "sofa": "sofa couch seat",
    "train": "train vehicle",
    "tvmonitor": "tv monitor screen",
}
RANKS = {"first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4, "fifth": 5, "5th": 5}
SIDES = {
    "left": (0, 1),
    "leftmost": (0, 1),
    "right": (0, -1),
    "rightmost": (0, -1),
    "top": (1, 1),
    "upper": (1, 1),
    "highest": (1, 1),
    "bottom": (1, -1),
    "lower": (1, -1),
    "lowest": (1, -1),
}
COLOURS = {"black", "white", "gray", "brown", "red", "orange", "yellow", "green", "blue", "purple", "pink"}
LARGE, SMALL = {"larger", "bigger", "largest", "biggest"}, {"smaller", "littler", "smallest", "littlest"}
RELATION = re.compile(
    r"^(?P<head>.+?) (?P<how>in between|between|next to|beside|near|by|to the left of|on the left of|left of"
    r"|to the right of|on the right of|right of|above|higher than|below|lower than) (?P<rest>.+)$"
)
DENIAL = re.compile(r"^(?P<head>.+?)(?: that| which)?(?: is not| isn't| not) (?P<what>.+)$")
EDGE = 1e-9


@dataclass(frozen=True)
class Meant:
    """Indices: surely meant, and possibly."""

    sure: set[int]
    possible: set[int]


@dataclass(frozen=True)
class Checker:
    """All that a photo's annotation tells; no colours where none were looked at."""

    things: tuple[Thing, ...]
    colours: tuple[str | None, ...]

    def read(self, text: str) -> Meant:
        text = re.sub(r"^(the|a|an) ", "", text)
        denial = DENIAL.match(text)
        if denial:
            return self._denied(denial["head"], denial["what"])
        relation = RELATION.match(text)
        if relation:
            return self._related(relation["head"], relation["how"], relation["rest"])
        words = text.split()
        members = self._members(words)
        if not members:
            return Meant(set(), set())
        rank = next((RANKS[word] for word in words if word in RANKS), None)
        if rank is not None:
            return self._ranked(members, rank, words[-1])
        parts = [part for word in words if (part := self._word(word, members)) is not None]
        found = Meant(members, members)
        for part in parts:
            found = Meant(found.sure & part.sure, found.possible & part.possible)
        if not parts and len(members) > 1:
            raise AssertionError(f"{text!r} names {len(members)} things and says nothing of them")
        return found

    def _word(self, word: str, members: set[int]) -> Meant | None:
        if word in SIDES:
            axis, sign = SIDES[word]
            places = {index: sign * self._centre(index)[axis] for index in members}
            return self._least(places, 0.05)
        if word in {"middle", "center"}:
            if len(members) != 3:
                raise AssertionError(f"the middle of {len(members)}")
            return self._ranked(members, 2, "left")
        if word in COLOURS:
            possible = {index for index in members if self.colours[index] in {word, None}}
            return Meant({index for index in possible if self.colours[index]}, possible)
        return self._sized(word, members) if word in LARGE | SMALL else None

    def _sized(self, word: str, members: set[int]) -> Meant:
        if word[-2:] == "er" and len(members) != 2:
            raise AssertionError(f"{word!r} compares two things, not {len(members)}")
        areas = {index: self._area(index) for index in members}
        if word in LARGE:
            areas = {index: 1 / area for index, area in areas.items()}
        least = min(areas.values(), default=0.0)
        possible = {index for index, area in areas.items() if area < least * 1.3 - EDGE}
        return Meant(possible if len(possible) == 1 else set(), possible)

    def _ranked(self, members: set[int], rank: int, side: str) -> Meant:
        sign = 1 if side == "left" else -1
        place = {index: sign * self._centre(index)[0] for index in members}
        possible = set()
        for index in members:
            before = sum(place[index] - place[other] >= 0.05 - EDGE for other in members - {index})
            not_after = sum(place[other] - place[index] < 0.05 - EDGE for other in members - {index})
            if before <= rank - 1 <= not_after:
                possible.add(index)
        return Meant(possible if len(possible) == 1 else set(), possible)

    def _least(self, places: dict[int, float], margin: float) -> Meant:
        least = min(places.values(), default=0.0)
        possible = {index for index, place in places.items() if place < least + margin - EDGE}
        return Meant(possible if len(possible) == 1 else set(), possible)

    def _related(self, head: str, how: str, rest: str) -> Meant:
        members = self._members(head.split())
        if not members:
            return Meant(set(), set())
        nouns = [re.sub(r"^the ", "", noun) for noun in rest.split(" and ")]
        anchors = [self._members(noun.split()) for noun in nouns]
        if any(not anchor for anchor in anchors):
            return Meant(set(), set())
        if any(len(anchor) > 1 for anchor in anchors):
            raise AssertionError(f"{rest!r} names several things")
        ones = [anchor.copy().pop() for anchor in anchors]
        if "between" in how:
            low, high = sorted(self._centre(one)[0] for one in ones)
            inner = {index: min(self._centre(index)[0] - low, high - self._centre(index)[0]) for index in members}
            return self._ahead(inner)
        if how in {"next to", "beside", "near", "by"}:
            gaps = {index: self._gap(index, ones[0]) for index in members}
            return Meant(
                {index for index, gap in gaps.items() if gap <= 0.03 + EDGE},
                {index for index, gap in gaps.items() if gap < 0.15 - EDGE},
            )
        axis, sign = (0, 1) if "left" in how or "right" in how else (1, 1)
        if "right" in how or how in {"below", "lower than"}:
            sign = -1
        anchor = self._centre(ones[0])[axis]
        return self._ahead({index: sign * (anchor - self._centre(index)[axis]) for index in members})

    def _ahead(self, lead: dict[int, float]) -> Meant:
        return Meant(
            {index for index, value in lead.items() if value >= 0.05 - EDGE},
            {index for index, value in lead.items() if value > -0.05 + EDGE},
        )

    def _denied(self, head: str, what: str) -> Meant:
        members = self._members(head.split())
        if not members:
            return Meant(set(), set())
        size = re.match(r"the (\w+) one$", what)
        denied = self.read(f"{size[1]} {head}" if size else f"{what} {head}" if what in COLOURS else f"{head} {what}")
        return Meant(members - denied.possible, members - denied.sure)

    def _members(self, words: list[str]) -> set[int]:
        named = {word for names in NAMES.values() for word in names.split()} & set(words)
        if len(named) != 1:
            raise AssertionError(f"{words} name {named or 'nothing'}")
        noun = named.pop()
        return {index for index, thing in enumerate(self.things) if noun in NAMES[thing.name].split()}

    def _centre(self, index: int) -> tuple[float, float]:
        left, top, right, bottom = self.things[index].box
        return (left + right) / 2, (top + bottom) / 2

    def _area(self, index: int) -> float:
        left, top, right, bottom = self.things[index].box
        return (right - left) * (bottom - top)

    def _gap(self, one: int, other: int) -> float:
        a, b = self.things[one].box, self.things[other].box
        across = max(b[0] - a[2], a[0] - b[2])
        down = max(b[1] - a[3], a[1] - b[3])
        return max(across, down)
