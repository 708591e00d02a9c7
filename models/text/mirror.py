"""An expression as it reads for the mirrored photo: left and right change places, all other words stay.

Whole words only, so that `bright` and `upright` stay as they are; a hyphen parts words. A word keeps its case.
"""

from __future__ import annotations

import re

_PAIRS = (
    ("left", "right"),
    ("leftmost", "rightmost"),
    ("lefthand", "righthand"),
    ("leftward", "rightward"),
    ("leftwards", "rightwards"),
    ("lefts", "rights"),
    ("clockwise", "counterclockwise"),
)
_OTHER = {one: other for pair in _PAIRS for one, other in (pair, pair[::-1])}
_WORD = re.compile(r"[^\W\d_]+")
#: In a question "left" may mean what remains.
_ASKS = frozenset({"what", "which", "who", "where", "when", "why", "how", "is", "are", "does", "do", "can"})


def mirror_words(expression: str) -> str:
    """Swap the sides in an expression; twice gives the expression again."""
    return _WORD.sub(lambda found: _swapped(found.group()), expression)


def can_mirror(expression: str) -> bool:
    """Whether swapping is safe: an expression names a place, a question may not."""
    words = _WORD.findall(expression.lower())
    return "?" not in expression and (not words or words[0] not in _ASKS)


def _swapped(word: str) -> str:
    other = _OTHER.get(word.lower())
    if other is None:
        return word
    if word.isupper():
        return other.upper()
    return other.capitalize() if word[0].isupper() else other
