"""Referring expressions made from boxes: seeded, worded as people word them, each true of exactly one box of its photo.

What is true is `claims`' part; here it is said, and the mixture of kinds is drawn. The forms follow the expressions that
people wrote for RefCOCO, RefCOCO+, RefCOCOg and ReferItGame (`human_words` measures how close): short, often without an
article, the side before or after the noun, numbers as words or digits. An expression that means nothing in its photo is worded
in all the same forms: a model would take a form that is said only of what is there for a sign of it.

A photo without rivals gives few expressions, one with rivals as many as are asked for: naming the class alone settles the
former, and it is the latter that teach reading.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from models.training.claims import KINDS, Claim, Kind, Layout, false_claims, true_claims
from models.training.nouns import RARE

#: Share of the class alone, where a photo has anything else to say.
CLASS_SHARE = 0.2
#: Share of what is untrue of things that are there, in what means nothing, where a photo has some of its kind.
UNTRUE_SHARE = 0.5
_BARE_SHARE = 0.65  # of noun phrases without an article
_RARE_SHARE = 0.25

_ORDINALS = {
    1: ("first", "1st"),
    2: ("second", "2nd"),
    3: ("third", "3rd"),
    4: ("fourth", "4th"),
    5: ("fifth", "5th"),
}
_ACROSS = (
    "{noun} on the {side}",
    "{noun} on {side}",
    "{side} {noun}",
    "{noun} {side}",
    "{noun} to the {side}",
    "{noun} on the {side} side",
    "{noun} on the far {side}",
    "{side}most {noun}",
    "far {side} {noun}",
    "{noun} furthest to the {side}",
)
_SIDES: Mapping[str, tuple[str, ...]] = {
    "left": _ACROSS,
    "right": _ACROSS,
    "top": ("top {noun}", "{noun} at the top", "upper {noun}", "highest {noun}", "{noun} at top"),
    "bottom": ("bottom {noun}", "{noun} at the bottom", "lower {noun}", "lowest {noun}", "{noun} at bottom"),
    "middle": ("middle {noun}", "{noun} in the middle", "center {noun}", "{noun} in center", "{noun} in middle"),
}
_CORNER = ("{row} {side} {noun}", "{noun} at the {row} {side}", "{noun} {row} {side}", "{other} {side} {noun}")
_OTHER_ROW = {"top": "upper", "bottom": "lower"}
_ORDER = (
    "{rank} {noun} from {side}",
    "{rank} {noun} from the {side}",
    "{noun} {rank} from {side}",
    "{noun} {rank} from the {side}",
)
_SIZES = {"largest": ("largest", "biggest"), "smallest": ("smallest", "littlest")}
_SIZES_OF_TWO = {"largest": ("larger", "bigger"), "smallest": ("smaller", "littler")}
_COLOURED = ("{colour} {noun}", "{colour} {noun}", "{noun} that is {colour}", "{colour} colored {noun}")
_RELATIONS: Mapping[str, tuple[str, ...]] = {
    "next to": ("{noun} next to {one}", "{noun} beside {one}", "{noun} near {one}", "{noun} by {one}"),
    "left of": ("{noun} left of {one}", "{noun} to the left of {one}", "{noun} on the left of {one}"),
    "right of": ("{noun} right of {one}", "{noun} to the right of {one}", "{noun} on the right of {one}"),
    "above": ("{noun} above {one}", "{noun} higher than {one}"),
    "below": ("{noun} below {one}", "{noun} lower than {one}"),
    "between": ("{noun} between {one} and {two}", "{noun} in between {one} and {two}"),
}
_DENIALS = ("{noun} not {what}", "{noun} that is not {what}", "{noun} which is not {what}", "{noun} that isn't {what}")
_DENIED_SIDES = {"left": "on the left", "right": "on the right", "top": "at the top", "bottom": "at the bottom"}
_PLAIN = ("{noun}", "{noun}", "{noun}", "{noun} in the picture", "{noun} in the photo", "{noun} here")


@dataclass(frozen=True, slots=True)
class Expression:
    """Words about a photo and the index of the thing that they mean; None: nothing. `rivals` as in `Claim`."""

    text: str
    kind: Kind
    target: int | None
    rivals: int


def draw_expressions(layout: Layout, rng: Random, count: int) -> list[Expression]:
    """At most `count` different expressions, each true of exactly one thing; none where nothing can be said.

    The class alone is a fifth of them where the photo has more to say; where it has not, one is all.
    """
    by_kind = _by_kind(true_claims(layout))
    kinds: list[Kind] = [kind for kind in KINDS if kind != "class" and by_kind[kind]]
    drawn: dict[str, Expression] = {}
    for _ in range(count):
        is_class = bool(by_kind["class"]) and (not kinds or rng.random() < CLASS_SHARE)
        if not is_class and not kinds:
            break
        kind: Kind = "class" if is_class else rng.choice(kinds)
        expression = _say(pick_claim(by_kind[kind], rng), rng)
        drawn.setdefault(expression.text, expression)
        if not kinds:
            break
    return list(drawn.values())


def draw_absent(layout: Layout, rng: Random, count: int) -> list[Expression]:
    """At most `count` different expressions that mean nothing in the photo, of kinds in turn.

    Where a kind has any, half of them name only things that are there, and say what is not true of them.
    """
    denials = false_claims(layout)
    absent, untrue = _by_kind(denials.absent), _by_kind(denials.untrue)
    kinds = [kind for kind in KINDS if absent[kind] or untrue[kind]]
    drawn: dict[str, Expression] = {}
    for _ in range(count if kinds else 0):
        kind = rng.choice(kinds)
        claims = untrue[kind] if untrue[kind] and (not absent[kind] or rng.random() < UNTRUE_SHARE) else absent[kind]
        expression = _say(pick_claim(claims, rng), rng)
        drawn.setdefault(expression.text, expression)
    return list(drawn.values())


def word_claim(claim: Claim, rng: Random) -> str:
    """A claim in words."""
    form = _form(claim, rng)
    parts = dict(zip(("one", "two"), _anchors(claim, rng), strict=False))
    text = form.replace("{noun}", claim.noun).format(**parts)
    draw = rng.random()
    if draw < _BARE_SHARE:
        return text
    if claim.kind == "class" and draw > 1 - _BARE_SHARE / 4:
        return f"{'an' if text[0] in 'aeiou' else 'a'} {text}"
    return f"the {text}"


def pick_claim(claims: Sequence[Claim], rng: Random) -> Claim:
    """A claim, by a rare noun a quarter as often."""
    return rng.choices(claims, [_RARE_SHARE if claim.noun in RARE else 1.0 for claim in claims])[0]


def _say(claim: Claim, rng: Random) -> Expression:
    return Expression(word_claim(claim, rng), claim.kind, claim.target, claim.rivals)


def _by_kind(claims: Sequence[Claim]) -> dict[Kind, list[Claim]]:
    found: dict[Kind, list[Claim]] = {kind: [] for kind in KINDS}
    for claim in claims:
        found[claim.kind].append(claim)
    return found


def _form(claim: Claim, rng: Random) -> str:
    """A form with its words filled in, but for `{noun}` and the things of a relation."""
    if claim.kind == "class":
        return rng.choice(_PLAIN)
    if claim.kind == "negation":
        return rng.choice(_DENIALS).replace("{what}", _denied(claim.denied, rng))
    if claim.kind == "relation":
        return rng.choice(_RELATIONS[claim.words[0]])
    word = claim.words[0]
    if claim.kind == "size":
        return f"{rng.choice(_sizes(claim)[word])} {{noun}}"
    if claim.kind == "colour":
        return rng.choice(_COLOURED).replace("{colour}", word)
    if claim.kind == "ordinal":
        return rng.choice(_ORDER).replace("{side}", word).replace("{rank}", rng.choice(_ORDINALS[claim.rank]))
    return _placed(word, rng)


def _placed(word: str, rng: Random) -> str:
    """A form for a side, or for a corner, which has two."""
    row, _, side = word.partition(" ")
    if side:
        form = rng.choice(_CORNER).replace("{side}", side)
        return form.replace("{row}", row).replace("{other}", _OTHER_ROW[row])
    return rng.choice(_SIDES[word]).replace("{side}", word)


def _sizes(claim: Claim) -> Mapping[str, tuple[str, ...]]:
    """A comparative compares two; of more the superlative is said."""
    return _SIZES_OF_TWO if claim.rivals == 1 else _SIZES


def _denied(claim: Claim | None, rng: Random) -> str:
    if claim is None:
        raise ValueError("a negation denies a claim, and has none")
    if claim.kind == "side":
        return _DENIED_SIDES[claim.words[0]]
    if claim.kind == "size":
        return f"the {rng.choice(_sizes(claim)[claim.words[0]])} one"
    if claim.kind == "colour":
        return claim.words[0]
    parts = dict(zip(("one", "two"), _anchors(claim, rng), strict=False))
    return rng.choice(_RELATIONS[claim.words[0]]).removeprefix("{noun} ").format(**parts)


def _anchors(claim: Claim, rng: Random) -> list[str]:
    """The things of a relation, with or without an article; those of `between` in either order."""
    if claim.kind != "relation":
        return []
    nouns = list(claim.words[1:])
    rng.shuffle(nouns)
    article = rng.choice(("the ", "the ", ""))
    return [article + noun for noun in nouns]
