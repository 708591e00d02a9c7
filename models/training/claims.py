"""What can truly be said of exactly one thing in a photo, given the boxes of all.

Owns the meaning of side, order, size, nearness, colour and negation, each with a margin: what is nearly a tie is not said.
Things marked `difficult` are rivals like all others but never what is meant. How a claim is worded is `expressions`' part.
Places are in 0..1 of the photo.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Literal

from models.canvas import mirrored
from models.training.nouns import NOUNS
from models.training.voc import Thing

MARGIN = 0.05  # between the centres of two things, one of which is further left (or right, up, down)
SIZE_RATIO = 1.3  # between the areas of the largest and the next
NEAR, FAR = 0.03, 0.15  # the gap to what a thing is next to, and the least gap of what is not
LAST_RANK = 5

Kind = Literal["class", "side", "ordinal", "size", "colour", "relation", "negation"]
KINDS: tuple[Kind, ...] = ("class", "side", "ordinal", "size", "colour", "relation", "negation")
_AXES = (("left", "right"), ("top", "bottom"))
_DIRECTIONS = (("left of", 0, -1.0), ("right of", 0, 1.0), ("above", 1, -1.0), ("below", 1, 1.0))
_PLACES = ("next to", *(word for word, _, _ in _DIRECTIONS))


@dataclass(frozen=True, slots=True)
class Layout:
    """A photo's things, and the clear colour of each where it has one; no colours at all if none were looked at."""

    things: tuple[Thing, ...]
    colours: tuple[str | None, ...] = ()

    def __post_init__(self) -> None:
        if self.colours and len(self.colours) != len(self.things):
            raise ValueError(f"{len(self.colours)} colours for {len(self.things)} things")

    def meant_by(self, noun: str) -> list[int]:
        """The things that a noun could mean."""
        return [index for index, thing in enumerate(self.things) if thing.name in NOUNS[noun]]

    def colour(self, index: int) -> str | None:
        """A thing's clear colour."""
        return self.colours[index] if self.colours else None

    def mirror(self) -> Layout:
        """The same things in the mirrored photo."""
        things = tuple(Thing(thing.name, mirrored(thing.box), thing.is_difficult) for thing in self.things)
        return Layout(things, self.colours)


@dataclass(frozen=True, slots=True)
class Claim:
    """That `noun` with `words` means the thing `target` and no other; None: that it means nothing here.

    `words` are: side `left`, `top left`, `middle`; ordinal `left` with a `rank`; size `largest`; colour `red`; relation
    `next to` or `between` and one or two nouns. A negation denies the claim `denied`. `rivals` counts the other things that
    the noun could mean; of what means nothing it only tells a comparative from a superlative.
    """

    kind: Kind
    noun: str
    target: int | None
    rivals: int
    words: tuple[str, ...] = ()
    rank: int = 0
    denied: Claim | None = None


def true_claims(layout: Layout) -> list[Claim]:
    """Everything that can be said of exactly one thing, by every noun."""
    found: list[Claim] = []
    for noun in NOUNS:
        members = layout.meant_by(noun)
        if not members:
            continue
        positive = [*_simple(layout, noun, members), *_relations(layout, noun, members)]
        found += [*positive, *_negations(layout, noun, members, positive)]
    return [claim for claim in found if claim.target is not None and not layout.things[claim.target].is_difficult]


@dataclass(frozen=True, slots=True)
class Denials:
    """What means nothing in a photo: what names a thing that is not there, and what is untrue of things that all are."""

    absent: list[Claim]
    untrue: list[Claim]


def false_claims(layout: Layout) -> Denials:
    """What means nothing here, in every form in which something can be said, so that no form is a sign of what is there."""
    present = [noun for noun in NOUNS if layout.meant_by(noun)]
    absent = [noun for noun in NOUNS if noun not in present]
    seen = sorted({name for name in layout.colours if name})
    denials = Denials([], [])
    for noun in absent:
        denials.absent.extend(_of_absent(noun, present, seen))
    for noun in present:
        members = layout.meant_by(noun)
        denials.absent.extend(_beside_absent(noun, len(members) - 1, present, absent))
        denials.untrue.extend(_untrue(layout, noun, members, seen))
    return denials


def _of_absent(noun: str, present: Sequence[str], colours: Sequence[str]) -> Iterator[Claim]:
    """All that could be said of a thing, were it there."""
    pairs = [(one, two) for one, two in combinations(present, 2) if not NOUNS[one] & NOUNS[two]]
    deniable = [
        *(Claim("side", noun, None, 0, (side,)) for sides in _AXES for side in sides),
        *(Claim("size", noun, None, rivals, (size,)) for size in ("largest", "smallest") for rivals in (1, 2)),
        *(Claim("colour", noun, None, 0, (colour,)) for colour in colours),
        *(Claim("relation", noun, None, 0, (word, other)) for word in _PLACES for other in present),
        *(Claim("relation", noun, None, 0, ("between", one, two)) for one, two in pairs),
    ]
    yield Claim("class", noun, None, 0)
    yield from deniable
    yield from (Claim("negation", noun, None, 0, denied=claim) for claim in deniable)
    yield Claim("side", noun, None, 0, ("middle",))
    yield from (Claim("side", noun, None, 0, (f"{row} {side}",)) for row in _AXES[1] for side in _AXES[0])
    yield from (Claim("ordinal", noun, None, 0, (side,), rank) for side in _AXES[0] for rank in range(1, LAST_RANK + 1))


def _beside_absent(noun: str, rivals: int, present: Sequence[str], absent: Sequence[str]) -> Iterator[Claim]:
    """Places relative to what is not there."""
    apart = [other for other in present if not NOUNS[other] & NOUNS[noun]]
    for other in absent:
        yield from (Claim("relation", noun, None, rivals, (word, other)) for word in _PLACES)
        yield from (Claim("relation", noun, None, rivals, ("between", one, other)) for one in apart)


def _untrue(layout: Layout, noun: str, members: Sequence[int], colours: Sequence[str]) -> Iterator[Claim]:
    """A rank beyond the last, a colour that none has or all have, a place where clearly none is."""
    rivals = len(members) - 1
    for side in _AXES[0]:
        yield from (Claim("ordinal", noun, None, rivals, (side,), rank) for rank in range(rivals + 2, LAST_RANK + 1))
    shown = {layout.colour(index) for index in members}
    if None not in shown:
        yield from (Claim("colour", noun, None, rivals, (colour,)) for colour in colours if colour not in shown)
        if len(shown) == 1:
            denied = Claim("colour", noun, None, rivals, (min(filter(None, shown)),))
            yield Claim("negation", noun, None, rivals, denied=denied)
    anchors = _anchors(layout, noun)
    for other, anchor in anchors:
        if all(_gap(layout, index, anchor) >= FAR for index in members):
            yield Claim("relation", noun, None, rivals, ("next to", other))
        for word, axis, sign in _DIRECTIONS:
            if max(_ahead(layout, members, anchor, axis, sign)) <= -MARGIN:
                yield Claim("relation", noun, None, rivals, (word, other))
    for one, two, inner in _between(layout, members, anchors):
        if max(inner) <= -MARGIN:
            yield Claim("relation", noun, None, rivals, ("between", one, two))


def _simple(layout: Layout, noun: str, members: Sequence[int]) -> Iterator[Claim]:
    """Claims about the things of the noun alone."""
    rivals = len(members) - 1
    if not rivals:
        yield Claim("class", noun, members[0], 0)
        return
    sides = dict(_sides(layout, members))
    for word, target in sides.items():
        yield Claim("side", noun, target, rivals, (word,))
    for side in _AXES[0]:
        for rank, target in _ranks(layout, members, is_reversed=side == "right"):
            yield Claim("ordinal", noun, target, rivals, (side,), rank)
    by_area = sorted(members, key=lambda index: layout.things[index].area)
    areas = [layout.things[index].area for index in by_area]
    if areas[-1] >= SIZE_RATIO * areas[-2]:
        yield Claim("size", noun, by_area[-1], rivals, ("largest",))
    if areas[1] >= SIZE_RATIO * areas[0]:
        yield Claim("size", noun, by_area[0], rivals, ("smallest",))
    colours = [layout.colour(index) for index in members]
    for index, colour in zip(members, colours, strict=True):
        if colour and None not in colours and colours.count(colour) == 1:
            yield Claim("colour", noun, index, rivals, (colour,))


def _sides(layout: Layout, members: Sequence[int]) -> Iterator[tuple[str, int]]:
    """The outermost things by side, those of two sides at once, and the middle one of three."""
    ends: dict[str, int] = {}
    for axis, (low, high) in enumerate(_AXES):
        order = _ordered(layout, members, axis)
        if _apart(layout, order[0], order[1], axis):
            ends[low] = order[0]
        if _apart(layout, order[-2], order[-1], axis):
            ends[high] = order[-1]
    yield from ends.items()
    for row in _AXES[1]:
        for column in _AXES[0]:
            if row in ends and ends[row] == ends.get(column):
                yield f"{row} {column}", ends[row]
    order = _ordered(layout, members, 0)
    if len(order) == 3 and all(_apart(layout, one, two, 0) for one, two in pairwise(order)):
        yield "middle", order[1]


def _ranks(layout: Layout, members: Sequence[int], *, is_reversed: bool) -> Iterator[tuple[int, int]]:
    """(rank, thing) counted from the left or right, of three and more; both neighbours are clearly further."""
    order = _ordered(layout, members, 0)
    if len(order) < 3:
        return
    if is_reversed:
        order.reverse()
    clear = [True, *(_apart(layout, one, two, 0) for one, two in pairwise(order)), True]
    for place, target in enumerate(order[:LAST_RANK]):
        if clear[place] and clear[place + 1]:
            yield place + 1, target


def _relations(layout: Layout, noun: str, members: Sequence[int]) -> Iterator[Claim]:
    """Places relative to the only thing of another noun, or between two such."""
    rivals = len(members) - 1
    anchors = _anchors(layout, noun)
    for other, anchor in anchors:
        near = [index for index in members if _gap(layout, index, anchor) <= NEAR]
        if len(near) == 1 and all(_gap(layout, index, anchor) >= FAR for index in members if index != near[0]):
            yield Claim("relation", noun, near[0], rivals, ("next to", other))
        for word, axis, sign in _DIRECTIONS:
            if (target := _only(members, _ahead(layout, members, anchor, axis, sign))) is not None:
                yield Claim("relation", noun, target, rivals, (word, other))
    for one, two, inner in _between(layout, members, anchors):
        if (target := _only(members, inner)) is not None:
            yield Claim("relation", noun, target, rivals, ("between", one, two))


def _anchors(layout: Layout, noun: str) -> list[tuple[str, int]]:
    """Other nouns that mean one thing, which is clearly seen and which `noun` could not mean."""
    return [
        (other, found[0])
        for other, classes in NOUNS.items()
        if not classes & NOUNS[noun]
        and len(found := layout.meant_by(other)) == 1
        and not layout.things[found[0]].is_difficult
    ]


def _ahead(layout: Layout, members: Sequence[int], anchor: int, axis: int, sign: float) -> list[float]:
    """How far each member's centre is ahead of the anchor's."""
    start = _centre(layout, anchor, axis)
    return [sign * (_centre(layout, index, axis) - start) for index in members]


def _between(
    layout: Layout, members: Sequence[int], anchors: Sequence[tuple[str, int]]
) -> Iterator[tuple[str, str, list[float]]]:
    """Two other things of different classes, from left to right, and how far inside each member's centre is."""
    for one, left in anchors:
        for two, right in anchors:
            start, end = _centre(layout, left, 0), _centre(layout, right, 0)
            if left == right or layout.things[left].name == layout.things[right].name or end - start < 2 * MARGIN:
                continue
            places = [_centre(layout, index, 0) for index in members]
            yield one, two, [min(place - start, end - place) for place in places]


def _negations(layout: Layout, noun: str, members: Sequence[int], claims: Sequence[Claim]) -> Iterator[Claim]:
    """Of two things, the one of which a claim about the other is not true; of many, the only one without a colour."""
    if len(members) == 2:
        for claim in claims:
            is_plain = claim.kind in {"size", "relation"} or (claim.kind == "side" and " " not in claim.words[0])
            if is_plain and claim.target is not None:
                other = members[1 - members.index(claim.target)]
                yield Claim("negation", noun, other, 1, denied=claim)
    colours = [layout.colour(index) for index in members]
    if len(members) < 2 or None in colours:
        return
    for colour in sorted({name for name in colours if name}):
        others = [index for index, name in zip(members, colours, strict=True) if name != colour]
        if len(others) == 1:
            denied = Claim("colour", noun, None, len(members) - 1, (colour,))
            yield Claim("negation", noun, others[0], len(members) - 1, denied=denied)


def _only(members: Sequence[int], ahead: Sequence[float]) -> int | None:
    """The one member that is clearly ahead, if all others are clearly behind."""
    ahead_of = [index for index, value in zip(members, ahead, strict=True) if value >= MARGIN]
    behind = sum(value <= -MARGIN for value in ahead)
    return ahead_of[0] if len(ahead_of) == 1 and behind == len(members) - 1 else None


def _centre(layout: Layout, index: int, axis: int) -> float:
    box = layout.things[index].box
    return (box[axis] + box[axis + 2]) / 2


def _ordered(layout: Layout, members: Sequence[int], axis: int) -> list[int]:
    return sorted(members, key=lambda index: _centre(layout, index, axis))


def _apart(layout: Layout, one: int, two: int, axis: int) -> bool:
    return abs(_centre(layout, one, axis) - _centre(layout, two, axis)) >= MARGIN


def _gap(layout: Layout, one: int, two: int) -> float:
    """How far two boxes are from each other along the wider of both gaps; 0 where they touch, less where they overlap."""
    first, second = layout.things[one].box, layout.things[two].box
    return max(max(first[axis], second[axis]) - min(first[axis + 2], second[axis + 2]) for axis in (0, 1))
