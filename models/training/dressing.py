"""Generated expressions dressed in what people add: "the man in the blue shirt" where the boxes prove a person.

Boxes tell what a thing is and where, and people say more: who it is, what it wears and does. A model that never met such words
takes them for a sign that nothing fits. So a share of the expressions, those that mean nothing among them, has its noun
exchanged for one that people used with their words before and after it. What boxes do prove, such as place, size, order and
other things, is left to the generator: words of that sort are not taken over. Owns the reading of people's expressions for
this; no photo comes with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from random import Random

from models.training.colours import NAMES as COLOURS
from models.training.nouns import NOUNS, UNPROVEN

_AFTER_LIMIT = 5  # words
_BEFORE_LIMIT = 2
_ARTICLES = frozenset({"a", "an", "the"})
#: Words that say what boxes prove, that deny, that mean a part of a thing, and those of a hot dog.
_LEFT_TO_CLAIMS = """
left right top bottom middle center centre upper lower front back far near close closest nearest farthest next beside above
below under over behind between side corner end edge row top-left lone only other another both first second third fourth fifth
sixth 1st 2nd 3rd 4th 5th 6th one two three four last big bigger biggest large larger largest small smaller smallest little tiny
huge leftmost rightmost leftest rightest leftiest righty lefty leftside rightside onleft onright topmost uppermost high higher
highest low lowest furthest foremost furthermost backmost centermost middle-right middle-left beneath whole half not no without
isn't dont don't that which of hot
"""
_PROVEN = frozenset(_LEFT_TO_CLAIMS.split())
_WORDS = re.compile(r"[a-z0-9'-]+")
_ALL_NOUNS = {**{noun: min(classes) for noun, classes in NOUNS.items() if len(classes) == 1}, **UNPROVEN}
#: Longer nouns first, so that "dining table" is not read as "table".
_NOUN = re.compile(r"\b(" + "|".join(sorted({*NOUNS, *UNPROVEN}, key=len, reverse=True)) + r")\b")


@dataclass(frozen=True, slots=True)
class Dress:
    """A noun as a person used it: words before it, the noun, words after it."""

    before: str
    noun: str
    after: str


@dataclass(frozen=True, slots=True)
class Wardrobe:
    """What people said around the nouns of each class."""

    dresses: Mapping[str, tuple[Dress, ...]]

    def dress(self, text: str, rng: Random) -> str:
        """The expression with its noun dressed; as it is where it has not just one noun, or nothing is known for that."""
        found = list(_NOUN.finditer(text))
        if len(found) != 1:
            return text
        (noun,) = found
        fitting = self.dresses.get(_ALL_NOUNS.get(noun[0], ""), ())
        if not fitting:
            return text
        chosen = rng.choice(fitting)
        said = " ".join(part for part in (chosen.before, chosen.noun, chosen.after) if part)
        return text[: noun.start()] + said + text[noun.end() :]


def read_wardrobe(expressions: Iterable[str]) -> Wardrobe:
    """Gather what people's expressions say around a single noun, without what boxes prove."""
    found: dict[str, list[Dress]] = {}
    for expression in expressions:
        text = " ".join(_WORDS.findall(expression.lower()))
        nouns = list(_NOUN.finditer(text))
        if len(nouns) != 1 or nouns[0][0] not in _ALL_NOUNS:
            continue
        noun = nouns[0]
        before = [word for word in text[: noun.start()].split() if word not in _ARTICLES]
        after = text[noun.end() :].split()
        is_short = len(before) <= _BEFORE_LIMIT and len(after) <= _AFTER_LIMIT
        if (before or after or noun[0] in UNPROVEN) and is_short and not _is_proven(before, after):
            dress = Dress(" ".join(before), noun[0], " ".join(after))
            found.setdefault(_ALL_NOUNS[noun[0]], []).append(dress)
    return Wardrobe({name: tuple(dresses) for name, dresses in found.items()})


def _is_proven(before: list[str], after: list[str]) -> bool:
    """A colour before the noun is the thing's own, which the generator tells from its pixels; after it, of what it wears."""
    return bool(_PROVEN.intersection(before + after) or set(COLOURS).intersection(before))
